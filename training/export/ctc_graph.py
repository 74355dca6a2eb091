"""From a trained CTC network to one ONNX graph: sound in, log-probabilities of every frame out.

The log-mel features are inside. The graph takes one recording (a batch of one), so nothing in it is padding.
"""

from __future__ import annotations

import copy

import onnx
import torch
from torch import Tensor, nn

from training.errors import ExportError
from training.export.graph import OPSET, plain, quiet_exporter
from training.networks.ctc import HOP, CtcNetwork, RecurrentContext

AUDIO, LOG_PROBABILITIES = "audio", "log_probabilities"
_TRACED_SAMPLES = 40_000
_LONGEST_SAMPLES = 30 * 16_000


class CtcGraph(nn.Module):
    """float32 `[1, samples]` at 16 kHz to natural logarithms `[1, frames, tokens]`."""

    def __init__(self, network: CtcNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, audio: Tensor) -> Tensor:
        """Every frame's distribution over the tokens."""
        logits, _ = self.network(self.network.features(audio))
        return torch.log_softmax(logits, dim=-1)


class ExportedRecurrence(nn.Module):
    """A recurrent context as ONNX's own GRU operator, a node for each layer; torch's exporter cannot write it.

    torch keeps the gates as reset, update, new; ONNX as update, reset, new.
    """

    def __init__(self, context: RecurrentContext) -> None:
        super().__init__()
        self.layers, self.width = context.gru.num_layers, context.gru.hidden_size
        for layer in range(self.layers):
            for name, tensor in _layer_weights(context.gru, layer).items():
                self.register_buffer(f"{name}{layer}", tensor)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """`[1, T, inputs]` to `[1, T, outputs]`; every frame is sound."""
        states = x.transpose(0, 1)
        for layer in range(self.layers):
            inputs = (states, *(getattr(self, f"{name}{layer}") for name in ("weights", "recurrent", "biases")))
            both = torch.onnx.ops.symbolic(
                "ai.onnx::GRU",
                inputs,
                {"hidden_size": self.width, "direction": "bidirectional", "linear_before_reset": 1},
                dtype=states.dtype,
                shape=(states.shape[0], 2, states.shape[1], self.width),
                version=OPSET,
            )
            states = both.transpose(1, 2).flatten(2)
        return states.transpose(0, 1)


def _layer_weights(gru: nn.GRU, layer: int) -> dict[str, Tensor]:
    """Weights `[2, 3 · width, inputs]`, recurrent ones, and both biases `[2, 6 · width]`, of both directions."""

    def gates(name: str) -> Tensor:
        pairs = []
        for direction in ("", "_reverse"):
            reset, update, new = getattr(gru, f"{name}_l{layer}{direction}").detach().chunk(3)
            pairs.append(torch.cat([update, reset, new]))
        return torch.stack(pairs)

    return {
        "weights": gates("weight_ih"),
        "recurrent": gates("weight_hh"),
        "biases": torch.cat([gates("bias_ih"), gates("bias_hh")], dim=1),
    }


def _exportable(network: CtcNetwork) -> CtcNetwork:
    copied = copy.deepcopy(network).eval()
    if isinstance(copied.context, RecurrentContext):
        copied.context = ExportedRecurrence(copied.context)  # type: ignore[assignment]  # it computes the same
    return copied


def to_onnx(network: CtcNetwork) -> onnx.ModelProto:
    """The graph; input `audio` float32 `[1, "samples"]`, at least a tenth of a second.

    Raises:
        ExportError: torch's exporter gave no program.
    """
    samples = torch.export.Dim("samples", min=10 * HOP, max=_LONGEST_SAMPLES)
    with torch.no_grad(), quiet_exporter():
        program = torch.onnx.export(
            CtcGraph(_exportable(network)).eval(),
            (torch.zeros(1, _TRACED_SAMPLES),),
            dynamo=True,
            input_names=[AUDIO],
            output_names=[LOG_PROBABILITIES],
            dynamic_shapes={AUDIO: {1: samples}},
            opset_version=OPSET,
            verbose=False,
        )
    if program is None:
        raise ExportError("torch's exporter gave no program")
    model = plain(program.model_proto, "ctc")
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "samples"
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "frames"
    onnx.checker.check_model(model)
    return model
