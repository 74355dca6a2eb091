"""Giving memory that is free back to the system.

The C library keeps what is freed, in as many arenas as there were threads that allocated at once; after a model of
hundreds of megabytes was released, or a large picture, that is most of the process. It does not know whose it was.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any


def give_back() -> bool:
    """Return free pages of every arena to the system; False where the C library cannot (only glibc can)."""
    trim = _trim()
    return trim is not None and bool(trim(0))


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
