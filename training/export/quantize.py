"""Int8 by static quantisation: QuantizeLinear/DequantizeLinear pairs, activations U8, weights S8 per channel.

Weights are symmetric with a scale for each output channel; activations get the ranges that were measured. Logits stay
floats: their range is what made-up pictures do not show, and clipping it cost more than all other rounding together.
On processors with VNNI the integer kernels are exact. On those with AVX2 alone, sums of two products of U8 and S8
saturate at 16 bits; sessions of this half ask for exact kernels everywhere (`session.x64quantprecision`), which are
slower, and the service does so where the fast ones are wrong.
Giving up a bit of every weight instead (`reduce_range`) cost Lite0 4 of 125 photos.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from training.errors import ExportError
from training.export.graph import INPUT, copied, with_outputs
from training.export.runtime import QDQQuantizer, Session, quantization

Ranges = Mapping[str, tuple[float, float]]

_QUANTISED_OPERATORS = ("Conv", "Gemm", "Add", "Clip")
_FLOAT_OUTPUT_OPERATORS = ("Gemm",)
_RANGE_DIGITS = 6
_BOUNDED_OPERATORS = frozenset({"Clip", "Cast", "Sub", "Mul", "Softmax"})
"""Ranges of these are what they are: clipped activations, and pixels' own arithmetic."""


def measured_ranges(
    model: onnx.ModelProto, batches: Iterable[NDArray[np.uint8]], margin: float
) -> dict[str, tuple[float, float]]:
    """The range of each activation over some pictures, uint8 `[N, H, W, 3]`: zero and the extremes.

    Those of unbounded activations are multiplied by the margin.
    """
    operators = activations(model)
    probe = Session(with_outputs(model, list(operators)).SerializeToString())
    extremes = dict.fromkeys(operators, (0.0, 0.0))
    for batch in batches:
        for name, values in probe.every_output(batch).items():
            low, high = extremes[name]
            extremes[name] = (min(low, float(values.min())), max(high, float(values.max())))
    return {name: _widened(found, operators[name], margin) for name, found in extremes.items()}


def _widened(extremes: tuple[float, float], operator: str, margin: float) -> tuple[float, float]:
    factor = 1.0 if operator in _BOUNDED_OPERATORS else margin
    return round(extremes[0] * factor, _RANGE_DIGITS), round(extremes[1] * factor, _RANGE_DIGITS)


def activations(model: onnx.ModelProto) -> dict[str, str]:
    """The float tensors that nodes of a graph put out, with the operator that each comes from."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    floats = {
        each.name
        for each in (*graph.value_info, *graph.output)
        if each.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    }
    return {name: node.op_type for node in graph.node for name in node.output if name in floats}


def to_int8(model: onnx.ModelProto, ranges: Ranges) -> onnx.ModelProto:
    """The quantised graph, with the same input and output.

    Raises:
        ExportError: the ranges are of another graph.
    """
    missing = [name for name in activations(model) if name not in ranges]
    if missing:
        raise ExportError(f"the calibration record has no range for {missing[0]}: measure anew with `quantize`")
    quantizer = QDQQuantizer(
        copied(model),
        per_channel=True,
        reduce_range=False,
        weight_qType=quantization.QuantType.QInt8,
        activation_qType=quantization.QuantType.QUInt8,
        tensors_range=_tensors_data(ranges),
        nodes_to_quantize=[],
        nodes_to_exclude=[],
        op_types_to_quantize=list(_QUANTISED_OPERATORS),
        extra_options={
            "WeightSymmetric": True,
            "ActivationSymmetric": False,
            "OpTypesToExcludeOutputQuantization": list(_FLOAT_OUTPUT_OPERATORS),
        },
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()  # the pairs were appended at the end
    quantised: onnx.ModelProto = quantizer.model.model
    take_pixels_straight(quantised)
    onnx.checker.check_model(quantised, full_check=True)
    return quantised


def _tensors_data(ranges: Ranges) -> quantization.calibrate.TensorsData:
    calibrate = quantization.calibrate
    tensors = {
        name: calibrate.TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in ranges.items()
    }
    return calibrate.TensorsData(calibrate.CalibrationMethod.MinMax, tensors)


def take_pixels_straight(model: onnx.ModelProto) -> bool:
    """Leave out the arithmetic on pixels where quantising gives back the very pixels; say whether it was so.

    With (x − 127) / 128 it is: scale 1/128 and zero point 127. Then uint8 goes into the first convolution as it came.
    """
    chain = _pixel_chain(model)
    if not chain or not _gives_back_pixels(model, chain):
        return False
    source, result = chain[0].input[0], chain[-1].output[0]
    for node in model.graph.node:
        if result in node.input and node.op_type == "DequantizeLinear":
            node.input[0] = source
    for node in chain:
        model.graph.node.remove(node)
    return True


def _pixel_chain(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Cast, Sub, Mul, QuantizeLinear behind the input's transposition, if these are all that reads them."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    chain: list[onnx.NodeProto] = []
    tensor = INPUT
    for operator in ("Transpose", "Cast", "Sub", "Mul", "QuantizeLinear"):
        found = readers.get(tensor, [])
        if len(found) != 1 or found[0].op_type != operator:
            return []
        chain.append(found[0])
        tensor = found[0].output[0]
    return chain[1:]


def _gives_back_pixels(model: onnx.ModelProto, chain: list[onnx.NodeProto]) -> bool:
    constants = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    _, sub, mul, quantise = chain
    scale, zero_point = (constants[name] for name in quantise.input[1:3])
    pixels = np.arange(256, dtype=np.float32).reshape(1, 1, 1, -1)
    normalised = (pixels - constants[sub.input[1]]) * constants[mul.input[1]]
    quantised = np.rint(normalised / scale) + zero_point.astype(np.float32)
    return bool((quantised == pixels).all())
