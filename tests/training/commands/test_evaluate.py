"""`evaluate`: one object for programs, lines for people, one sentence where it cannot.

Pictures are asked of a model that knows dark from bright, recordings of a small Whisper and a small CTC model.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from models.ctc import Units
from models.store import Store
from tests import artifacts
from tests.training.test_evaluate_speech import manifest
from tests.voices import babble
from training import recipe as recipes
from training.__main__ import main
from training.commands.evaluate import _class_lines
from training.export import trained_speech
from training.export.origin import Origin
from training.export.request import ExportRequest
from training.metrics import ClassFigures
from training.networks.build import speech_network
from training.sections import Ctc

pytestmark = pytest.mark.xdist_group("small-whisper")
NAME = "whisper-small-test"
LETTERS = "letters-test"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    manifest(tmp_path, "speech_en", "one.wav\tone\tx")
    manifest(tmp_path, "speech_zh", "b/two.wav\t二\tx")
    for path in ("speech_en/one.wav", "speech_zh/b/two.wav"):
        (tmp_path / "eval" / path).write_bytes(babble(1.0))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The command's status, output and errors; progress bars are not counted."""
    status = main(["evaluate", *arguments], {})
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_one_object(capsys: pytest.CaptureFixture[str], speech_store: Path, data: Path) -> None:
    arguments = ("speech", "--data", str(data), "--model", NAME, "--artifacts", str(speech_store))
    status, out, _ = run(capsys, *arguments, "--beam-size", "1", "--prompt", "zh=普通话。", "--json")
    found = json.loads(out.splitlines()[-1])
    assert status == 0
    assert (found["name"], found["version"], found["variant"]) == (NAME, "1", "int8")
    assert found["sets"].keys() == {"speech_en", "speech_zh sentences"}
    assert found["wer"] > 0
    assert found["cer"] > 0


def test_lines(capsys: pytest.CaptureFixture[str], speech_store: Path, data: Path) -> None:
    arguments = ("speech", "--data", str(data), "--model", NAME, "--artifacts", str(speech_store))
    status, out, _ = run(capsys, *arguments, "--beam-size", "1", "--variant", "fp32")
    assert status == 0
    assert out.startswith(f"{NAME}@1 fp32:\nspeech_en: WER ")
    assert "normaliser basic" in out
    assert "one.wav" in out


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Two recordings with texts, one that is none, one without a text."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("one", "two", "untold"):
        (folder / f"{name}.wav").write_bytes(babble(1.0))
    (folder / "broken.wav").write_bytes(b"no recording")
    for name in ("one", "two", "broken"):
        (folder / f"{name}.txt").write_text(name, encoding="utf-8")
    return folder


def test_own_recordings(capsys: pytest.CaptureFixture[str], speech_store: Path, own: Path) -> None:
    arguments = ("speech", "--data", str(own), "--model", NAME, "--artifacts", str(speech_store), "--beam-size", "1")
    status, out, _ = run(capsys, *arguments, "--language", "en", "--json")
    found = json.loads(out.splitlines()[-1])
    assert status == 0
    assert found["sets"].keys() == {"mine"}
    assert found["sets"]["mine"]["clips"] == 2
    assert found["sets"]["mine"]["normaliser"] == "basic"
    assert found["wer"] == found["sets"]["mine"]["wer"]
    assert found["cer"] is None
    assert len(found["left_out"]) == 2
    assert "untold.wav was left out: it has no transcript" in found["left_out"][0]
    assert "broken.wav was left out: broken.wav: " in found["left_out"][1]


def publish_letters(root: Path) -> None:
    """A CTC model that writes letters, with random weights; the voice detector is there already."""
    recipe = recipes.load("fsdd-ctc", ["network.channels=[8,8]", "network.width=8", "data.units='characters'"])
    assert isinstance(recipe.network, Ctc)
    torch.manual_seed(1)
    units = Units(tuple(" abcdefghij"), "")
    network = speech_network(recipe.network, len(units.texts) + 1)
    said = trained_speech.Recogniser(network, units, recipe, Origin(LETTERS, "made for tests", "0" * 64, "none"))
    trained_speech.export(said, None, ExportRequest(Store(root), root / "cache", records=root))


