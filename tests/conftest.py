"""What holds for all tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.trained import Workshop


def pytest_configure() -> None:
    """Property tests are judged by what they find, not by the time they take; a worker computes on one thread."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # several workers would fight over the processors
    settings.register_profile("percept", deadline=None)
    settings.load_profile("percept")


@pytest.fixture(scope="session")
def speech_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a small Whisper and the voice detector; tests that use it mark themselves `small-whisper`."""
    from tests import whispers  # takes torch's exporter, which most workers never need

    root: Path = tmp_path_factory.mktemp("speech")
    whispers.publish(root)
    if not whispers.add_voice(root):
        pytest.skip("not exported yet: silero-vad; run `make models`")
    return root


@pytest.fixture(scope="session")
def digits_workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Digits, trained and published; tests that use it mark themselves `trained` and change copies."""
    from tests import trained

    return trained.digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def vowels_workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A small recogniser, trained and published; tests that use it mark themselves `trained` and change copies."""
    from tests import trained

    made = trained.vowels(tmp_path_factory.mktemp("vowels"))
    if made is None:
        pytest.skip("not exported yet: silero-vad; run `make models`")
    return made
