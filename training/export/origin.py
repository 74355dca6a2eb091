"""Where weights that were trained here come from, as manifests say it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from models.manifest import Provenance
from training.recipe import Recipe
from training.run import RESULT, Run


@dataclass(frozen=True)
class Origin:
    """A model's name and how its weights came about."""

    name: str
    source: str
    weights_sha256: str
    licence: str

    @classmethod
    def of_run(cls, run: Run, recipe: Recipe) -> Origin:
        """From a finished run."""
        base = " on published weights of ImageNet" if getattr(recipe.network, "pretrained", False) else ""
        source = f"trained here{base}, recipe {run.folder.parent.name}, run {run.id}"
        return cls(recipe.name, source, str(run.read(RESULT)["weights_sha256"]), recipe.licence)

    def provenance(self) -> Provenance:
        """For the manifest."""
        return Provenance(
            source=self.source,
            weights_sha256=self.weights_sha256,
            licence=self.licence,
            exporter=f"percept {version('percept')}",
            date=datetime.now(UTC).date(),
        )
