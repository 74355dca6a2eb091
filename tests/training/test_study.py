"""Studies: their files are right, cells are found again, and what comes to nothing is kept in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training import study as studies
from training import study_report
from training.definitions import STUDIES, names
from training.errors import RecipeError
from training.session import Surroundings
from training.study import Study, Variant

QUICK = {"optimise.epochs": 1, "network.hidden": [8], "network.norm": "none", "network.dropout": 0.0}


def _study(**changes: object) -> Study:
    content = {
        "name": "quick", "about": "A quick one.", "recipe": "digits", "minutes": 0.1, "common": QUICK,
        "variants": [Variant(name="as it is"), Variant(name="wild", set={"optimise.rate": 1e30})],
    }  # fmt: skip
    return Study.model_validate({**content, **changes})


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(runs=tmp_path / "runs", cache=tmp_path, is_shown=False, say=lambda _: None)


@pytest.mark.parametrize("name", names(STUDIES))
def test_every_study_of_the_package_has_recipes_that_hold(name: str) -> None:
    study = studies.load(name)
    planned = list(studies.cells(study))
    values = 1 if study.across is None else len(study.across.values)
    assert len(planned) == len(study.variants) * values * len(study.seeds)
    prints = [cell.recipe.fingerprint for cell in planned]
    assert len(set(prints)) == len(prints), "no two cells are the same training"


def test_what_comes_to_nothing_is_a_result_in_words(around: Surroundings) -> None:
    fine, wild = studies.conduct(_study(), around)
    assert fine.mean is not None
    assert fine.mean > 0.1
    assert wild.mean is None
    assert "no number" in wild.words[0]


def test_a_study_that_is_repeated_trains_nothing_anew(around: Surroundings) -> None:
    study = _study(variants=[Variant(name="as it is")], seeds=(1, 2))
    first = studies.conduct(study, around)
    before = sorted(path.stat().st_mtime_ns for path in around.runs.rglob("result.json"))
    again = studies.conduct(study, around)
    assert [group.figures for group in again] == [group.figures for group in first]
    assert sorted(path.stat().st_mtime_ns for path in around.runs.rglob("result.json")) == before
    assert len(before) == 2


def test_the_page_shows_growth_and_cost(around: Surroundings, tmp_path: Path) -> None:
    across = {"name": "units", "key": "network.hidden", "values": [[4], [8]]}
    study = _study(variants=[Variant(name="a<b"), Variant(name="two", set={"network.repeat": 2})], across=across)
    groups = studies.conduct(study, around)
    study_report.report(study, groups, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "a&lt;b" in page
    assert page.count("data:image/png;base64,") == 5
    rows = study_report.summary(study, groups)
    assert [row["units"] for row in rows] == [[4], [8], [4], [8]]
    assert json.dumps(rows)


def test_the_page_shows_learning_and_gradients(around: Surroundings, tmp_path: Path) -> None:
    study = _study(common={**QUICK, "network.repeat": 3})
    study_report.report(study, studies.conduct(study, around), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "What reaches each layer in the first epoch" in page
    assert "came to nothing (1 of 1)" in page


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('about = ""\nrecipe = "digits"\nminutes = 1', "variants: Field required"),
        ('about = ""\nrecipe = "digits"\nminutes = 1\nvariants = []', "variants"),
        ("nonsense", "no TOML file"),
    ],
)
def test_a_wrong_study_is_one_sentence(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(RecipeError, match=words):
        studies.load(str(tmp_path / "mine.toml"))


def test_an_unknown_study_is_told_those_that_are() -> None:
    with pytest.raises(RecipeError, match=r"there is no study depth; those of the package are .*gradients"):
        studies.load("depth")


def test_a_wrong_key_of_a_variant_is_said_before_anything_is_trained(around: Surroundings) -> None:
    study = _study(variants=[Variant(name="fine"), Variant(name="odd", set={"optimise.rat": 1})])
    with pytest.raises(RecipeError, match=r"optimise\.rat: there is no such key"):
        studies.conduct(study, around)
    assert not around.runs.exists()
