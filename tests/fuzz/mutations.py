"""Damage to files: flipped bits, missing ends, lengths that lie, pieces of one file within another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

Damage = Callable[[bytearray, np.random.Generator, Sequence[bytes]], None]
_EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_HEAD_BYTES = 256  # where formats keep what they say of themselves


def mutated(data: bytes, rng: np.random.Generator, others: Sequence[bytes]) -> bytes:
    """A copy with one to four kinds of damage; `others` are files to take pieces from. It may come out unchanged."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        if changed:
            DAMAGES[int(rng.integers(len(DAMAGES)))](changed, rng, others)
    return bytes(changed)


def _place(data: bytearray, rng: np.random.Generator) -> int:
    """Every other time in the head."""
    end = min(len(data), _HEAD_BYTES) if rng.integers(2) else len(data)
    return int(rng.integers(end))


def _span(data: bytearray, rng: np.random.Generator) -> slice:
    start = _place(data, rng)
    return slice(start, start + int(2 ** rng.uniform(0, 12)))


def flip_bits(data: bytearray, rng: np.random.Generator, _: Sequence[bytes]) -> None:
    """Up to 16 of them."""
    for _bit in range(int(rng.integers(1, 17))):
        data[_place(data, rng)] ^= 1 << int(rng.integers(8))


def cut_end(data: bytearray, rng: np.random.Generator, _: Sequence[bytes]) -> None:
    """A file that stops anywhere."""
    del data[_place(data, rng) :]


def cut_piece(data: bytearray, rng: np.random.Generator, _: Sequence[bytes]) -> None:
    """Bytes that were lost on the way."""
    del data[_span(data, rng)]


def repeat_piece(data: bytearray, rng: np.random.Generator, _: Sequence[bytes]) -> None:
    """Bytes that came again and again."""
    span = _span(data, rng)
    data[span.start : span.start] = bytes(data[span]) * int(rng.integers(1, 20))


def splice(data: bytearray, rng: np.random.Generator, others: Sequence[bytes]) -> None:
    """A piece of another file in place of one of this."""
    other = bytearray(others[int(rng.integers(len(others)))])
    if other:
        data[_span(data, rng)] = other[_span(other, rng)]


def edit_number(data: bytearray, rng: np.random.Generator, _: Sequence[bytes]) -> None:
    """A field of one, two or four bytes, in either order, becomes an edge of its range, or one more or less."""
    size = (1, 2, 4)[int(rng.integers(3))]
    order: Literal["big", "little"] = "big" if rng.integers(2) else "little"
    start = _place(data, rng)
    value = int.from_bytes(data[start : start + size], order)
    value = _EDGES[int(rng.integers(len(_EDGES)))] if rng.integers(2) else value + int(rng.integers(-2, 3))
    data[start : start + size] = (value % 256**size).to_bytes(size, order)


def fill(data: bytearray, rng: np.random.Generator, _: Sequence[bytes]) -> None:
    """Zeros, ones or noise over a piece."""
    span = _span(data, rng)
    length = len(data[span])
    data[span] = (bytes(length), b"\xff" * length, rng.bytes(length))[int(rng.integers(3))]


def append(data: bytearray, rng: np.random.Generator, others: Sequence[bytes]) -> None:
    """Something behind the end."""
    data += others[int(rng.integers(len(others)))] if rng.integers(2) else rng.bytes(int(rng.integers(1, 5000)))


DAMAGES: tuple[Damage, ...] = (
    flip_bits, cut_end, cut_piece, repeat_piece, splice, edit_number, edit_number, edit_number, fill, append,
)  # fmt: skip
