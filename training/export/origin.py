"""Where weights that were trained here come from, as manifests say it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from models.manifest import Provenance
from training.recipe import Recipe
from training.run import DATA, RESULT, Run

_BUILT_IN = {"digits": "scikit-learn's digits"}


@dataclass(frozen=True)
class Origin:
    """A model's name and how its weights came about."""

    name: str
    source: str
    weights_sha256: str
    licence: str
    data: str = ""
    """What they were trained on, in words."""

    @classmethod
    def of_run(cls, run: Run, recipe: Recipe) -> Origin:
        """From a finished run."""
        base = " on published weights of ImageNet" if getattr(recipe.network, "pretrained", False) else ""
        source = f"trained here{base}, recipe {run.folder.parent.name}, run {run.id}"
        return cls(recipe.name, source, str(run.read(RESULT)["weights_sha256"]), recipe.licence, _data(run, recipe))

    def provenance(self) -> Provenance:
        """For the manifest."""
        return Provenance(
            source=self.source,
            weights_sha256=self.weights_sha256,
            licence=self.licence,
            exporter=f"percept {version('percept')}",
            date=datetime.now(UTC).date(),
            data=self.data,
        )


def _data(run: Run, recipe: Recipe) -> str:
    """The data's own name, without the folders around it, and how many examples; empty where nothing tells."""
    if not (run.folder / DATA).is_file():
        return ""
    told = run.read(DATA)
    name = Path(told["path"]).name if told["path"] else _BUILT_IN.get(recipe.data.source, recipe.data.source)
    return f"{name}: {told['about']}"
