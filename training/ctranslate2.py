"""Reads the weights of a CTranslate2 model (`model.bin`, binary version 6) into arrays, without the library.

Format: u32 version, the name of the specification, u32 its revision, u32 count; for each variable its name, u8
rank, u32 dimensions, u8 type, u32 bytes, the data; then u32 count of aliases, each two names. A name is u16 length
and bytes that end with NUL; everything is little-endian. What the variables mean is not known here.
"""

from __future__ import annotations

import struct
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from training.errors import SourceError

_VERSION = 6
_TYPES = ("<f4", "i1", "<i2", "<i4", "<f2")
_MAX_RANK = 8


def read_variables(path: Path) -> tuple[str, dict[str, NDArray[np.generic]]]:
    """The specification's name and its variables, aliases included, each in its stored type.

    Raises:
        SourceError: it is no such file, or ends early.
    """
    with path.open("rb") as file:
        try:
            return _read(file)
        except (struct.error, UnicodeDecodeError, ValueError) as error:
            raise SourceError(f"{path.name} is not a whole CTranslate2 model: {error}") from error


def _read(file: IO[bytes]) -> tuple[str, dict[str, NDArray[np.generic]]]:
    (version,) = _numbers(file, "I")
    if version != _VERSION:
        raise ValueError(f"its version is {version}, not {_VERSION}")
    specification = _name(file)
    _, count = _numbers(file, "II")
    variables = dict(_variable(file) for _ in range(count))
    (aliases,) = _numbers(file, "I")
    for _ in range(aliases):
        alias, name = _name(file), _name(file)
        if name not in variables:
            raise ValueError(f"{alias} stands for {name}, which is not there")
        variables[alias] = variables[name]
    return specification, variables


def _variable(file: IO[bytes]) -> tuple[str, NDArray[np.generic]]:
    name = _name(file)
    (rank,) = _numbers(file, "B")
    if rank > _MAX_RANK:
        raise ValueError(f"{name} has {rank} dimensions")
    shape = _numbers(file, f"{rank}I")
    kind, size = _numbers(file, "BI")
    if kind >= len(_TYPES) or size != prod(shape) * np.dtype(_TYPES[kind]).itemsize:
        raise ValueError(f"{name} of type {kind} has {size} bytes, which do not fit its shape {list(shape)}")
    return name, np.frombuffer(_exactly(file, size), dtype=_TYPES[kind]).reshape(shape)


def _name(file: IO[bytes]) -> str:
    (length,) = _numbers(file, "H")
    return _exactly(file, length).rstrip(b"\0").decode("utf-8")


def _numbers(file: IO[bytes], form: str) -> tuple[int, ...]:
    packed = struct.Struct(f"<{form}")
    return packed.unpack(_exactly(file, packed.size))


def _exactly(file: IO[bytes], count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise ValueError("it ends early")
    return data
