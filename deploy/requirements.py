"""Prints what pyproject.toml asks for, one requirement a line: the dependencies and those of the extras named.

For image builds: dependencies are installed before the source is there, so that they stay cached while code changes.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any


def requirements(project: dict[str, Any], extras: list[str]) -> list[str]:
    """The requirements of a `[project]` table with these extras.

    Raises:
        KeyError: there is no such extra.
    """
    return [*project["dependencies"], *(each for extra in extras for each in project["optional-dependencies"][extra])]


if __name__ == "__main__":
    print("\n".join(requirements(tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"], sys.argv[1:])))
