"""Do the exported speech graphs compute what PyTorch computes? Asked before anything is published.

The encoder's keys and values may differ by 2e-3. The decoder must choose the same token at every step of greedy
decoding, except where PyTorch itself sees less than 1e-3 between its two best.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.manifest import Parity
from training.errors import ParityError
from training.export.speech_model import SpeechModel
from training.export.speech_session import SpeechSession
from training.networks.whisper import Whisper

TOLERANCE = 2e-3
CLOSE_CALL = 1e-3
_LONGEST = 40
Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Recording:
    """A sound and the language that its text is asked for in."""

    audio: Sound
    language: str = "en"


@dataclass(frozen=True)
class Greedy:
    """What PyTorch writes: tokens behind the beginning, and by how much each led the second best."""

    tokens: list[int]
    margins: list[float]


def check(
    model: SpeechModel, session: SpeechSession, recordings: Mapping[str, Recording], longest: int = _LONGEST
) -> Parity:
    """Compare on every recording, greedy decoding along `longest` tokens at most.

    Raises:
        ParityError: keys or values are too far away, or a token differs that was no close call.
    """
    found: dict[str, float] = {}
    for name, recording in recordings.items():
        audio, language = recording.audio, recording.language
        found[name] = difference = encoder_difference(model.network, session, audio)
        if not difference <= TOLERANCE:
            raise ParityError(f"the encoder graph is {difference:.2g} away from PyTorch on {name}; nothing published")
        wanted = greedy(model, audio, longest, language)
        place = first_difference(session, audio, model.beginning(language), wanted)
        if place is not None:
            raise ParityError(
                f"the decoder graph writes another token than PyTorch at place {place} of {name}; nothing published"
            )
    return Parity(max_abs_diff=found, tolerance=TOLERANCE)


def encoder_difference(whisper: Whisper, session: SpeechSession, audio: Sound) -> float:
    """The largest absolute difference of any cross key or value."""
    with torch.inference_mode():
        pairs = whisper.cross(whisper.encode(torch.from_numpy(audio)[None]))
    wanted = [tensor.numpy() for pair in pairs for tensor in pair]
    found = list(session.encode(audio).values())
    return max(float(np.abs(a - b).max()) for a, b in zip(wanted, found, strict=True))


def greedy(model: SpeechModel, audio: Sound, longest: int, language: str = "en") -> Greedy:
    """Greedy decoding by PyTorch, the end counted as a token, `longest` tokens at most."""
    whisper, beginning = model.network, model.beginning(language)
    tokens, margins = list(beginning), list[float]()
    with torch.inference_mode():
        cross = whisper.cross(whisper.encode(torch.from_numpy(audio)[None]))
        while len(margins) < longest and (not margins or tokens[-1] != model.end):
            logits = whisper.decoder(torch.tensor([tokens]), cross)[0, -1]
            (best, second), (token, _) = (each.tolist() for each in logits.topk(2))
            tokens.append(token)
            margins.append(best - second)
    return Greedy(tokens[len(beginning) :], margins)


def first_difference(session: SpeechSession, audio: Sound, beginning: list[int], wanted: Greedy) -> int | None:
    """Where the graphs, led along PyTorch's tokens, would first write another one; close calls do not count."""
    logits = session.follow(audio, [*beginning, *wanted.tokens[:-1]], len(beginning))
    return next(_differences(logits, wanted), None)


def _differences(logits: NDArray[np.float32], wanted: Greedy) -> Iterator[int]:
    chosen = logits.argmax(axis=-1).tolist()
    for place, (token, other, margin) in enumerate(zip(wanted.tokens, chosen, wanted.margins, strict=True)):
        if token != other and margin >= CLOSE_CALL:
            yield place
