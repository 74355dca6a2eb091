"""Both speech graphs as plain functions, for parity and golden vectors: arrays in, arrays out, nothing kept.

Serving binds the same graphs to buffers of its own (`service.speech.desk`); here every run copies, which is slow and
easy to trust.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from training.export.runtime import Session
from training.export.speech_graph import AUDIO, LAST, LOGITS, TOKENS, TOTAL

Arrays = dict[str, NDArray[Any]]


class SpeechSession:
    """One variant's encoder and decoder."""

    def __init__(self, encoder: onnx.ModelProto, decoder: onnx.ModelProto) -> None:
        self._encoder = Session(encoder.SerializeToString())
        self._decoder = Session(decoder.SerializeToString())
        shapes = {each.name: [d.dim_value for d in each.type.tensor_type.shape.dim] for each in decoder.graph.input}
        self._buffers = {name: shape[1:] for name, shape in shapes.items() if name.startswith("past_")}

    def encode(self, audio: NDArray[np.float32]) -> Arrays:
        """Cross keys and values by name, of float32 `[n]` at 16 kHz."""
        return self._encoder.named({AUDIO: audio[None]})

    def begin(self, rows: int = 1) -> Arrays:
        """Buffers in which nothing is written yet."""
        return {name: np.zeros((rows, *shape), np.float32) for name, shape in self._buffers.items()}

    def decode(
        self, tokens: NDArray[np.int64], length: int, buffers: Arrays, cross: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[np.float32], Arrays]:
        """Logits `[rows, vocabulary]` behind tokens `[rows, positions]` that follow `length` others; new buffers."""
        total = length + tokens.shape[1]
        lengths = {LAST: np.full(len(tokens), total - 1, np.int32), TOTAL: np.array(total, np.int32)}
        outputs = self._decoder.named({TOKENS: tokens, **lengths, **buffers, **cross})
        written = {name: outputs[name.replace("past_", "present_")] for name in buffers}
        return outputs[LOGITS], written

    def follow(self, audio: NDArray[np.float32], tokens: list[int], beginning: int) -> NDArray[np.float32]:
        """Logits behind the beginning and behind each token after it, `[steps, vocabulary]`."""
        cross, buffers = self.encode(audio), self.begin()
        logits, buffers = self.decode(np.array([tokens[:beginning]]), 0, buffers, cross)
        rows = [logits[0]]
        for place in range(beginning, len(tokens)):
            logits, buffers = self.decode(np.array([[tokens[place]]]), place, buffers, cross)
            rows.append(logits[0])
        return np.stack(rows)
