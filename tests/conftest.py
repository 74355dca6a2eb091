"""What holds for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings


def pytest_configure() -> None:
    """Property tests are judged by what they find, not by how busy the machine is."""
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
