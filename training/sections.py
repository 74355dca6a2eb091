"""The sections of a recipe: what can be said of data, network, start, loss, optimiser, augmentation, stop and health.

Each field is checked by itself here; what must fit together is the recipe's business (`training.recipe`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.manifest import Name
from training.definitions import Section

ActivationName = Literal["sigmoid", "tanh", "relu", "gelu", "silu"]
NormName = Literal["none", "batch", "layer"]
InitialiserName = Literal["default", "xavier", "kaiming", "orthogonal", "lsuv", "dirac"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


class Cost(Section):
    """What a run is expected to take; it is said before the run starts."""

    minutes: float = Field(default=1.0, gt=0)
    hardware: str = "two CPU cores"
    memory_gb: float = Field(default=1.0, gt=0)


class DataSection(Section):
    """Which examples, and how they are divided."""

    source: Literal["digits", "images", "recordings", "fsdd"] = "images"
    """`digits` is scikit-learn's; the others are read from `--data`."""
    size_px: Positive = 32
    """Pictures: side of the square that is kept of each, in pixels."""
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Fraction of the training examples that is held out to steer by; 0 trains on everything, to the last epoch."""
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Fraction held out to judge by, where the data have no test part of their own."""
    labels: Positive | None = None
    """Keep only so many labelled examples of each class, for studies with few labels."""
    balance: Literal["none", "weights", "sampling"] = "none"
    """Against unequal classes: weigh their losses, or draw them equally often."""
    units: Literal["characters", "words"] = "characters"
    """Speech: what the model writes one by one."""
    split_by: Literal["speaker", "content"] = "speaker"
    """Speech: what stays on one side when a validation part is held out."""
    test_speaker: str | None = None
    """Speech: judge by all recordings of this speaker and learn from none, whatever division the data have."""
    test_block: Annotated[int, Field(ge=0, lt=5)] | None = None
    """Digits: judge by this fifth of them in their order, nearly all of it by writers who are not learnt from."""
    max_clip_s: float = Field(default=16.0, gt=0)
    """Speech: longer recordings are left out of training, and named."""


class Mlp(Section):
    """A fully connected network of any number of layers."""

    kind: Literal["mlp"]
    hidden: tuple[Positive, ...] = (64,)
    """Width of each hidden layer."""
    repeat: Positive = 1
    """The hidden layers come so many times, one behind the other: `hidden = [64]` and `repeat = 20` are twenty."""
    activation: ActivationName = "relu"
    norm: NormName = "none"
    dropout: Fraction = 0.0
    residual: bool = False
    """Add each layer's input to its output where the widths agree."""


class Cnn(Section):
    """A convolutional network in stages; each halves the picture."""

    kind: Literal["cnn"]
    stem: Literal["learned", "whitened"] = "learned"
    """The first convolution: learnt with the others, or worked out from the pictures' own statistics and kept."""
    widths: tuple[Positive, ...] = (64, 128, 256)
    blocks: Positive = 1
    """Convolutions behind the one that widens, in each stage."""
    activation: ActivationName = "relu"
    norm: NormName = "batch"
    dropout: Fraction = 0.0
    residual: bool = True
    logit_scale: float = Field(default=1.0, gt=0)
    """Factor on the outputs: a small one lets the other layers have a high rate."""
    two_sided: bool = False
    """Once trained, look at each picture and its mirror image and average: twice the work, some more right."""


class Lite(Section):
    """EfficientNet-Lite, from its published weights or from scratch."""

    kind: Literal["efficientnet-lite"]
    size: Literal[0, 2] = 0
    pretrained: bool = True
    frozen_blocks: Annotated[int, Field(ge=0)] = 0
    """So many blocks behind the stem, and the stem, keep their weights and their norms' statistics."""
    frozen_norms: bool = False
    """Every norm keeps its published statistics, and only its weights and biases learn."""
    dropout: Fraction = 0.2
    two_sided: bool = False
    """Once trained, look at each picture and its mirror image and average: twice the work, some more right."""


class Ctc(Section):
    """An acoustic model: log-mel, convolutions, recurrent or attention layers, a distribution for each frame."""

    kind: Literal["ctc"]
    mels: Positive = 40
    channels: tuple[Positive, ...] = (64, 128)
    """Width of each convolution; each halves the number of frames (10 ms at first)."""
    context: Literal["gru", "attention"] = "gru"
    width: Positive = 96
    """Of each direction's state, or of the attention layers."""
    layers: Positive = 2
    heads: Positive = 4
    activation: ActivationName = "gelu"
    dropout: Fraction = 0.1


class Autoencoder(Section):
    """A fully connected network that gives back its input through a narrow code."""

    kind: Literal["autoencoder"]
    hidden: tuple[Positive, ...] = (64,)
    """Widths on the way to the code; the way back mirrors them."""
    code: Positive = 16
    activation: ActivationName = "relu"
    norm: NormName = "none"


NetworkSection = Annotated[Mlp | Cnn | Lite | Ctc | Autoencoder, Field(discriminator="kind")]


