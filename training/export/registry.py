"""Which models can be exported, by name: the one table that commands ask.

Each entry has a function that publishes the next version. To add a model, write a module that has such a function and
enter it in `EXPORTERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.store import Artifact
from training.errors import UsageError
from training.export import kept, silero, whisper
from training.export.efficientnet_lite import LITE0, LITE2
from training.export.request import ExportRequest


@dataclass(frozen=True)
class Exporter:
    """How one model is exported, and how its int8 is measured where that is kept in a record."""

    export: Callable[[ExportRequest], Artifact]
    quantize: Callable[[ExportRequest], Path] | None = None
    is_pinned: bool = True
    """Whether its weights are known; where not, the user names them."""


EXPORTERS: dict[str, Exporter] = {
    LITE0.name: Exporter(LITE0.export, LITE0.quantize),
    LITE2.name: Exporter(LITE2.export, LITE2.quantize),
    silero.NAME: Exporter(silero.export),
    **{name: Exporter(kept.exporter_of(path)) for name, path in kept.cards().items()},
    **{size.name: Exporter(size.export, size.quantize, is_pinned=size.weights is not None) for size in whisper.SIZES},
}

PINNED = tuple(name for name, each in EXPORTERS.items() if each.is_pinned)
"""What `all` means: models that need nothing but this package."""


def exporter(name: str) -> Exporter:
    """The entry of a model.

    Raises:
        UsageError: no published weights lead to a model of that name.
    """
    if name not in EXPORTERS:
        raise UsageError(
            f"{name} cannot be exported from published weights (those are {', '.join(sorted(EXPORTERS))}); "
            f"a model of your own is made by `python -m training train` with a recipe of its name"
        )
    return EXPORTERS[name]
