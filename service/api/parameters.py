"""A request's parameters, from the query and the form alike: each known, each once, each of its type.

Unknown names are refused, so that a misspelt option is never ignored silently. An empty value means the default, as
the empty fields of a page's form do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from service.errors import InvalidParameter

_DECIMAL_CHARACTERS = frozenset("0123456789.eE+-")  # float() would also take blanks, underscores and other scripts


class Parameters:
    """Names and values of one request; reading a value checks it."""

    def __init__(self, known: Iterable[str], query: Iterable[tuple[str, str]], form: Mapping[str, str]) -> None:
        """Join query and form.

        Raises:
            InvalidParameter: a name is unknown or given twice.
        """
        self._known = sorted(known)
        self._values: dict[str, str] = {}
        for name, value in [*query, *form.items()]:
            self._add(name, value)

    def _add(self, name: str, value: str) -> None:
        if name not in self._known:
            raise InvalidParameter(f"there is no field `{name[:80]}`; known are {', '.join(self._known)}")
        if name in self._values:
            raise InvalidParameter(f"`{name}` is given twice")
        self._values[name] = value

    def text(self, name: str) -> str | None:
        """The value as it is; None where absent or empty."""
        return self._values.get(name) or None

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        value = self._values.get(name)
        if not value:
            return default
        # int() would also take signs, blanks and underscores of any script; nine digits are enough for every field
        if not (value.isascii() and value.isdigit() and len(value) <= 9 and low <= int(value) <= high):
            raise InvalidParameter(f"`{name}` must be a whole number from {low} to {high}")
        return int(value)

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A finite decimal number from `low` to `high`."""
        value = self._values.get(name)
        if not value:
            return default
        number = decimal(value)
        if number is None or not low <= number <= high:
            raise InvalidParameter(f"`{name}` must be a number from {low:g} to {high:g}")
        return number

    def choice(self, name: str, default: str, allowed: Iterable[str]) -> str:
        """One of a few words."""
        value = self._values.get(name) or default
        if value not in (words := list(allowed)):
            raise InvalidParameter(f"`{name}` must be one of {', '.join(words)}")
        return value


def decimal(text: str) -> float | None:
    """A finite number, or None where the text is none."""
    if not set(text) <= _DECIMAL_CHARACTERS:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
