"""From a PyTorch classifier to an ONNX graph that takes pixels and gives probabilities.

The graph is plain and repeats byte for byte: batch norms fused, "same" padding inside each convolution, tensors named
by their operator and place, no traces of the machine it was made on. It knows neither weights' origins nor artifacts.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.errors import ExportError

INPUT = "image"
OUTPUT = "probabilities"
OPSET = 20
_TRACED_BATCH = 2  # one would be taken for a constant


class PixelClassifier(nn.Module):
    """A network with everything arithmetic around it: uint8 pixels in, probabilities out."""

    def __init__(
        self, network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], temperature: float = 1.0
    ) -> None:
        """`mean` and `std` are in units of a pixel's 0…255, one for all channels or one for each."""
        super().__init__()
        self.network = network
        self.temperature = temperature
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).reshape(1, -1, 1, 1))
        self.register_buffer("scale", 1.0 / torch.tensor(std, dtype=torch.float32).reshape(1, -1, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """uint8 `[N, H, W, 3]` to float32 `[N, classes]` that sum to 1."""
        logits = self._logits(image)
        if self.temperature != 1.0:
            logits = logits / self.temperature
        return torch.softmax(logits, dim=-1)

    def _logits(self, image: Tensor) -> Tensor:
        logits: Tensor = self.network((image.permute(0, 3, 1, 2).float() - self.mean) * self.scale)
        return logits

    def logits(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the network makes of a batch, before temperature and softmax: what a temperature is fitted on."""
        with torch.inference_mode():
            result: NDArray[np.float32] = self.eval()._logits(torch.from_numpy(image)).numpy()
        return result

    def probabilities(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What PyTorch makes of a batch; the reference that an exported graph is compared with."""
        with torch.inference_mode():
            result: NDArray[np.float32] = self.eval()(torch.from_numpy(image)).numpy()
        return result


def to_onnx(classifier: PixelClassifier, crop_px: int) -> onnx.ModelProto:
    """The classifier as an ONNX model with input `image`, uint8 `["N", crop_px, crop_px, 3]`.

    Raises:
        ExportError: padding could not be folded into the convolutions, which would cost a third of the speed.
    """
    fused = fuse_norms(copy.deepcopy(classifier).eval())
    example = torch.zeros(_TRACED_BATCH, crop_px, crop_px, 3, dtype=torch.uint8)
    with quiet_exporter():
        program = torch.onnx.export(
            fused,
            (example,),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes={INPUT: {0: torch.export.Dim("N")}},
            opset_version=OPSET,
            verbose=False,
        )
    if program is None:
        raise ExportError("torch's exporter gave no program")
    model = plain(program.model_proto, "classifier")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "N"
    if any(node.op_type == "Pad" for node in model.graph.node):
        raise ExportError("the graph still has Pad nodes: padding must lie in each convolution's attributes")
    onnx.checker.check_model(model, full_check=True)
    return model


def giving_logits(model: onnx.ModelProto, temperature: float) -> onnx.ModelProto:
    """The graph that ends before temperature and softmax, which would hide differences or blow them up.

    Raises:
        ExportError: it does not end in these.
    """
    made_by = {name: node for node in model.graph.node for name in node.output}
    softmax = made_by[OUTPUT]
    last = softmax.input[0]
    if temperature != 1.0:
        last = made_by[last].input[0] if last in made_by and made_by[last].op_type == "Div" else ""
    if softmax.op_type != "Softmax" or not last:
        raise ExportError("the graph does not end in a temperature and a softmax")
    return with_outputs(model, [last])


def with_outputs(model: onnx.ModelProto, names: list[str]) -> onnx.ModelProto:
    """A copy of a graph with these tensors of floats as its only outputs."""
    probe = copied(model)
    del probe.graph.output[:]
    float32 = onnx.TensorProto.FLOAT
    probe.graph.output.extend(onnx.helper.make_tensor_value_info(name, float32, None) for name in names)
    return probe


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy to be changed."""
    copy_of = onnx.ModelProto()
    copy_of.CopyFrom(model)
    return copy_of


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Torch's exporter warns about its own internals, and about torchvision that nobody needs here."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
            warnings.filterwarnings("ignore", message=".*axes will not be renamed", category=UserWarning)
            yield
    finally:
        logger.setLevel(level)


def fuse_norms(module: nn.Module) -> nn.Module:
    """Fold each batch norm into the convolution that stands right before it in the same parent; in place."""
    for parent in list(module.modules()):
        children = list(parent.named_children())
        for (conv_name, conv), (norm_name, norm) in pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, conv_name, nn.utils.fusion.fuse_conv_bn_eval(conv, norm))
                setattr(parent, norm_name, nn.Identity())
    return module


def plain(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The same graph with names by operator and place, and without stack traces and other metadata.

    Inputs and outputs keep their names.
    """
    graph = model.graph
    names = _names(graph)
    for node in graph.node:
        node.name = names[node.output[0]]
        node.input[:] = [names.get(each, each) for each in node.input]
        node.output[:] = [names[each] for each in node.output]
        node.doc_string = ""
        del node.metadata_props[:]
    for initializer in graph.initializer:
        initializer.name = names.get(initializer.name, initializer.name)
    del graph.value_info[:]
    for holder in (graph, *graph.input, *graph.output, *graph.initializer):
        holder.doc_string = ""
        del holder.metadata_props[:]
    graph.name = name
    return onnx.helper.make_model(
        graph, producer_name="percept", opset_imports=_used_opsets(model), ir_version=model.ir_version
    )


def _used_opsets(model: onnx.ModelProto) -> list[onnx.OperatorSetIdProto]:
    used = {node.domain for node in model.graph.node}
    return [each for each in model.opset_import if each.domain in used]


def _names(graph: onnx.GraphProto) -> dict[str, str]:
    """New names of every tensor but the graph's own inputs and outputs: `conv_7`, `conv_7.weight`, …"""
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    outputs = {each.name for each in graph.output}
    constants = {each.name for each in graph.initializer}
    for node in graph.node:
        kind = node.op_type.lower()
        place = f"{kind}_{counts[kind]}"
        counts[kind] += 1
        for i, output in enumerate(node.output):
            names[output] = output if output in outputs else place + (f".{i}" if i else "")
        for i, name in enumerate(node.input):
            if name in constants and name not in names:
                names[name] = f"{place}.in{i}"
    return names