class Start(Section):
    """What the weights are before the first step."""

    initialiser: InitialiserName = "default"
    gain: float = Field(default=1.0, gt=0)
    """Factor on the initialiser's own scale."""
    encoder: Name | None = None
    """Recipe of an autoencoder whose encoder the first layers are taken from; it is trained first where it is not."""
    recipe: str | None = Field(default=None, min_length=1)
    """Recipe (a name or a `.toml` file) of the same network, data and seed, whose weights this one goes on from, with
    larger pictures or other blocks frozen perhaps; it is trained first where it is not."""


class LossSection(Section):
    """What is minimised."""

    kind: Literal["cross-entropy", "binary-cross-entropy", "l1", "l2", "huber", "ctc"] = "cross-entropy"
    label_smoothing: Fraction = 0.0
    l1: float = Field(default=0.0, ge=0)
    """Weight of the sum of the weights' magnitudes (biases and norms left out)."""


class Distillation(Section):
    """Learning from the answers of networks that are trained already, beside the labels.

    Source: Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network" (2015).
    """

    teachers: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    """Recipes (names or `.toml` files) on the same data and seed; each is trained first where it is not."""
    share: Fraction = 0.8
    """Of the target that is the mean of the teachers' probabilities; the rest is the label."""


class Optimise(Section):
    """How it is minimised."""

    optimiser: Literal["sgd", "adamw"] = "adamw"
    rate: float = Field(default=1e-3, gt=0)
    """Highest learning rate of the schedule."""
    bias_rate: float = Field(default=1.0, gt=0)
    """Factor on the rate of the norms' biases; where it is not 1 they decay at the pace of the weights."""
    momentum: Fraction = 0.9
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 regularisation of the weights (biases and norms left out)."""
    schedule: Literal["constant", "cosine", "one-cycle"] = "cosine"
    warmup: Fraction = 0.05
    """Fraction of all steps in which the rate rises."""
    epochs: Positive = 10
    batch: Positive = 64
    """Examples to a step, over all processes."""
    accumulate: Positive = 1
    """Parts that a step's batch is computed in, to save memory."""
    clip_norm: float | None = Field(default=None, gt=0)
    """Longest gradient, all weights together; longer ones are shortened."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of a running mean of the weights, which is then what is judged and kept; 0 for none."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of the forward pass on a GPU; on a CPU it is always fp32, which is faster there."""
    compile: bool = False
    """Let torch.compile fuse the network; needs a C++ compiler."""


class Augment(Section):
    """How training examples are varied; nothing of it touches validation or test."""

    flip: bool = False
    """Pictures: mirror half of them, and the other half in the next epoch."""
    shift_px: Annotated[int, Field(ge=0)] = 0
    """Pictures: move by up to so many pixels of the kept square, edges reflected."""
    input_px: Positive | None = None
    """Pictures: side that the network is trained at; None is `data.size_px`."""
    first_px: Positive | None = None
    """Pictures: side in the first epoch, from which it grows evenly to the training side, in steps of 32 pixels."""
    eval_px: Positive | None = None
    """Pictures: side that it is judged and served at; None is the training side."""
    randaugment: Annotated[int, Field(ge=0, le=4)] = 0
    """Pictures: so many random operations on each."""
    magnitude: Fraction = 0.3
    """Strength of these."""
    cutout_px: Annotated[int, Field(ge=0)] = 0
    """Pictures: grey square of this side at a random place."""
    mixup: float = Field(default=0.0, ge=0)
    """Pictures: Beta parameter of blending pairs; 0 for none."""
    cutmix: float = Field(default=0.0, ge=0)
    """Pictures: Beta parameter of pasting rectangles of another; 0 for none."""
    time_mask_s: float = Field(default=0.0, ge=0)
    """Speech: longest stretch of the spectrogram that is blanked (SpecAugment), twice."""
    mel_mask: Annotated[int, Field(ge=0)] = 0
    """Speech: most mel bands that are blanked, twice."""
    noise_db: float | None = None
    """Speech: loudest noise, in dB below the speech; mixed into half of the recordings."""
    speed: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Speech: faster or slower by up to this fraction."""
    room: Fraction = 0.0
    """Speech: fraction of recordings that get a room's echo."""
    joined: Annotated[int, Field(ge=1)] = 1
    """Speech: up to so many recordings one behind the other, with pauses, make an example."""
    wordless: Fraction = 0.0
    """Speech: fraction of examples that are noise, hum or silence with nothing to write."""


class Stop(Section):
    """When training ends before its last epoch."""

    patience: Positive | None = None
    """Epochs without a better validation figure; needs a validation part."""
    target: Fraction | None = None
    """A training accuracy that is enough, for studies of what fails to learn."""
    keep: Literal["best", "last"] = "best"
    """Epoch whose weights are kept: the best on validation, or the last, where too few examples are held out to tell
    one from the next."""


class Health(Section):
    """What is done about gradients that vanish or explode."""

    every: Positive = 20
    """Steps between two looks at the gradients and units."""
    trouble: Literal["warn", "stop", "ignore"] = "warn"
    """`ignore` is for studies that want to watch it; NaN ends a run in any case."""
