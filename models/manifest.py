"""What an artifact says of itself: `manifest.json`, read and written through these types.

The manifest is data only and never names code to import. Unknown fields are refused, so that a reader never
silently ignores what a newer writer meant. It does not know where artifacts lie (that is `models.store`).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

SCHEMA_VERSION = 1

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"
VERSION_PATTERN = r"^[1-9][0-9]{0,8}$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Version = Annotated[str, StringConstraints(pattern=VERSION_PATTERN)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Task = Literal["image-classification", "speech-recognition", "voice-activity-detection"]
Precision = Literal["fp32", "fp16", "int8"]


class Data(BaseModel):
    """A frozen record that refuses unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FileRef(Data):
    """One file of the artifact's folder: a bare name, so that no manifest can point outside of it."""

    file: FileName
    sha256: Sha256
    bytes: int = Field(ge=0)


class Tensor(Data):
    """One input or output of a graph; a symbolic dimension is a string (`["N", 224, 224, 3]`)."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


class Graph(Data):
    """The inputs and outputs of one graph (`model`, or `encoder` and `decoder`), the same in every variant."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


class Parity(Data):
    """How far a variant's outputs lie from PyTorch's, as the largest absolute difference by kind of input."""

    max_abs_diff: dict[str, float]
    tolerance: float


class Gate(Data):
    """An accuracy gate's verdict on a reduced-precision variant: both figures, on the same data.

    What it loses by a rate of right answers, or of errors, is given with the ends of its interval, each of which is
    missed in one case of twenty; null in artifacts from before there was one. It passes where `loss_high` is at most
    `margin`.
    """

    metric: str
    data: str
    count: int
    reference: float
    candidate: float
    margin: float
    is_passed: bool
    loss: float | None = None
    loss_low: float | None = None
    loss_high: float | None = None
    looks: int | None = Field(default=None, description="that the loss is of: several at each picture, or one")
    lost: int | None = Field(default=None, description="looks that only the full variant is right on")
    gained: int | None = Field(default=None, description="looks that only the reduced variant is right on")


class Variant(Data):
    """One precision of the model: its graphs by role, and what was measured of it."""

    precision: Precision
    opset: int
    files: dict[str, FileRef]
    golden_tolerance: float = Field(
        gt=0, description="largest absolute difference allowed when the service replays the golden vectors"
    )
    parity: Parity | None = None
    gate: Gate | None = None
    metrics: dict[str, float] = Field(default_factory=dict)


class ImagePreprocessing(Data):
    """Shorter side to `resize_px`, then the centre `crop_px` square (see `models.preprocess.fit`)."""

    kind: Literal["image"] = "image"
    resize_px: int = Field(gt=0)
    crop_px: int = Field(gt=0)
    interpolation: Literal["bicubic", "bilinear", "nearest"] = "bicubic"


class AudioPreprocessing(Data):
    """Mono float32 in −1…1 at `sample_rate_hz`, at most `window_s` seconds to a run."""

    kind: Literal["audio"] = "audio"
    sample_rate_hz: int = Field(gt=0)
    window_s: float = Field(gt=0)


class Provenance(Data):
    """Where the weights come from."""

    source: str
    weights_sha256: Sha256
    licence: str
    exporter: str
    date: date
    note: str = ""
    data: str = Field(default="", description="what the weights were trained on here, in words")


class Metric(Data):
    """One figure on one set of data (`top1` on `eval/images`, 125 items)."""

    metric: str
    value: float
    data: str
    count: int
    variant: str = "fp32"
    note: str = ""


class Calibration(Data):
    """What makes scores probabilities: the temperature (it is inside the graph already) and what to believe.

    Figures are of examples that nothing was fitted on, null where nobody measured; `…_before` is at temperature 1.
    """

    temperature: float = Field(gt=0)
    confident_score: float = Field(ge=0, le=1, description="a best score below it should not be believed")
    confident_peak: float | None = Field(
        default=None, description="nor one of scores with a lower peak (`models.postprocess.peak`)"
    )
    group_score: float | None = Field(default=None, ge=0, le=1, description="the same of a group's summed score")
    group_peak: float | None = None
    data: str
    ece: float = Field(ge=0, le=1, description="expected calibration error, in 15 equal intervals")
    ece_before: float | None = Field(default=None, ge=0, le=1)
    nll: float | None = Field(
        default=None, ge=0, description="mean negative natural log-likelihood of the right class"
    )
    nll_before: float | None = Field(default=None, ge=0)
    confident_share: float | None = Field(default=None, ge=0, le=1, description="of the examples, reach the score")
    confident_right: float | None = Field(default=None, ge=0, le=1, description="of those that reach it, are right")
    strange_share: float | None = Field(default=None, ge=0, le=1, description="of pictures of nothing, reach it")
    group_share: float | None = Field(default=None, ge=0, le=1, description="of the examples, have a group that does")
    group_right: float | None = Field(default=None, ge=0, le=1, description="of those groups, are right")
    strange_group_share: float | None = Field(default=None, ge=0, le=1)


class Manifest(Data):
    """`models/artifacts/<name>/<version>/manifest.json`; its presence means that the version is complete."""

    schema_version: Literal[1] = 1
    name: Name
    version: Version
    task: Task
    variants: dict[str, Variant] = Field(min_length=1)
    graphs: dict[str, Graph]
    preprocessing: Annotated[ImagePreprocessing | AudioPreprocessing, Field(discriminator="kind")]
    labels: FileRef | None = None
    tokenizer: FileRef | None = None
    golden: FileRef
    card: FileRef
    decoding: dict[str, str | int | float | bool | list[int] | list[list[int]]] = Field(default_factory=dict)
    provenance: Provenance
    metrics: tuple[Metric, ...] = ()
    calibration: Calibration | None = None
    uncalibrated: str = Field(default="", description="why there is no calibration, where one was to be made")
    withheld: str = Field(default="", description="why a smaller variant is not published, where one was made")

    @model_validator(mode="after")
    def _variants_hold_every_graph(self) -> Manifest:
        for name, variant in self.variants.items():
            if set(variant.files) != set(self.graphs):
                raise ValueError(f"variant {name} has files for {sorted(variant.files)}, not {sorted(self.graphs)}")
        return self

    def files(self, variant: str | None = None) -> tuple[FileRef, ...]:
        """Every file of the artifact, or those that serving one variant needs."""
        chosen = self.variants.values() if variant is None else [self.variants[variant]]
        graphs = [ref for each in chosen for ref in each.files.values()]
        shared = [ref for ref in (self.labels, self.tokenizer, self.golden, self.card) if ref is not None]
        return (*graphs, *shared)
