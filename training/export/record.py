"""What a fresh clone cannot measure: ranges for int8, gates, figures on photos; measured once, kept as small text.

One file for each set of weights, `<name>.<first 12 digits of the weights' sha256>.json`, committed. Export reads it,
`python -m training quantize` writes it.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

import models
from models.manifest import Calibration, Data, Gate, Metric, Name, Parity, Sha256
from training.errors import ExportError

FOLDER = Path(models.__file__).parent / "calibration"
_KEY_DIGITS = 12


class Int8Record(Data):
    """How to quantise one model, and whether it was worth it."""

    ranges: dict[str, tuple[float, float]] = Field(
        default_factory=dict, description="lowest and highest value of each tensor, where they must be known before"
    )
    ranges_data: str = ""
    gate: Gate


class Record(Data):
    """Everything that was measured of one set of weights."""

    schema_version: Literal[1] = 1
    name: Name
    weights_sha256: Sha256
    date: date
    int8: Int8Record | None = None
    parity: Parity | None = Field(default=None, description="of fp32 on recordings that an export has not at hand")
    metrics: tuple[Metric, ...] = ()
    calibration: Calibration | None = None
    uncalibrated: str = Field(default="", description="why there is none")


def path_of(folder: Path, name: str, weights_sha256: str) -> Path:
    """Where the record of these weights lies."""
    return folder / f"{name}.{weights_sha256[:_KEY_DIGITS]}.json"


def find(folder: Path, name: str, weights_sha256: str) -> Record | None:
    """The record of exactly these weights, or None.

    Raises:
        ExportError: the file is there and cannot be understood.
    """
    path = path_of(folder, name, weights_sha256)
    if not path.is_file():
        return None
    try:
        record = Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ExportError(f"{path.name} is not a calibration record: {error.errors()[0]['msg']}") from error
    return record if record.weights_sha256 == weights_sha256 else None


def save(folder: Path, record: Record) -> Path:
    """Write a record where `find` finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = path_of(folder, record.name, record.weights_sha256)
    path.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return path
