"""Pictures from themselves, through the narrow code of an autoencoder."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from training.losses import Loss, reconstruction_loss
from training.objectives.objective import Forward, Judgement, Part, StepResult
from training.objectives.pictures import Batch, PictureObjective


@dataclass
class Reconstruction(PictureObjective):
    """Pictures from themselves, through a narrow code; no label is looked at."""

    loss: Loss = field(init=False)

    def __post_init__(self) -> None:
        """Build the loss."""
        super().__post_init__()
        self.loss = reconstruction_loss(self.recipe.loss)

    def step(self, forward: Forward, batch: Batch, _: np.random.Generator, device: torch.device) -> StepResult:
        """How far the output is from the input."""
        images = self.inputs(batch[0].to(device))
        restored = forward(images).expand_as(images)  # a network for greys gives one channel for all
        return StepResult(self.loss(restored, images), 0.0, len(images), len(images))

    def judge(self, network: nn.Module, part: Part, device: torch.device) -> Judgement:
        """The loss, and the first pictures beside what became of them."""
        network.eval()
        total, count = 0.0, 0
        shown: list[Tensor] = []
        with torch.inference_mode():
            for inputs, _ in self._judged(part, device):
                restored = network(inputs).expand_as(inputs)
                total += float(self.loss(restored, inputs)) * len(inputs)
                count += len(inputs)
                shown = shown or [inputs[:16].cpu(), restored[:16].cpu()]
        mean = total / max(1, count)
        return Judgement(mean, {"loss": mean}, (-mean,), shown)
