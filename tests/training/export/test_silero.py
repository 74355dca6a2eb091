"""The voice detector: rows as it wants them, and proof against TorchScript before it is published."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.store import Store
from service.settings import read_settings
from training.errors import ParityError
from training.export import silero
from training.sources import LocalFile


@given(st.integers(1, 5000))
def test_each_row_is_a_chunk_and_what_came_before_it(count: int) -> None:
    samples = np.arange(1, count + 1, dtype=np.float32)
    if count < silero.CHUNK:
        return
    rows = silero.frames(samples)
    np.testing.assert_array_equal(rows[:, silero.CONTEXT :].ravel(), samples[: len(rows) * silero.CHUNK])
    assert not rows[0, : silero.CONTEXT].any()
    for before, after in pairwise(rows):
        np.testing.assert_array_equal(after[: silero.CONTEXT], before[-silero.CONTEXT :])


def test_the_self_made_sound_is_the_same_every_time() -> None:
    np.testing.assert_array_equal(silero.spoken_like(), silero.spoken_like())
    assert np.abs(silero.spoken_like()).max() < 1


def _published() -> tuple[bytes, np.lib.npyio.NpzFile]:
    store = Store(read_settings().artifacts)
    if not store.versions(silero.NAME):
        pytest.skip("not exported yet: silero-vad; run `python -m training export silero-vad`")
    artifact = store.find(silero.NAME)
    artifact.verify()
    graph = artifact.path(artifact.manifest.variants["fp32"].files["model"]).read_bytes()
    return graph, np.load(artifact.path(artifact.manifest.golden))


def test_the_published_graph_replays_its_golden_vectors_and_hears_the_voice() -> None:
    graph, golden = _published()
    heard = silero.run(graph, golden["input"])
    np.testing.assert_allclose(heard, golden["output.fp32"], atol=1e-3)
    assert heard.max() > 0.5  # the voice-like part
    assert heard[:8].max() < 0.5  # the silence before it


class Deaf(torch.nn.Module):
    """A TorchScript file that hears nothing."""

    def forward(self, x: torch.Tensor, rate: int) -> torch.Tensor:
        """Probability of speech, always 0."""
        return torch.zeros(1)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_graph_that_differs_is_not_published(tmp_path: Path) -> None:
    graph, _ = _published()
    scripted: Any = torch.jit.script(Deaf())
    scripted.save(str(tmp_path / "deaf.jit"))
    with pytest.raises(ParityError, match="nothing was published"):
        silero.check(graph, LocalFile(tmp_path / "deaf.jit").fetch(tmp_path))
