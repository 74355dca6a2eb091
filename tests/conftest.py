"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings


def pytest_configure() -> None:
    """Property tests are judged by what they find, not by how busy the machine is."""
    settings.register_profile("percept", deadline=None)
    settings.load_profile("percept")
