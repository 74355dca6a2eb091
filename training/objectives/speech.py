"""Training a CTC model on recordings: what is said, without being told when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from models.ctc import BLANK, Units, best_path
from models.sound_files.resample import SPEECH_RATE_HZ
from training.data import augment_speech as augment
from training.data.speech import Recordings, SpeechData, divided
from training.error_rate import Edits, count_edits, total
from training.losses import CtcLossFunction, ctc_loss
from training.networks.ctc import HOP, CtcNetwork
from training.normalise import NORMALISERS
from training.objectives.objective import Forward, Judgement, Key, Part, StepResult, generator, shuffled
from training.recipe import Recipe

MIN_SAMPLES = 1600  # a tenth of a second: shorter sound is padded with silence
_JUDGED_S = 120.0  # of sound in a batch when judging
Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Sound `[N, samples]`, its lengths, all targets one behind the other, and their lengths."""


@dataclass(frozen=True)
class SpeechParts:
    """The data of a run."""

    train: Recordings
    validation: Recordings
    test: Recordings


@dataclass(frozen=True)
class Heard:
    """One recording of a part: what was said, what was heard, and the edits between, normalised."""

    name: str
    said: str
    heard: str
    edits: Edits


def divide(data: SpeechData, recipe: Recipe) -> SpeechParts:
    """Hold out the validation part."""
    if not recipe.data.validation:
        return SpeechParts(data.train, data.train.taken(np.zeros(0, np.int64)), data.test)
    kept, held = divided(data.train, recipe.data.split_by, recipe.data.validation, recipe.seed)
    return SpeechParts(data.train.taken(kept), data.train.taken(held), data.test)


def normaliser_of(language: str) -> str:
    """Name of the normaliser that texts of a language are learnt and scored in."""
    return "chinese" if language == "zh" else "basic"


def tokens_of(text: str, recipe: Recipe) -> tuple[str, ...]:
    """A text as the recipe's units."""
    tokens = NORMALISERS[normaliser_of(recipe.language)](text)
    if recipe.data.units == "words" or recipe.language == "zh":
        return tokens
    return tuple(" ".join(tokens))


def units_of(recordings: Recordings, recipe: Recipe) -> Units:
    """Every unit that occurs in the texts, sorted."""
    texts = sorted({unit for each in recordings.listed for unit in tokens_of(each.text, recipe)})
    return Units(tuple(texts), " " if recipe.data.units == "words" else "")


