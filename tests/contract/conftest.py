"""One service for a file of contract tests, with a short patience for bodies that stall."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.served import Served, missing_models, served

IDLE_S = 0.5


@pytest.fixture(scope="module")
def service() -> Iterator[Served]:
    """The default models, served by a process of its own."""
    if missing := missing_models():
        pytest.skip(f"not exported yet: {missing}; run `make models`")
    with served(body_idle_timeout_s=str(IDLE_S)) as running:
        yield running
