"""Whisper's two graphs over memory that is allocated once for each lane.

The decoder's keys and values stay where they are and are bound by address, so a step copies nothing; what the encoder
found in the sound is written straight to where the decoder reads it. How tokens are chosen is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from service.onnx_runner import Kernels, OnnxRunner, Placement
from service.runner import Array

_AUDIO, _TOKENS, _LAST, _TOTAL, _LOGITS = "audio", "tokens", "last_position", "total_length", "logits"
_PAST, _PRESENT = "past_", "present_"


class WhisperRunner:
    """An encoder and a decoder session, run over memory that is allocated once for each lane."""

    def __init__(
        self, encoder: Path, decoder: Path, placement: Placement, threads: int, kernels: Kernels = "fast"
    ) -> None:
        """Open both graphs; sessions are shared by the lanes.

        Raises:
            ArtifactRefused: onnxruntime cannot read or place a graph, or it is not of the expected shape.
        """
        self._encoder = OnnxRunner(encoder, placement, threads, kernels)
        self._decoder = OnnxRunner(decoder, placement, threads, kernels)
        self.provider = self._decoder.provider

    def desk(self, rows: int) -> WhisperDesk:
        """Memory for up to `rows` hypotheses about one window."""
        return WhisperDesk(self._encoder.session, self._decoder.session, rows)


class WhisperDesk:
    """One lane's buffers, bound to the graphs by address: nothing is copied between steps.

    Buffers of keys and values are `[rows, heads, longest, width]` for each layer. Pages that no text was long
    enough to touch cost no memory.
    """

    def __init__(self, encoder: Any, decoder: Any, rows: int) -> None:
        self._encoder, self._decoder = encoder, decoder
        self._cross = {each.name: np.zeros(each.shape, np.float32) for each in encoder.get_outputs()}
        past = [each for each in decoder.get_inputs() if each.name.startswith(_PAST)]
        self._past = np.zeros((len(past), rows, *past[0].shape[1:]), np.float32)
        self._past_names = [each.name for each in past]
        self._vocabulary = decoder.get_outputs()[0].shape[-1]
        self.longest: int = past[0].shape[2]
        self._length = self._rows = 0
        self._steps: dict[int, _Step] = {}

    def listen(self, samples: Array) -> None:
        """Encode a window, float32 `[n]`, into the cross keys and values."""
        binding = self._encoder.io_binding()
        audio = np.ascontiguousarray(samples, np.float32)[None]
        _bind(binding.bind_input, _AUDIO, audio)
        for name, buffer in self._cross.items():
            _bind(binding.bind_output, name, buffer)
        self._encoder.run_with_iobinding(binding)
        self._length = self._rows = 0

    def begin(self, tokens: Sequence[int]) -> Array:
        """Read a beginning, from nothing."""
        self._length, self._rows = 0, 1
        return self.go_on(tokens)

    def go_on(self, tokens: Sequence[int]) -> Array:
        """Read more tokens behind it: logits `[vocabulary]`."""
        logits: Array = self._bound(1, len(tokens)).run(self._length, [tokens])[0]
        self._length += len(tokens)
        return logits

    def keep(self, parents: Sequence[int]) -> None:
        """Reorder hypotheses; those that stay where they were are not copied."""
        moved = [row for row, parent in enumerate(parents) if row != parent]
        if moved:
            sources = [parents[row] for row in moved]
            self._past[:, moved, :, : self._length] = self._past[:, sources, :, : self._length]
        self._rows = len(parents)

    def step(self, tokens: Sequence[int]) -> Array:
        """One token for each hypothesis: logits `[rows, vocabulary]`."""
        step = self._steps.get(self._rows) or self._steps.setdefault(self._rows, self._bound(self._rows, 1))
        logits = step.run(self._length, [[token] for token in tokens])
        self._length += 1
        return logits

    def _bound(self, rows: int, positions: int) -> _Step:
        buffers = {**self._cross, **{n: b[:rows] for n, b in zip(self._past_names, self._past, strict=True)}}
        return _Step(self._decoder, buffers, np.zeros((rows, positions), np.int64), self._vocabulary)


class _Step:
    """One shape of the decoder's run, bound once; only the numbers in its small inputs change."""

    def __init__(self, session: Any, buffers: dict[str, Array], tokens: Array, vocabulary: int) -> None:
        rows = len(tokens)
        self._session = session
        self._tokens = tokens
        self._last = np.zeros(rows, np.int32)
        self._total = np.zeros((), np.int32)
        self._logits = np.zeros((rows, vocabulary), np.float32)
        self._binding = session.io_binding()
        inputs = {_TOKENS: tokens, _LAST: self._last, _TOTAL: self._total, **buffers}
        for name, array in inputs.items():
            _bind(self._binding.bind_input, name, array)
        _bind(self._binding.bind_output, _LOGITS, self._logits)
        for name, array in buffers.items():
            if name.startswith(_PAST):
                _bind(self._binding.bind_output, _PRESENT + name.removeprefix(_PAST), array)

    def run(self, length: int, tokens: Sequence[Sequence[int]]) -> Array:
        """Run behind `length` tokens; the logits are overwritten by the next run."""
        self._tokens[:] = tokens
        total = length + self._tokens.shape[1]
        self._last[:] = total - 1
        self._total[...] = total
        self._session.run_with_iobinding(self._binding)
        return self._logits


def _bind(bind: Callable[..., None], name: str, array: Array) -> None:
    """By address: the array must stay where it is while the binding lives."""
    bind(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
