"""Sessions, and execution providers without false promises."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from service.errors import ArtifactRefused, ProviderUnavailable
from service.onnx_runner import _IDENTITY, Kernels, OnnxRunner, int8_kernels, place
from tests.artifacts import brightness_graph

HAS_CUDA = place("auto").provider == "cuda"


@pytest.fixture
def runner(tmp_path: Path) -> OnnxRunner:
    (tmp_path / "model.onnx").write_bytes(brightness_graph())
    return OnnxRunner(tmp_path / "model.onnx", place("cpu"), threads=1)


def test_outputs_come_by_name(runner: OnnxRunner) -> None:
    got = runner.run({"image": np.full((3, 8, 8, 3), 255, np.uint8)})
    np.testing.assert_allclose(got["probabilities"], [[0, 1]] * 3, atol=1e-6)
    assert runner.provider == "cpu"


def test_one_session_serves_many_threads(runner: OnnxRunner) -> None:
    def ask(level: int) -> float:
        image = np.full((1, 8, 8, 3), level, np.uint8)
        return float(runner.run({"image": image})["probabilities"][0, 1])

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(256))) == pytest.approx([level / 255 for level in range(256)], abs=1e-6)


@pytest.mark.parametrize("kernels", int8_kernels())
def test_integer_sums_do_not_saturate(tmp_path: Path, kernels: Kernels) -> None:
    """Kernels for processors without VNNI add pairs in 16 bits unless exact ones are asked for."""
    (tmp_path / "model.onnx").write_bytes(_sum_graph())
    runner = OnnxRunner(tmp_path / "model.onnx", place("cpu"), threads=1, kernels=kernels)
    got = runner.run({"levels": np.full((1, 64), 255, np.uint8)})
    assert got["sum"].tolist() == [[64 * 255 * 127]]


def test_fast_kernels_are_tried_where_they_are_right_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(_sum_graph())
    fast = OnnxRunner(tmp_path / "model.onnx", place("cpu"), threads=1, kernels="fast")
    got = fast.run({"levels": np.full((1, 64), 255, np.uint8)})
    assert (got["sum"].tolist() == [[64 * 255 * 127]]) == (int8_kernels() == ("fast", "exact"))
    assert int8_kernels()[-1] == "exact"


def _sum_graph() -> bytes:
    """uint8 `[1, 64]` times a column of 127s."""
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["levels", "weights"], ["sum"])],
        "sum",
        [helper.make_tensor_value_info("levels", TensorProto.UINT8, [1, 64])],
        [helper.make_tensor_value_info("sum", TensorProto.INT32, [1, 1])],
        [helper.make_tensor("weights", TensorProto.INT8, [64, 1], [127] * 64)],
    )
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9).SerializeToString()
    )


def test_what_is_no_graph_is_refused_in_our_own_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ArtifactRefused, match=r"^model\.onnx is not a graph that can be run here") as refusal:
        OnnxRunner(tmp_path / "model.onnx", place("cpu"), threads=1)
    assert "/" not in refusal.value.detail  # the library's own words name the path; they are for the log
    assert str(tmp_path) in caplog.text


@pytest.mark.skipif(HAS_CUDA, reason="this machine has CUDA")
def test_a_provider_that_is_not_here_is_refused_in_words() -> None:
    with pytest.raises(ProviderUnavailable, match=r"PERCEPT_PROVIDERS=cuda cannot be had: .* use auto or cpu"):
        place("cuda")


@pytest.mark.skipif(HAS_CUDA, reason="this machine has CUDA")
def test_auto_falls_back_and_says_so() -> None:
    placement = place("auto")
    assert placement.provider in ("cpu", "openvino")
    assert placement.provider != "cpu" or "fell back to the CPU" in placement.reason


def test_one_at_a_time_equals_all_at_once(runner: OnnxRunner) -> None:
    images = np.random.default_rng(7).integers(0, 256, (9, 8, 8, 3), np.uint8)
    together = runner.run({"image": images})["probabilities"]
    alone = [runner.run({"image": image[None]})["probabilities"][0] for image in images]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_the_graph_that_tries_providers_is_a_graph(tmp_path: Path) -> None:
    # only machines with an accelerator would notice otherwise: there it would read as "does not start"
    (tmp_path / "identity.onnx").write_bytes(_IDENTITY)
    got = OnnxRunner(tmp_path / "identity.onnx", place("cpu"), threads=1).run({"x": np.array([3], np.float32)})
    assert got["y"].tolist() == [3.0]


def test_the_processor_is_there_when_asked_for() -> None:
    assert (place("cpu").provider, place("cpu").reason) == ("cpu", "asked for")
