"""`evaluate speech` over a small Whisper: one object for programs, lines for people, one sentence where it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.test_evaluate_speech import manifest
from tests.voices import babble
from training.__main__ import main

pytestmark = pytest.mark.xdist_group("small-whisper")
NAME = "whisper-small-test"


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("speech",), "give --data, or set PERCEPT_DATA"),
        (("speech", "--data", "/nowhere"), "eval/speech_*/manifest.tsv"),
        (("speech", "--data", "DATA", "--model", "nothing"), "there is no artifact nothing"),
        (("speech", "--data", "DATA", "--model", NAME, "--variant", "fp16"), "has no variant fp16"),
        (("speech", "--data", "DATA", "--url", "http://127.0.0.1:9"), "no service answers"),
        (("image", "--data", "DATA", "--detect"), "for `evaluate speech`"),
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


def test_a_prompt_names_its_language(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(capsys, "speech", "--prompt", "just text")
    assert "LANGUAGE=TEXT" in capsys.readouterr().err
