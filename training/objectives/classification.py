"""Classes from pictures: by their labels, or also by the answers of networks that were trained before."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from training.data.augment_images import blended
from training.losses import Loss, classification_loss
from training.objectives.objective import Forward, Judgement, Part, StepResult
from training.objectives.pictures import Batch, Normalisation, PictureObjective, resized

_TOP = 5


@dataclass(frozen=True)
class Scored:
    """What a classifier made of a part: logits float32 `[n, classes]` and the true class ids `[n]`."""

    logits: NDArray[np.float32]
    class_ids: NDArray[np.int64]


@dataclass(frozen=True)
class Teacher:
    """A trained classifier whose answers another one learns."""

    network: nn.Module
    normalise: Normalisation
    side_px: int

    def __call__(self, pixels: Tensor) -> Tensor:
        """Probabilities `[N, classes]` of pictures 0…255 `[N, H, W, 3]`."""
        with torch.no_grad():
            logits = self.network(resized(self.normalise(pixels), self.side_px))
            return torch.softmax(logits.float(), dim=-1)


@dataclass
class Classification(PictureObjective):
    """Classes from pictures."""

    teachers: tuple[Teacher, ...] = ()
    loss: Loss = field(init=False)

    def __post_init__(self) -> None:
        """Build the loss; rare classes weigh more where the recipe says so."""
        super().__post_init__()
        is_weighted = self.recipe.data.balance == "weights"
        self.loss = classification_loss(self.recipe.loss, self.class_weights().float() if is_weighted else None)

    def step(self, forward: Forward, batch: Batch, rng: np.random.Generator, device: torch.device) -> StepResult:
        """Cross-entropy or another loss against the classes, blended ones with mixup and cutmix, and the teachers."""
        pixels, class_ids = (each.to(device) for each in batch)
        labels = F.one_hot(class_ids, len(self.parts.classes)).float()
        channels_first, labels = blended(pixels.permute(0, 3, 1, 2).float(), labels, self.recipe.augment, rng)
        blend = channels_first.permute(0, 2, 3, 1)  # as it was: each network normalises and resizes in its own way
        logits = forward(self.inputs(blend))
        right = float((logits.argmax(-1) == labels.argmax(-1)).sum())
        return StepResult(self.loss(logits, self._taught(blend, labels)), right, len(pixels), len(pixels))

    def _taught(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """The labels, or so much of them as the teachers' answers leave."""
        section = self.recipe.distillation
        if section is None:
            return labels
        answers = torch.stack([teacher(pixels) for teacher in self.teachers]).mean(0)
        return (1 - section.share) * labels + section.share * answers

    def judge(self, network: nn.Module, part: Part, device: torch.device) -> Judgement:
        """Accuracy and top-5, on pictures as they are served."""
        network.eval()
        logits, class_ids = [], []
        with torch.inference_mode():
            for inputs, labels in self._judged(part, device):
                logits.append(network(inputs).float().cpu())
                class_ids.append(labels.cpu())
        scores, labels = torch.cat(logits), torch.cat(class_ids)
        places = (scores > scores.gather(1, labels[:, None])).sum(1)
        figures = {"accuracy": float((places < 1).double().mean())}
        if len(self.parts.classes) > _TOP:
            figures["top5"] = float((places < _TOP).double().mean())
        loss = float(F.cross_entropy(scores, labels))
        return Judgement(
            loss=loss,
            figures=figures,
            score=(figures["accuracy"], -loss),
            details=Scored(scores.numpy(), labels.numpy()),
        )
