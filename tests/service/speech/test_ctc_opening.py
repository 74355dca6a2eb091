"""A CTC artifact that was trained and published is opened, hears what was held out, and refuses what it cannot do."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from models.manifest import Manifest
from models.store import Store, file_ref
from service.app import create_app
from service.errors import ArtifactRefused
from service.loader import Loader
from service.onnx_runner import place
from service.settings import Settings
from service.speech.model import Options, Recording, SpeechModel
from tests.trained import Workshop
from training.error_rate import count_edits, total

pytestmark = pytest.mark.xdist_group("trained")
NAME = "vowels"


@pytest.fixture
def root(vowels_workshop: Workshop, tmp_path: Path) -> Path:
    """A copy of the store that may be changed."""
    return Path(shutil.copytree(vowels_workshop.store.root, tmp_path / "store"))


def load(root: Path, variant: str = "auto") -> SpeechModel:
    settings = Settings(artifacts=root, variant=variant)
    model = Loader(Store(root), settings, place("cpu"), time.monotonic).load(NAME)
    assert isinstance(model, SpeechModel)
    return model


def held_out(workshop: Workshop) -> list[tuple[Path, str]]:
    with (workshop.data / "said.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [(workshop.data / row["path"], row["text"]) for row in rows if row["part"] == "test"]


def rewrite(root: Path, change: Callable[[Manifest], Manifest]) -> None:
    path = root / NAME / "1" / "manifest.json"
    changed = change(Manifest.model_validate_json(path.read_bytes()))
    path.write_text(changed.model_dump_json(), encoding="utf-8")


@pytest.mark.parametrize("variant", ["fp32", "int8"])
def test_it_says_what_it_can_and_hears_what_was_held_out(vowels_workshop: Workshop, variant: str) -> None:
    model = load(vowels_workshop.store.root, variant)
    assert (model.variant, model.languages, model.tasks) == (variant, ("en",), ("transcribe",))
    assert (model.is_generative, model.beam_size) == (False, 1)
    edits = []
    for path, text in held_out(vowels_workshop):
        with path.open("rb") as file:
            heard = model.transcriber.transcribe(Recording(file, Options()))
        edits.append(count_edits(text, heard.text))
    assert total(edits).rate < 0.2, "through decoding, the voice detector and windows as in training"


@pytest.fixture(scope="module")
def app(vowels_workshop: Workshop) -> Iterator[FastAPI]:
    made = create_app(Settings(artifacts=vowels_workshop.store.root, models=(NAME,), max_timeout_s=60.0))
    made.state.services.registry.load_all()
    yield made
    made.state.services.registry.stop(10.0)


def ask(app: FastAPI, audio: bytes, **fields: str) -> tuple[int, dict[str, Any]]:
    async def post() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://percept") as client:
            return await client.post("/transcribe", files={"file": audio}, data=fields)

    answer = asyncio.run(post())
    return answer.status_code, answer.json()


def test_over_http_it_answers_in_the_same_shape(app: FastAPI, vowels_workshop: Workshop) -> None:
    path, text = max(held_out(vowels_workshop), key=lambda each: len(each[1]))
    status, body = ask(app, path.read_bytes(), beam_size="1", temperature="0", language="en")
    assert status == 200
    assert body["model"]["name"] == NAME
    assert (body["language"], body["language_probability"], body["task"]) == ("en", 1.0, "transcribe")
    assert count_edits(text, body["text"]).rate < 0.4
    (segment,) = body["segments"]
    assert segment["text"] == body["text"]
    assert 0 <= segment["start"] < segment["end"] <= body["duration_s"] + 0.04
    assert segment["avg_logprob"] <= 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"beam_size": "5"}, "`beam_size` and `temperature`: vowels reads each frame by itself"),
        ({"temperature": "0.4"}, "`beam_size` and `temperature`: vowels reads each frame by itself"),
        ({"prompt": "oo"}, "`prompt`: vowels takes none"),
        ({"numbers": "words"}, "`numbers`: vowels writes them as it learnt to"),
        ({"task": "translate"}, "`task`: vowels does not translate"),
        ({"language": "zh"}, "`language`: vowels does not know zh"),
        ({"language": "en,fr"}, "`language`: vowels does not know fr"),
    ],
)
def test_what_it_cannot_do_is_refused_in_words(
    app: FastAPI, vowels_workshop: Workshop, fields: dict[str, str], words: str
) -> None:
    status, body = ask(app, held_out(vowels_workshop)[0][0].read_bytes(), **fields)
    assert (status, body["code"]) == (422, "invalid_parameter")
    assert body["detail"].startswith(words)


def test_int8_that_does_not_replay_gives_way_to_fp32(root: Path) -> None:
    path = root / NAME / "1" / "golden.npz"
    arrays = dict(np.load(path))
    arrays["output.int8"] = arrays["output.int8"] + 100
    np.savez(path, **arrays)
    rewrite(root, lambda manifest: manifest.model_copy(update={"golden": file_ref(path)}))
    assert load(root).variant == "fp32"
    with pytest.raises(ArtifactRefused, match="int8"):
        load(root, "int8")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tokenizer": None}, "needs audio preprocessing and a tokenizer"),
        ({"decoding": {"stride_s": 0.04}}, "names its language and its stride in seconds"),
        ({"decoding": {"language": "en", "stride_s": "long"}}, "names its language and its stride in seconds"),
        ({"decoding": {"language": "en", "stride_s": 0.0}}, "names its language and its stride in seconds"),
    ],
)
def test_a_manifest_that_says_nonsense_is_refused(root: Path, changes: dict[str, object], words: str) -> None:
    rewrite(root, lambda manifest: manifest.model_copy(update=changes))
    with pytest.raises(ArtifactRefused, match=words):
        load(root)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"texts": ["a", "b"], "joiner": ""}, "its units are not as many as its graph's tokens"),
        ({"texts": "abcde", "joiner": ""}, r"units\.json is no file of units"),
        ({"joiner": ""}, r"units\.json is no file of units"),
    ],
)
def test_units_that_do_not_fit_are_refused(root: Path, content: dict[str, object], words: str) -> None:
    path = root / NAME / "1" / "units.json"
    path.write_text(json.dumps(content))
    rewrite(root, lambda manifest: manifest.model_copy(update={"tokenizer": file_ref(path)}))
    with pytest.raises(ArtifactRefused, match=words):
        load(root)
