"""Fonts for the words in plots: matplotlib's own, and behind it one that has Chinese, Japanese and Korean.

Which fonts a machine has is looked up when a plot needs it. matplotlib keeps a list of its own in a cache, so a font
that was installed since is looked for among the system's files.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from matplotlib import font_manager, rcParams
from matplotlib.ft2font import FT2Font

PREFERRED = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC", "Hiragino Sans GB",
    "Heiti SC", "STHeiti", "Microsoft YaHei", "SimHei", "SimSun", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "Noto Sans CJK JP", "Droid Sans Fallback", "Arial Unicode MS",
)  # fmt: skip
"""Families that have Chinese, of Linux, macOS and Windows; the first that is there is taken."""
_PROBE = ord("猫")


def families() -> list[str]:
    """Names for matplotlib's `font.family`, which takes each character from the first that has it."""
    return [*rcParams["font.family"], *_named()]


def found_anew() -> list[str]:
    """As `families`, the files of the system searched for any font at all that has Chinese; takes a second or two."""
    return [*rcParams["font.family"], *(_named() or _searched())]


def _named() -> list[str]:
    present = {entry.name for entry in font_manager.fontManager.ttflist}
    return [name for name in PREFERRED if name in present][:1]


@cache
def _searched() -> tuple[str, ...]:
    for path in font_manager.findSystemFonts():
        for name in _families_with_chinese(path):
            font_manager.fontManager.addfont(path)
            return (name,)
    return ()


def _families_with_chinese(path: str) -> Iterator[str]:
    try:
        font = FT2Font(path)
    except (OSError, RuntimeError, ValueError):  # a bitmap font, or a file that is none
        return
    if font.get_char_index(_PROBE):
        yield font.family_name
