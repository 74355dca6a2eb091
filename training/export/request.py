"""What every exporter is given: where to put artifacts, where to keep downloads, and which data is at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.store import Store
from training.export.record import FOLDER
from training.sources import Source


@dataclass(frozen=True)
class ExportRequest:
    """The surroundings of one export; everything a command reads from its options and the environment."""

    store: Store
    cache: Path
    weights: Source | None = None
    """Weights to use in place of the pinned ones."""
    data: Path | None = None
    """The data folder, with `eval/images` and others below it; None where there is none."""
    records: Path = FOLDER
    """Committed measurements (`training.export.record`)."""
