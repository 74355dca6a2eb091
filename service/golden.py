"""Golden vectors: what an artifact's exporter measured, replayed on this machine before a model is served.

`golden.npz` holds encoded files `media_<i>`, `input`, `output.<variant>`, and what else a task needs. It knows
neither graphs nor tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.manifest import Variant
from service.errors import ArtifactRefused


class GoldenMismatch(ArtifactRefused):
    """A variant's outputs on this machine are not those that were published with it."""


@dataclass(frozen=True)
class Golden:
    """Encoded files, the graph's input `[n, …]`, and the outputs of each variant `[n, …]`."""

    media: tuple[bytes, ...]
    inputs: NDArray[Any]
    outputs: Mapping[str, NDArray[Any]]
    others: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Every other array, by name."""

    @classmethod
    def read(cls, path: Path) -> Golden:
        """Read the file; data only, nothing in it is executed."""
        with np.load(path, allow_pickle=False) as archive:
            count = sum(key.startswith("media_") for key in archive.files)
            media = tuple(archive[f"media_{index}"].tobytes() for index in range(count))
            outputs = {
                key.removeprefix("output."): archive[key] for key in archive.files if key.startswith("output.")
            }
            others = {
                key: archive[key] for key in archive.files if not key.startswith(("media_", "output.", "input"))
            }
            return cls(media, archive["input"], outputs, others)

    def of(self, artifact_id: str, variant: str) -> NDArray[Any]:
        """The outputs of one variant.

        Raises:
            GoldenMismatch: there are none.
        """
        if len(self.outputs.get(variant, ())) == 0:
            raise GoldenMismatch(f"{artifact_id}: no golden outputs for {variant}")
        return self.outputs[variant]


def check_golden(artifact_id: str, variant: str, entry: Variant, got: NDArray[Any], expected: NDArray[Any]) -> None:
    """Compare one output with its golden vector.

    Raises:
        GoldenMismatch: they differ by more than the variant's tolerance (or are not numbers).
    """
    difference = float(np.abs(got - expected).max()) if got.shape == expected.shape else float("inf")
    if not difference <= entry.golden_tolerance:
        raise GoldenMismatch(
            f"{artifact_id}: {variant} differs from its golden vectors by {difference:.2g} on this processor "
            f"(tolerance {entry.golden_tolerance:.2g})"
        )
