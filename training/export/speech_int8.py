"""Whisper's graphs with int8 weights; sums and activations stay what each operator makes best of them.

The encoder multiplies whole windows: its weights get a scale for each output channel, activations one that is found
at run time (`DynamicQuantizeMatMul`). The decoder multiplies a row or a few, which is reading weights: they get a
scale for each block of 128 (`MatMulNBits` with 8 bits), finer and at least as fast. The embedding, which is also
the last layer, is stored once: rows are looked up in the blocks. No data are needed for any of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.errors import ExportError

_CONTRIB = "com.microsoft"
_BLOCK = 128
_ZERO = 128  # of unsigned 8 bits
_INT8_ACTIVATIONS = 4  # MatMulNBits' accuracy_level: activations are rounded to int8 block by block
_MAX_INT8 = 127

Weights = NDArray[np.float32]
Replace = Callable[[onnx.NodeProto, Weights], tuple[list[onnx.NodeProto], list[onnx.TensorProto]]]


def encoder_to_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Every product with constant weights in int8, quantised by output channel."""
    return _replaced(model, _by_channel)


def decoder_to_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Every product with constant weights in int8, quantised by block; the embedding shares the last layer's."""
    quantised = _replaced(model, _by_block)
    _share_embedding(quantised)
    return quantised


def _replaced(model: onnx.ModelProto, replace: Replace) -> onnx.ModelProto:
    quantised = onnx.ModelProto()
    quantised.CopyFrom(model)
    graph = quantised.graph
    constants = {each.name: each for each in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        weights = _weights(node, constants)
        if weights is None:
            nodes.append(node)
            continue
        new_nodes, tensors = replace(node, weights)
        nodes += new_nodes
        graph.initializer.extend(tensors)
    del graph.node[:]
    graph.node.extend(nodes)
    _drop_unused(graph)
    if not any(each.domain == _CONTRIB for each in quantised.opset_import):
        quantised.opset_import.append(helper.make_opsetid(_CONTRIB, 1))
    onnx.checker.check_model(quantised)
    return quantised


def _weights(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> Weights | None:
    """The constant matrix of a product, `[inputs, outputs]`; None for other nodes."""
    if node.op_type not in {"MatMul", "Gemm"} or node.input[1] not in constants:
        return None
    matrix = numpy_helper.to_array(constants[node.input[1]])
    if matrix.ndim != 2:
        return None
    attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    if attributes.get("transA") or (node.op_type == "Gemm" and attributes.get("alpha", 1.0) != 1.0):
        raise ExportError(f"{node.name} is a product of a form that is not quantised")
    return np.ascontiguousarray(matrix.T if attributes.get("transB") else matrix, np.float32)


def _by_channel(node: onnx.NodeProto, weights: Weights) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    scales = np.maximum(np.abs(weights).max(axis=0), np.finfo(np.float32).tiny) / _MAX_INT8
    rounded = np.rint(weights / scales).astype(np.int8)
    tensors = [
        numpy_helper.from_array(rounded, f"{node.name}.weight"),
        numpy_helper.from_array(scales.astype(np.float32), f"{node.name}.scale"),
    ]
    inputs = [node.input[0], *(each.name for each in tensors), "", *node.input[2:]]
    product = helper.make_node(
        "DynamicQuantizeMatMul", inputs if inputs[-1] else inputs[:-1], node.output, node.name, domain=_CONTRIB
    )
    return [product], tensors


def _by_block(node: onnx.NodeProto, weights: Weights) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    inputs, outputs = weights.shape
    if inputs % _BLOCK:
        raise ExportError(f"{node.name} has {inputs} inputs, which are no whole blocks of {_BLOCK}")
    blocks = weights.T.reshape(outputs, inputs // _BLOCK, _BLOCK)
    scales = np.maximum(np.abs(blocks).max(axis=-1), np.finfo(np.float32).tiny) / _MAX_INT8
    rounded = (np.rint(blocks / scales[..., None]) + _ZERO).astype(np.uint8)
    tensors = [
        numpy_helper.from_array(rounded, f"{node.name}.weight"),
        numpy_helper.from_array(scales.astype(np.float32).reshape(-1), f"{node.name}.scale"),
    ]
    product = helper.make_node(
        "MatMulNBits",
        [node.input[0], *(each.name for each in tensors)],
        node.output,
        node.name,
        domain=_CONTRIB,
        K=inputs,
        N=outputs,
        bits=8,
        block_size=_BLOCK,
        accuracy_level=_INT8_ACTIVATIONS,
    )
    if len(node.input) < 3 or not node.input[2]:
        return [product], tensors
    product.output[0] = f"{node.name}.product"
    bias = helper.make_node("Add", [product.output[0], node.input[2]], node.output, f"{node.name}.bias")
    return [product, bias], tensors


def _share_embedding(model: onnx.ModelProto) -> None:
    """Look the tokens' rows up in the last layer's blocks: gather, shift, scale."""
    graph = model.graph
    constants = {each.name: each for each in graph.initializer}
    last = next(each for each in reversed(graph.node) if each.op_type == "MatMulNBits")
    vocabulary = _attribute(last, "N")
    lookups = [
        node
        for node in graph.node
        if node.op_type == "Gather" and node.input[0] in constants and constants[node.input[0]].dims[0] == vocabulary
    ]
    if len(lookups) != 1:
        raise ExportError(f"{len(lookups)} nodes look tokens up in the embedding, not one")
    place = list(graph.node).index(lookups[0])
    nodes, tensors = _lookup(lookups[0], last)
    graph.node.remove(lookups[0])
    for node in reversed(nodes):
        graph.node.insert(place, node)
    graph.initializer.extend(tensors)
    _drop_unused(graph)
    onnx.checker.check_model(model)


def _lookup(gather: onnx.NodeProto, last: onnx.NodeProto) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Rows of the embedding out of the blocks `[vocabulary, blocks, 128]` of the last layer and their scales."""
    name, tokens = gather.name, gather.input[1]
    width, vocabulary = _attribute(last, "K"), _attribute(last, "N")
    constants: dict[str, NDArray[np.generic]] = {
        f"{name}.zero": np.array(_ZERO, np.float32),
        f"{name}.by_token": np.array([vocabulary, width // _BLOCK, 1], np.int64),
        f"{name}.row": np.array([0, 0, width], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Gather", [last.input[1], tokens], [f"{name}.blocks"], f"{name}.gather"),
        node("Cast", [f"{name}.blocks"], [f"{name}.floats"], f"{name}.cast", to=TensorProto.FLOAT),
        node("Sub", [f"{name}.floats", f"{name}.zero"], [f"{name}.centred"], f"{name}.centre"),
        node("Reshape", [last.input[2], f"{name}.by_token"], [f"{name}.scales"], f"{name}.divide"),
        node("Gather", [f"{name}.scales", tokens], [f"{name}.own_scales"], f"{name}.gather_scales"),
        node("Mul", [f"{name}.centred", f"{name}.own_scales"], [f"{name}.scaled"], f"{name}.scale"),
        node("Reshape", [f"{name}.scaled", f"{name}.row"], [gather.output[0]], f"{name}.join"),
    ]
    return nodes, [numpy_helper.from_array(value, key) for key, value in constants.items()]


def _attribute(node: onnx.NodeProto, name: str) -> int:
    return int(next(each.i for each in node.attribute if each.name == name))


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    kept = [each for each in graph.initializer if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
