"""What every command gives: lines for a person, and the same as one object for a program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What a command found out or made; the command line prints one of the two."""

    lines: tuple[str, ...]
    fields: dict[str, Any]


SILENCE = Outcome((), {})
"""Of a process that leaves speaking to another one."""
