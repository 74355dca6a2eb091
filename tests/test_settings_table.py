"""The table of settings in README.md is the settings themselves: every name, default and sentence."""

from __future__ import annotations

from pathlib import Path

from models.store import DEFAULT_ROOT
from service.settings import ENV_PREFIX, Settings

README = Path(__file__).parent.parent / "README.md"


def table() -> str:
    """The settings as the README prints them."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `{ENV_PREFIX}{name.upper()}` | {_shown(field.default)} | {field.description} |")
    return "\n".join(rows)


def _shown(default: object) -> str:
    if default == DEFAULT_ROOT:
        return "`models/artifacts`"
    if default in (None, (), ""):
        return ""
    return f"`{','.join(default)}`" if isinstance(default, tuple) else f"`{default}`"


def test_the_readme_prints_every_setting() -> None:
    assert table() in README.read_text("utf-8"), f"README.md should hold:\n{table()}"
