"""A terminal is told of each warning once, in a line, and only of a few."""

from __future__ import annotations

import subprocess
import sys
import warnings

from training.notices import Notice, said_once


def _lines(*warned: tuple[str, type[Warning], str]) -> list[str]:
    """What is said where these are warned of: words, category, and the file that warns."""
    said: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with said_once(said.append):
            for words, category, file in warned:
                warnings.warn_explicit(words, category, file, 1)
    return said


LIBRARY = "/env/lib/python3.12/site-packages/sklearn/metrics/ranking.py"


def test_a_warning_is_said_once_and_names_its_library() -> None:
    said = _lines(*[("bad\n  shape", UserWarning, LIBRARY)] * 3, ("old", FutureWarning, "/env/site-packages/six.py"))
    assert said == ["warning of sklearn: bad shape", "warning of six: old"]


def test_a_long_one_is_cut() -> None:
    (line,) = _lines(("x" * 1000, UserWarning, LIBRARY))
    assert len(line) < 200
    assert line.endswith("…")


def test_beyond_a_few_they_are_counted() -> None:
    said = _lines(*((f"warning {number}", UserWarning, LIBRARY) for number in range(50)))
    assert len(said) == 5
    assert said[-1].startswith("note: 46 more warnings of libraries")


def test_what_is_ours_is_always_said() -> None:
    others = [(f"warning {number}", UserWarning, LIBRARY) for number in range(9)]
    said = _lines(*others, ("no font has it", Notice, "training/plots.py"), ("no font has it", Notice, "x.py"))
    assert said.count("note: no font has it") == 1


def test_who_asks_python_for_warnings_gets_them_from_python() -> None:
    code = "import warnings; from training.notices import said_once\nwith said_once(print): warnings.warn('mine')"
    done = subprocess.run([sys.executable, "-W", "default", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "UserWarning: mine" in done.stderr
