"""How the C library hands out memory while a network is trained on the CPU.

glibc takes every tensor of some megabytes fresh from the system and gives it back when it is freed, so each step
pays for the pages of every layer's output again: up to two fifths of the time of convolutional networks (measured in
training/LOG.md). Here freed memory is kept for the next step instead (mallopt(3)); what a process holds at most stays
held until it ends.
"""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
_NEVER = -1


def keep_freed_memory() -> bool:
    """Keep what is freed in this process; whether that could be asked for (only glibc has it)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))