@dataclass
class SpeechObjective:
    """Connectionist temporal classification on one set of recordings."""

    recipe: Recipe
    parts: SpeechParts
    units: Units
    network: CtcNetwork
    unit: str = "audio-s"

    def __post_init__(self) -> None:
        """Look the targets up once."""
        self._ids = {text: number for number, text in enumerate(self.units.texts, BLANK + 1)}
        self._targets = [self._tokens(each.text) for each in self.parts.train.listed]
        self._loss: CtcLossFunction = ctc_loss()

    def _tokens(self, text: str) -> list[int]:
        return [self._ids[unit] for unit in tokens_of(text, self.recipe) if unit in self._ids]

    @property
    def has_validation(self) -> bool:
        """Whether a validation part was held out."""
        return len(self.parts.validation) > 0

    def order(self, epoch: int) -> Sequence[int]:
        """Every training recording once."""
        return shuffled(self.recipe.seed, epoch, len(self.parts.train))

    def example(self, key: Key) -> tuple[NDArray[np.float32], list[int]]:
        """Varied sound, float32 `[n]`, and the tokens said in it."""
        epoch, index = key
        section, rng = self.recipe.augment, generator(self.recipe.seed, epoch, index)
        if section.wordless and rng.random() < section.wordless:
            return _padded(augment.wordless(rng)), []
        chosen = [index]
        chosen += rng.integers(len(self.parts.train), size=int(rng.integers(section.joined))).tolist()
        pieces = [self.parts.train.audio(each) for each in chosen]
        if section.speed:
            pieces = [augment.at_speed(piece, section.speed, rng) for piece in pieces]
        audio = augment.joined(pieces, rng) if section.joined > 1 else pieces[0]
        targets = [token for each in chosen for token in self._targets[each]]
        return _padded(augment.varied(audio, section, rng)), targets

    def collate(self, examples: list[Any]) -> Batch:
        """Padded with silence to the longest."""
        sounds, targets = zip(*examples, strict=True)
        lengths = torch.tensor([len(each) for each in sounds])
        padded = torch.zeros(len(sounds), int(lengths.max()))
        for row, each in zip(padded, sounds, strict=True):
            row[: len(each)] = torch.from_numpy(each)
        flat = torch.tensor([token for each in targets for token in each], dtype=torch.int64)
        return padded, lengths, flat, torch.tensor([len(each) for each in targets])

    def begin_training(self, epoch: int) -> None:
        """Nothing is frozen."""
        self.network.train()

    def step(self, forward: Forward, batch: Batch, rng: np.random.Generator, device: torch.device) -> StepResult:
        """The CTC loss of the texts."""
        sound, lengths, targets, target_lengths = (each.to(device) for each in batch)
        frames = lengths // HOP
        with torch.no_grad():
            features = self.network.features(sound)[..., : int(frames.max())]
            features = augment.masked(features, frames, self.recipe.augment, rng)
        logits, left = forward(features, frames)
        scores = torch.log_softmax(logits.float(), dim=-1).transpose(0, 1)
        loss = self._loss(scores, targets, left, target_lengths)
        return StepResult(loss, 0.0, len(sound), float(lengths.sum()) / SPEECH_RATE_HZ)

    def judge(self, network: nn.Module, part: Part, device: torch.device) -> Judgement:
        """Error rate, and the fraction of recordings that are wholly right, by the best path."""
        network.eval()
        recordings = self.parts.test if part == "test" else self.parts.validation
        heard: dict[int, Heard] = {}
        losses: list[float] = []
        with torch.inference_mode():
            for rows in tqdm(_by_length(recordings), unit="batch", desc=part, leave=False, disable=None):
                for row, scores in zip(rows, self._scores(network, recordings, rows, device), strict=True):
                    heard[row] = self._heard(recordings, row, scores)
                    losses.append(self._loss_of(scores, self._tokens(recordings.listed[row].text)))
        edits = [heard[row].edits for row in range(len(recordings))]
        rate, loss = total(edits).rate, float(np.mean(losses))
        right = sum(each.errors == 0 for each in edits) / len(edits)
        return Judgement(
            loss=loss,
            figures={self.measure: rate, "accuracy": right},
            score=(-rate, right, -loss),
            details=[heard[row] for row in range(len(recordings))],
        )

    def _loss_of(self, scores: NDArray[np.float32], targets: list[int]) -> float:
        """CTC's of one recording, from its log-probabilities `[frames, tokens]`."""
        lengths = torch.tensor([len(scores)]), torch.tensor([len(targets)])
        return float(
            self._loss(torch.from_numpy(scores)[:, None], torch.tensor([targets], dtype=torch.int64), *lengths)
        )

    @property
    def measure(self) -> str:
        """Name of the error rate: by characters where these are the units, else by words."""
        return "cer" if self.recipe.language == "zh" or self.recipe.data.units == "characters" else "wer"

    def _scores(
        self, network: nn.Module, recordings: Recordings, rows: list[int], device: torch.device
    ) -> Iterator[NDArray[np.float32]]:
        """Log-probabilities `[frames, tokens]` of each recording."""
        sound, lengths, *_ = self.collate([(_padded(recordings.audio(row)), []) for row in rows])
        frames = (lengths // HOP).to(device)
        features = self.network.features(sound.to(device))[..., : int(frames.max())]
        logits, left = network(features, frames)
        for each, count in zip(torch.log_softmax(logits.float(), -1).cpu().numpy(), left.tolist(), strict=True):
            yield each[:count]

    def _heard(self, recordings: Recordings, row: int, scores: NDArray[np.float32]) -> Heard:
        listed = recordings.listed[row]
        text = self.units.text([each.token for each in best_path(scores)])
        said, found = tokens_of(listed.text, self.recipe), tokens_of(text, self.recipe)
        return Heard(listed.file.name, listed.text, text, count_edits(said, found))


def _padded(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.pad(audio, (0, max(0, MIN_SAMPLES - len(audio))))


def _by_length(recordings: Recordings) -> list[list[int]]:
    """Batches of recordings of similar lengths."""
    batches: list[list[int]] = [[]]
    for row in sorted(range(len(recordings)), key=recordings.seconds):
        if batches[-1] and recordings.seconds(row) * (len(batches[-1]) + 1) > _JUDGED_S:
            batches.append([])
        batches[-1].append(row)
    return [each for each in batches if each]
