"""The only module of the service that imports onnxruntime: sessions, execution providers, telemetry off.

onnxruntime's own telemetry writes files when the library is loaded, so the environment says no before the import.
Facts used here were checked in onnxruntime 1.32: `run` is thread-safe and releases the GIL, creating a session
holds it, and a provider that cannot start is dropped silently, so what a session really got is asked afterwards.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # must stand before the import below

import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime

from service.errors import ArtifactRefused, ProviderUnavailable
from service.runner import Array, Arrays

ProviderChoice = Literal["auto", "cpu", "cuda", "openvino"]
Kernels = Literal["fast", "exact"]
"""Integer kernels of int8 graphs: as onnxruntime chooses them, or those that never saturate."""
_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
_log = logging.getLogger(__name__)
_FATAL = 4  # onnxruntime's severity; its warnings about providers are said in our own words


@dataclass(frozen=True)
class Placement:
    """Where sessions run, what was asked for, and why it came to this."""

    provider: str
    requested: ProviderChoice
    reason: str


def place(requested: ProviderChoice) -> Placement:
    """Decide on an execution provider, by starting a session of one node on it.

    Raises:
        ProviderUnavailable: a provider was asked for by name and does not work on this machine.
    """
    if requested == "cpu":
        return Placement("cpu", requested, "asked for")
    candidates = ["cuda", "openvino"] if requested == "auto" else [requested]
    failures = []
    for name in candidates:
        failure = _why_not(name)
        if failure is None:
            return Placement(name, requested, "asked for" if requested == name else "found on this machine")
        failures.append(failure)
    if requested == "auto":
        return Placement("cpu", requested, "fell back to the CPU: " + "; ".join(failures))
    raise ProviderUnavailable(
        f"PERCEPT_PROVIDERS={requested} cannot be had: {failures[0]}; use auto or cpu, or install what is missing"
    )


def _why_not(name: str) -> str | None:
    """None where the provider works; otherwise the reason in words."""
    if _PROVIDERS[name] not in onnxruntime.get_available_providers():
        return f"this build of onnxruntime has no {name} provider"
    try:
        session = onnxruntime.InferenceSession(_IDENTITY, _options(1), providers=[_PROVIDERS[name]])
    except Exception as error:  # onnxruntime raises many types here; each of them means "not on this machine"
        return f"the {name} provider does not start ({type(error).__name__})"
    if _PROVIDERS[name] not in session.get_providers():
        return f"the {name} provider does not start: no such device, or its libraries are missing"
    return None


# A complete ONNX model: one Identity node, float32 x[1] to y[1], opset 17, IR version 8 (as in onnx.proto).
_IDENTITY = bytes.fromhex(
    "080812003a370a100a017812017922084964656e746974791201695a0f0a0178120a0a08080112040a020801"
    "620f0a0179120a0a08080112040a02080142040a001011"
)


@cache
def int8_kernels() -> tuple[Kernels, ...]:
    """The kernels that may be tried on this processor, the faster first; found by running a product of integers.

    Without VNNI the fast ones add two products of U8 and S8 in 16 bits, which saturates (Lite0 loses 6 of 125
    photos), and an artifact's few golden vectors may miss that. Exact kernels take 1.1 to 1.4 times as long there
    but 1.9 to 2.5 times as long where the fast ones are right, so a loader tries the fast ones first.
    """
    session = onnxruntime.InferenceSession(_PRODUCT, _options(1), providers=[_PROVIDERS["cpu"]])
    (total,) = session.run(None, {"a": np.full((1, _TERMS), 255, np.uint8)})[0].ravel()
    return ("fast", "exact") if total == _TERMS * 255 * 127 else ("exact",)


# A complete ONNX model: MatMulInteger of uint8 a[1, 64] and a column of 64 times 127, to int32 y[1, 1], opset 17.
_TERMS = 64
_PRODUCT = bytes.fromhex(
    "08083a94010a180a01610a0162120179220d4d61744d756c496e74656765721201702a4b0840080110034201624a40"
    + "7f" * _TERMS
    + "5a130a0161120e0a0c080212080a0208010a02084062130a0179120e0a0c080612080a0208010a02080142040a001011"
)


def _options(threads: int, kernels: Kernels = "fast") -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if kernels == "exact":
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


class OnnxRunner:
    """One onnxruntime session."""

    def __init__(self, path: Path, placement: Placement, threads: int, kernels: Kernels = "fast") -> None:
        """Open the graph at `path`; `threads` is the width of one run on the CPU, `kernels` matter to int8 alone.

        Raises:
            ArtifactRefused: onnxruntime cannot read or place the graph.
        """
        wanted = dict.fromkeys([_PROVIDERS[placement.provider], _PROVIDERS["cpu"]])
        try:
            self.session = onnxruntime.InferenceSession(str(path), _options(threads, kernels), providers=list(wanted))
        except Exception as error:  # many types again; what they say names paths and the library's inside
            _log.warning("%s cannot be opened: %s", path, error)
            raise ArtifactRefused(f"{path.name} is not a graph that can be run here; the log says why") from error
        self._outputs = [output.name for output in self.session.get_outputs()]
        self.provider = self._name_of(self.session.get_providers()[0])

    @staticmethod
    def _name_of(provider: str) -> str:
        return next(name for name, full in _PROVIDERS.items() if full == provider)

    def run(self, feeds: Arrays) -> dict[str, Array]:
        """Run the graph; releases the GIL and may be called from several threads."""
        return dict(zip(self._outputs, self.session.run(self._outputs, dict(feeds)), strict=True))
