"""onnxruntime for parity, gates and evaluation: one place that opens sessions, telemetry off before the import.

Serving has a module of its own for this (`service.onnx_runner`), with what only a server needs; the two halves do not
import each other.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # must stand before the import below

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime import quantization
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

__all__ = ["QDQQuantizer", "Session", "quantization"]

_ERROR_SEVERITY = 3


class Session:
    """A graph on the CPU; called, it takes its first input and gives its first output."""

    def __init__(self, path: Path | bytes, *, threads: int = 0, is_optimised: bool = True) -> None:
        """Open a file or a serialised model; `threads` 0 means as many as there are cores."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = _ERROR_SEVERITY
        options.add_session_config_entry("session.x64quantprecision", "1")  # exact sums without VNNI too
        if not is_optimised:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        model = path if isinstance(path, bytes) else str(path)
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self.outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """The first output for one batch."""
        result: NDArray[np.float32] = self._session.run(self.outputs[:1], {self._input: batch})[0]
        return result

    def named(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name, for a graph of several inputs."""
        return dict(zip(self.outputs, self._session.run(None, dict(feeds)), strict=True))

    def every_output(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """All outputs by name for one batch."""
        return dict(zip(self.outputs, self._session.run(None, {self._input: batch}), strict=True))
