"""From a recipe to answers over HTTP: the command trains and publishes, the service recognises what was held out."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from tests.served import Served, served
from training.__main__ import main
from training.data.archive import unpacked
from training.objectives.classification import Classification
from training.preparation import prepare
from training.run import Run

pytestmark = pytest.mark.xdist_group("trained")


@dataclass(frozen=True)
class Trained:
    """A finished run, published, and what its network says of the held-out digits."""

    store: Path
    runs: Path
    outcome: dict[str, object]
    pictures: NDArray[np.uint8]
    class_ids: NDArray[np.int64]
    predicted: NDArray[np.int64]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """`train digits --publish --json`, as the README has it."""
    root = tmp_path_factory.mktemp("trained")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", printed)
        arguments = ["train", "digits", "--publish", "--json"]
        status = main([*arguments, "--runs", str(root / "runs"), "--artifacts", str(root / "store")], {})
    assert status == 0
    outcome = json.loads(printed.getvalue().splitlines()[-1])
    run = Run(root / "runs" / str(outcome["run"]))
    objective = prepare(run.recipe(), None, root).objective
    assert isinstance(objective, Classification)
    run.load_weights(objective.network)
    test = objective.parts.test
    pictures = np.stack([test.pixels(row)[..., 0] for row in range(len(test))])
    with torch.inference_mode():
        pixels = torch.from_numpy(np.repeat(pictures[..., None], 3, -1))
        predicted = objective.network(objective.normalise(pixels)).argmax(-1).numpy()
    return Trained(root / "store", root / "runs", outcome, pictures, test.class_ids, predicted)


@pytest.fixture(scope="module")
def service(trained: Trained) -> Iterator[Served]:
    with served(artifacts=str(trained.store), models="digits") as running:
        yield running


def test_the_digits_are_learnt(trained: Trained) -> None:
    assert float(str(trained.outcome["test_accuracy"])) >= 0.97
    assert float((trained.predicted == trained.class_ids).mean()) == pytest.approx(trained.outcome["test_accuracy"])


def test_held_out_digits_are_classified_over_http_as_in_pytorch(trained: Trained, service: Served) -> None:
    def ask(picture: NDArray[np.uint8]) -> int:
        body = io.BytesIO()
        Image.fromarray(picture, "L").save(body, "PNG")
        answer = httpx.post(f"{service.url}/classify-image?top_k=1", files={"file": body.getvalue()}, timeout=60)
        return int(answer.raise_for_status().json()["predictions"][0]["class_id"])

    with ThreadPoolExecutor(4) as clients:
        answered = np.array(list(clients.map(ask, trained.pictures)))
    assert len(answered) > 300
    # int8 may turn a picture or two on which the network itself is of two minds
    assert (answered != trained.predicted).mean() <= 0.01
    assert (answered == trained.class_ids).mean() >= 0.97


def test_the_service_says_how_the_model_was_made(trained: Trained, service: Served) -> None:
    model = httpx.get(f"{service.url}/models/digits").raise_for_status().json()
    told = json.dumps(model)
    assert str(trained.outcome["run"]) in told
    assert "test part of digits" in told


def test_a_worse_model_is_refused_in_words_and_a_new_version_is_taken_by_the_running_service(
    trained: Trained, service: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--runs", str(trained.runs), "--artifacts", str(trained.store)]
    hasty = ["--set", "optimise.epochs=1", "--set", "network.hidden=[4]"]
    assert main(["train", "digits", "--publish", *hasty, *where], {}) == 2
    told = capsys.readouterr().err
    assert "digits is not published: it is right on" in told
    assert "digits@1, which it would replace" in told

    assert main(["publish", str(trained.outcome["run"]), *where], {}) == 0, "as good as the version before is enough"
    picture = io.BytesIO()
    Image.fromarray(trained.pictures[0], "L").save(picture, "PNG")

    def version() -> str:
        answer = httpx.post(f"{service.url}/classify-image", files={"file": picture.getvalue()}, timeout=60)
        return str(answer.raise_for_status().json()["model"]["version"])

    assert version() == "1", "nothing changes by itself"
    httpx.post(f"{service.url}/models/digits/reload", timeout=60).raise_for_status()
    assert version() == "2"


@pytest.fixture(scope="module")
def spoken_digits(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The official test part of the Free Spoken Digits: takes 0 to 4."""
    archive = Path(os.environ.get("PERCEPT_DATA", "")) / "fsdd.tar.gz"
    if not archive.is_file():
        pytest.skip("PERCEPT_DATA holds no fsdd.tar.gz")
    place = unpacked(archive, tmp_path_factory.mktemp("fsdd"))
    return sorted(path for path in place.rglob("*.wav") if int(path.stem.rpartition("_")[2]) < 5)


def test_spoken_digits_are_heard_by_the_model_that_the_project_keeps(
    spoken_digits: list[Path], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    assert main(["export", "fsdd-ctc", "--artifacts", str(store), "--json"]) == 0
    words = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    with served(artifacts=str(store), models="fsdd-ctc") as service, ThreadPoolExecutor(4) as clients:

        def is_heard(path: Path) -> bool:
            url = f"{service.url}/transcribe?model=fsdd-ctc"
            answer = httpx.post(url, files={"file": path.read_bytes()}, timeout=60).raise_for_status().json()
            return bool(answer["text"] == words[int(path.stem[0])])

        right = sum(clients.map(is_heard, spoken_digits))
    assert len(spoken_digits) == 300
    assert right >= 294, f"{right} of 300 right: the goal is 98 of 100"


PETS_AND_BIRDS = ("cat", "dog", "bird")


@pytest.fixture(scope="module")
def pets_and_birds() -> list[tuple[str, bytes]]:
    """Class and JPEG of the 3,000 pictures in CIFAR-10's test part whose classes are easily taken for each other."""
    archive = Path(os.environ.get("PERCEPT_DATA", "")) / "cifar10.tar.gz"
    if not archive.is_file():
        pytest.skip("PERCEPT_DATA holds no cifar10.tar.gz")
    found = []
    with tarfile.open(archive, "r|gz") as members:
        for member in members:
            part, _, rest = member.name.removeprefix("./").partition("/")
            name = rest.partition("/")[0]
            content = members.extractfile(member) if part == "test" and name in PETS_AND_BIRDS else None
            if content is not None:
                found.append((name, content.read()))
    return found


def test_cats_dogs_and_birds_are_told_apart_by_the_model_that_the_project_keeps(
    pets_and_birds: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    """As well as was measured; the goal of 91 of 100 is not reached (training/LOG.md says why)."""
    store = tmp_path / "store"
    assert main(["export", "cifar10-lite0", "--artifacts", str(store), "--json"], {}) == 0
    with (
        served(artifacts=str(store), models="cifar10-lite0") as service,
        httpx.Client(base_url=service.url, timeout=60) as client,
        ThreadPoolExecutor(4) as clients,
    ):

        def is_right(pair: tuple[str, bytes]) -> bool:
            answer = client.post("/classify-image?top_k=1", files={"file": pair[1]}).raise_for_status().json()
            return bool(answer["predictions"][0]["label"] == pair[0])

        right = sum(clients.map(is_right, pets_and_birds))
    assert len(pets_and_birds) == 3000
    assert right >= 2690, f"{right} of 3000 right"
