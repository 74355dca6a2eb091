"""Int8 by static quantisation: QuantizeLinear/DequantizeLinear pairs, activations U8, weights S8 per channel.

Weights are symmetric, one scale for each output channel. Activations get the ranges that were measured or committed.
On processors with VNNI the integer kernels are exact; on those with AVX2 alone, products of U8 and S8 may saturate in
16 bits. We do not give up a bit of every weight for them (`reduce_range`): the service replays the golden vectors and
falls back to fp32 where they differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from training.errors import ExportError
from training.export.runtime import QDQQuantizer, Session, quantization

Ranges = Mapping[str, tuple[float, float]]

QUANTISED_OPERATORS = ("Conv", "Gemm", "Add", "ReduceMean", "Clip")


def measured_ranges(model: onnx.ModelProto, batches: Iterable[NDArray[np.uint8]]) -> dict[str, tuple[float, float]]:
    """The lowest and highest value that each activation takes over some pictures, uint8 `[N, H, W, 3]`."""
    names = activations(model)
    probe = Session(_with_outputs(model, names).SerializeToString())
    found: dict[str, tuple[float, float]] = {}
    for batch in batches:
        for name, values in probe.every_output(batch).items():
            if name in names:
                low, high = found.get(name, (0.0, 0.0))
                found[name] = (min(low, float(values.min())), max(high, float(values.max())))
    return found


def activations(model: onnx.ModelProto) -> list[str]:
    """The float tensors between the nodes of a graph, which int8 needs a range for."""
    inferred = onnx.shape_inference.infer_shapes(model)
    floats = {
        each.name
        for each in (*inferred.graph.value_info, *inferred.graph.output)
        if each.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    }
    return [name for node in model.graph.node for name in node.output if name in floats]


def _with_outputs(model: onnx.ModelProto, names: list[str]) -> onnx.ModelProto:
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    known = {each.name for each in model.graph.output}
    extra = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names]
    probe.graph.output.extend(each for each in extra if each.name not in known)
    return probe


def to_int8(model: onnx.ModelProto, ranges: Ranges) -> onnx.ModelProto:
    """The quantised graph.

    Raises:
        ExportError: the ranges are of another graph.
    """
    missing = [name for name in activations(model) if name not in ranges]
    if missing:
        raise ExportError(f"the calibration record has no range for {missing[0]}: measure again with `quantize`")
    tensors = {
        name: quantization.TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in ranges.items()
    }
    quantizer = QDQQuantizer(
        _copied(model),
        per_channel=True,
        reduce_range=False,
        weight_qType=quantization.QuantType.QInt8,
        activation_qType=quantization.QuantType.QUInt8,
        tensors_range=quantization.TensorsData(quantization.CalibrationMethod.MinMax, tensors),
        nodes_to_quantize=[],
        nodes_to_exclude=[],
        op_types_to_quantize=list(QUANTISED_OPERATORS),
        extra_options={"WeightSymmetric": True, "ActivationSymmetric": False},
    )
    quantizer.quantize_model()
    return quantizer.model.model


def _copied(model: onnx.ModelProto) -> onnx.ModelProto:
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    return copied