def test_own_recordings_by_the_letters_of_a_ctc_model(
    capsys: pytest.CaptureFixture[str], speech_store: Path, own: Path
) -> None:
    if LETTERS not in Store(speech_store).names():
        publish_letters(speech_store)
    status, out, _ = run(
        capsys, "speech", "--data", str(own), "--model", LETTERS, "--artifacts", str(speech_store)
    )  # fmt: skip
    assert status == 0
    assert out.startswith(f"{LETTERS}@1 fp32:\nmine: CER ")
    assert "over 2 clips" in out
    assert "errors in 6 (" in out
    assert "normaliser basic" in out
    assert "note: " in out


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two dark pictures and two bright ones, of which one is as good as dark; and a file that is no picture."""
    for name, level in (("Dark/a", 0), ("Dark/b", 51), ("bright/c", 255), ("bright/d", 102)):
        path = tmp_path / "mine" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(artifacts.picture(level))
    (tmp_path / "mine" / "bright" / "notes.txt").write_text("no picture", encoding="utf-8")
    artifacts.publish(tmp_path / "store")
    return tmp_path / "mine"


def test_own_pictures(capsys: pytest.CaptureFixture[str], pictures: Path) -> None:
    arguments = ("image", "--data", str(pictures), "--model", "brightness")
    status, out, _ = run(capsys, *arguments, "--artifacts", str(pictures.parent / "store"), "--json")
    found = json.loads(out.splitlines()[-1])
    assert status == 0
    assert (found["data"], found["count"], found["top1_count"], found["top5_count"]) == ("mine", 4, 3, 4)
    assert found["top1"] == 0.75
    assert found["ece"] == pytest.approx((0 + 0.2 + 0 + 0.6) / 4, abs=1e-6)  # said 1, 0.8, 1, 0.6; the last is wrong
    dark, bright = found["classes"]
    assert (dark["label"], dark["precision"], dark["recall"], dark["count"]) == ("dark", 2 / 3, 1, 2)
    assert (bright["label"], bright["precision"], bright["recall"], bright["count"]) == ("bright", 1, 1 / 2, 2)
    assert bright["f1"] == pytest.approx(2 / 3)
    assert found["left_out"] == [str(pictures / "bright" / "notes.txt")]


def test_own_pictures_in_lines(capsys: pytest.CaptureFixture[str], pictures: Path) -> None:
    arguments = ("image", "--data", str(pictures), "--model", "brightness")
    status, out, _ = run(capsys, *arguments, "--artifacts", str(pictures.parent / "store"))
    assert status == 0
    assert out.splitlines() == [
        "brightness@1 fp32 on mine: top-1 0.750 (3 of 4), top-5 1.000 (4 of 4), expected calibration error 0.200",
        "  dark    precision 0.667  recall 1.000  F1 0.800  (2)",
        "  bright  precision 1.000  recall 0.500  F1 0.667  (2)",
        f"note: {pictures / 'bright' / 'notes.txt'} was left out: it cannot be read as a picture",
    ]


def test_photos_with_a_manifest_of_class_ids(capsys: pytest.CaptureFixture[str], pictures: Path) -> None:
    rows = "path\timagenet_index\nDark/a.png\t0\nbright/d.png\t0\n"
    (pictures / "manifest.tsv").write_text(rows, encoding="utf-8")
    arguments = ("image", "--data", str(pictures), "--model", "brightness", "--json")
    status, out, _ = run(capsys, *arguments, "--artifacts", str(pictures.parent / "store"))
    found = json.loads(out.splitlines()[-1])
    assert (status, found["top1"], found["count"], found["left_out"]) == (0, 1, 2, [])
    assert [each["label"] for each in found["classes"]] == ["dark"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("nowhere", "in a folder for each class, a CSV or a tar"),
        ("empty", "holds no pictures"),
        ("others", "cat is no label of brightness@1, which knows dark, bright"),
        ("broken", "broken holds no picture that can be read"),
    ],
)
def test_pictures_that_cannot_be_judged(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: str, words: str
) -> None:
    artifacts.publish(tmp_path / "store")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "others" / "cat" / "a.png", tmp_path / "broken" / "dark" / "a.png"):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"no picture")
    arguments = ("image", "--data", str(tmp_path / data), "--model", "brightness")
    status, out, err = run(capsys, *arguments, "--artifacts", str(tmp_path / "store"))
    assert (status, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_of_many_classes_the_worst_are_shown() -> None:
    classes = tuple(ClassFigures(f"class {i:02}", 1.0, i / 30, i / 30, 1) for i in range(30, 0, -1))
    lines = _class_lines(classes)
    assert [line.split("  ")[1] for line in lines[:-1]] == [f"class {i:02}" for i in range(1, 21)]
    assert lines[-1] == "  and 10 more, none with a lower F1; --json has them all"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("speech",), "give --data, or set PERCEPT_DATA"),
        (("speech", "--data", "/nowhere"), "eval/speech_*/manifest.tsv"),
        (("speech", "--data", "DATA", "--model", "nothing"), "there is no artifact nothing"),
        (("speech", "--data", "DATA", "--model", NAME, "--variant", "fp16"), "has no variant fp16"),
        (("speech", "--data", "DATA", "--url", "http://127.0.0.1:9"), "no service answers"),
        (("speech", "--data", "DATA", "--model", NAME, "--language", "en"), "name theirs"),
        (("image", "--data", "DATA", "--detect"), "for `evaluate speech`"),
        (("image", "--data", "DATA", "--language", "en"), "for `evaluate speech`"),
        (("image", "--data", "DATA", "--model", NAME), "not for pictures"),
    ],
)
def test_what_a_person_can_mend_is_one_sentence(
    capsys: pytest.CaptureFixture[str], speech_store: Path, data: Path, arguments: tuple[str, ...], words: str
) -> None:
    given = [str(data) if each == "DATA" else each for each in arguments]
    status, out, err = run(capsys, *given, "--artifacts", str(speech_store))
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_numbers_name_their_language(capsys: pytest.CaptureFixture[str]) -> None:
    for given in ("words", "zh=roman"):
        with pytest.raises(SystemExit):
            run(capsys, "speech", "--numbers", given)
        assert "LANGUAGE=as-is|digits|words" in capsys.readouterr().err


def test_a_prompt_names_its_language(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(capsys, "speech", "--prompt", "just text")
    assert "LANGUAGE=TEXT" in capsys.readouterr().err
