"""Small artifacts for tests: a classifier of two classes by brightness, published like a real one."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
from onnx import NodeProto, TensorProto, helper
from PIL import Image

from models.manifest import Graph, ImagePreprocessing, Manifest, Provenance, Tensor, Variant
from models.postprocess import Label, Labels
from models.store import Artifact, Staging, Store, file_ref

SPEC = ImagePreprocessing(resize_px=10, crop_px=8)
CLASSES = Labels((Label("dark", None), Label("bright", "light")))


def brightness_graph(gain: float = 1.0) -> bytes:
    """An ONNX model: `image` uint8 `[N, 8, 8, 3]` to `probabilities` `[N, 2]`, dark and bright."""
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["total"]),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3]),
        helper.make_tensor("last", TensorProto.INT64, [1], [1]),
    ]
    return _brightness(nodes, constants, gain / 255)


def integer_brightness_graph(gain: float = 1.0) -> bytes:
    """The same in integers, U8 times S8: kernels that add pairs in 16 bits take bright for dark."""
    nodes = [
        helper.make_node("Flatten", ["image"], ["levels"]),
        helper.make_node("MatMulInteger", ["levels", "weights"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["total"], to=TensorProto.FLOAT),
    ]
    values = 8 * 8 * 3
    constants = [helper.make_tensor("weights", TensorProto.INT8, [values, 1], [127] * values)]
    return _brightness(nodes, constants, gain / (values * 127 * 255))


def _brightness(nodes: list[NodeProto], constants: list[TensorProto], scale: float) -> bytes:
    """The graph behind `total`, a column that is `1 / scale` for white."""
    graph = helper.make_graph(
        [
            *nodes,
            helper.make_node("Mul", ["total", "scale"], ["bright"]),
            helper.make_node("Sub", ["one", "bright"], ["dark"]),
            helper.make_node("Concat", ["dark", "bright"], ["probabilities"], axis=1),
        ],
        "brightness",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 8, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2])],
        [
            *constants,
            helper.make_tensor("scale", TensorProto.FLOAT, [], [scale]),
            helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return bytes(model.SerializeToString())


def picture(level: int, kind: str = "PNG") -> bytes:
    """A file of 10 × 10 pixels of one grey."""
    buffer = io.BytesIO()
    Image.new("RGB", (10, 10), (level, level, level)).save(buffer, kind)
    return buffer.getvalue()


def fill(name: str, gains: dict[str, float]) -> Callable[[Staging], Manifest]:
    """What writes the files; golden vectors are those of gain 1, so that another gain does not replay."""

    def write(staging: Staging) -> Manifest:
        folder = staging.folder
        CLASSES.write(folder / "labels.json")
        (folder / "model-card.md").write_text("brightness", "utf-8")
        pixels = np.stack([np.full((8, 8, 3), level, np.uint8) for level in (0, 200)])
        outputs = np.array([[1, 0], [55 / 255, 200 / 255]], np.float32)
        media = {f"media_{i}": np.frombuffer(picture(level), np.uint8) for i, level in enumerate((0, 200))}
        golden = {**media, "input": pixels} | {f"output.{variant}": outputs for variant in gains}
        np.savez(folder / "golden.npz", **golden)  # type: ignore[arg-type]  # numpy's stub knows no mapping here
        for variant, gain in gains.items():
            graph = integer_brightness_graph(gain) if variant == "int8" else brightness_graph(gain)
            (folder / f"model.{variant}.onnx").write_bytes(graph)
        return _manifest(folder, name, staging.version, list(gains))

    return write


def _manifest(folder: Path, name: str, version: str, variants: list[str]) -> Manifest:
    return Manifest(
        name=name,
        version=version,
        task="image-classification",
        variants={
            each: Variant(
                precision="int8" if each == "int8" else "fp32",
                opset=20,
                files={"model": file_ref(folder / f"model.{each}.onnx")},
                golden_tolerance=1e-3,
            )
            for each in variants
        },
        graphs={
            "model": Graph(
                inputs=(Tensor(name="image", dtype="uint8", shape=("N", 8, 8, 3)),),
                outputs=(Tensor(name="probabilities", dtype="float32", shape=("N", 2)),),
            )
        },
        preprocessing=SPEC,
        labels=file_ref(folder / "labels.json"),
        golden=file_ref(folder / "golden.npz"),
        card=file_ref(folder / "model-card.md"),
        provenance=Provenance(
            source="made for tests", weights_sha256="0" * 64, licence="none", exporter="tests", date=date(2026, 1, 1)
        ),
    )


def publish(root: Path, name: str = "brightness", **gains: float) -> Artifact:
    """Publish the next version; `fp32=1.0, int8=0.5` makes an int8 that does not replay."""
    return Store(root).build(name, fill(name, gains or {"fp32": 1.0}))
