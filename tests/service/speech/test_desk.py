"""The bound graphs give what plain runs of them give, however hypotheses are kept and reordered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.store import Store
from service.onnx_runner import place
from service.speech.desk import WhisperDesk, WhisperRunner
from tests.whispers import SIZE
from training.export.silero import spoken_like
from training.export.speech_session import SpeechSession

pytestmark = pytest.mark.xdist_group("small-whisper")
AUDIO = spoken_like(2.0)
BEGINNING = [257, 258, 262, 266]
ROWS = 5


@pytest.fixture(scope="module")
def paths(speech_store: Path) -> dict[str, Path]:
    artifact = Store(speech_store).find("whisper-small-test")
    return {role: artifact.path(ref) for role, ref in artifact.manifest.variants["fp32"].files.items()}


@pytest.fixture(scope="module")
def runner(paths: dict[str, Path]) -> WhisperRunner:
    return WhisperRunner(paths["encoder"], paths["decoder"], place("cpu"), threads=1)


@pytest.fixture(scope="module")
def plain(paths: dict[str, Path]) -> SpeechSession:
    return SpeechSession(onnx.load(paths["encoder"]), onnx.load(paths["decoder"]))


@pytest.fixture(scope="module")
def desk(runner: WhisperRunner) -> WhisperDesk:
    made = runner.desk(ROWS)
    made.listen(AUDIO)
    return made


def test_steps_give_what_plain_runs_give(desk: WhisperDesk, plain: SpeechSession) -> None:
    tokens = [*BEGINNING, 70, 71, 72]
    wanted = plain.follow(AUDIO, tokens, len(BEGINNING))
    got = [desk.begin(BEGINNING[:1]), desk.go_on(BEGINNING[1:])][1:]
    got = [got[0].copy(), *(desk.step([token])[0].copy() for token in tokens[len(BEGINNING) :])]
    np.testing.assert_allclose(np.stack(got), wanted, atol=1e-4)


@settings(max_examples=15)
@given(st.lists(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 255)), min_size=1, max_size=ROWS), max_size=5))
def test_a_hypothesis_is_what_its_ancestors_wrote(
    desk: WhisperDesk, plain: SpeechSession, plan: list[list[tuple[int, int]]]
) -> None:
    """Each step names for every row the row it goes on from (modulo what there is) and its next token."""
    desk.begin(BEGINNING)
    written: list[list[int]] = [[]]
    logits = None
    for step in plan:
        parents = [parent % len(written) for parent, _ in step]
        desk.keep(parents)
        written = [[*written[parent], token] for parent, (_, token) in zip(parents, step, strict=True)]
        logits = desk.step([token for _, token in step])
    if logits is not None:
        for row, tokens in zip(logits, written, strict=True):
            np.testing.assert_allclose(row, plain.follow(AUDIO, [*BEGINNING, *tokens], 4)[-1], atol=1e-4)


def test_a_new_sound_forgets_the_old_one(runner: WhisperRunner, plain: SpeechSession) -> None:
    desk, other = runner.desk(1), spoken_like(1.0)
    desk.listen(AUDIO)
    desk.begin(BEGINNING)
    desk.listen(other)
    np.testing.assert_allclose(desk.begin(BEGINNING), plain.follow(other, BEGINNING, 4)[0], atol=1e-4)


def test_its_memory_is_as_long_as_the_longest_text(desk: WhisperDesk) -> None:
    assert desk.longest == SIZE.text_positions
