"""The sections of a detector's recipe. Sections that text shares are in `../sections.py`, the kinds in `kinds.py`.

Left out: whether the named files exist and hold the named columns, which is checked when the data is read.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ...runtime.policy import AlarmPolicy
from ..section import Section
from .kinds import AnyKind, Kind


class DetectionTask(Section):
    """Tells a detector's recipe from a text's."""

    kind: Literal["anomaly-detection"]


class Samples(Section):
    """Rows of numbers, sessions of events, or texts: a file, or built in (`breast-cancer`, `bearings`, `motion`)."""

    kind: Literal["table", "series", "events", "windows", "texts"] = Field(
        default="table",
        description="table: rows in any order; series: in order of time; events: a session of ids a line; windows: each"
        " row is a window of one channel; texts: a column of texts, or a text a line; window counts their tokens",
    )
    train: str = Field(description="CSV, TSV, JSON Lines, Parquet, file.npz::array, or a built-in name")
    test: str | None = Field(default=None, description="else the training file is split")
    label: str | None = Field(default=None, description="column that tells anomalies; of an .npz: file.npz::array")
    test_label: str | None = Field(default=None, description="the same of the test file, where it is another")
    normal: tuple[str, ...] = Field(default=("0",), description="labels that mean normal; all others are anomalies")
    features: tuple[str, ...] = Field(default=(), description="columns to use; if none: all but label and time")
    time: str | None = Field(default=None, description="column of the time, in seconds or ISO 8601")
    label_windows: str | None = Field(default=None, description="JSON of anomalous spans of time by file, as NAB's")
    window: int = Field(default=1, ge=1, description="samples that are scored together")
    stride: int = Field(default=1, ge=1, description="of training windows")
    train_share: float = Field(default=0.4, gt=0, lt=1, description="of the normal rows, or of a series' start")
    calibrate_share: float = Field(default=0.1, gt=0, lt=1, description="of the normal rows, for the threshold")
    regime: Literal["normals", "contaminated"] = Field(
        default="normals", description="whether anomalies are taken out of the training rows, where labels tell them"
    )
    constant: Literal["error", "keep"] = Field(default="error", description="what to do with a constant column")
    limit: int | None = Field(default=None, ge=8, description="use only this many rows, drawn by the seed")


class Alarms(Section):
    """When scores become an alarm."""

    method: Literal["conformal", "best-f1", "pot"] = "conformal"
    false_alarms: float = Field(default=0.01, gt=0, lt=1, description="of normal samples, asked of the threshold")
    count: int = Field(default=1, ge=1, description="an alarm needs this many scores above the threshold ...")
    of: int = Field(default=1, ge=1, description="... of this many in a row")
    gap: int = Field(default=0, ge=0, description="fewest samples between two alarms")

    @model_validator(mode="after")
    def _count_fits(self) -> Alarms:
        if self.count > self.of:
            raise ValueError(f"{self.count} of {self.of} scores cannot be above the threshold: make count at most of")
        return self

    @property
    def policy(self) -> AlarmPolicy:
        """As the runtime takes it."""
        return AlarmPolicy(self.count, self.of, self.gap)


class Stream(Section):
    """What the device does with missing values and gaps."""

    missing: Literal["refuse", "hold", "typical"] = "refuse"
    largest_gap: int | None = Field(default=None, ge=0, description="samples; after a longer gap a window starts anew")
    period_seconds: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _gap_has_a_period(self) -> Stream:
        if self.largest_gap is not None and self.period_seconds is None:
            raise ValueError("largest_gap is counted in samples of period_seconds: give that too")
        return self


class DistilDetector(Section):
    """A small network that learns the detector's scores, and is shipped in its place if it passes the gate."""

    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(64, 32), min_length=1)


class QuantizeDetector(Section):
    """`precisions` is fp32 and, where 8 bits make sense, int8, unless given. `training` fine-tunes a dense
    autoencoder for int8."""

    precisions: tuple[Literal["fp32", "int8"], ...] | None = Field(default=None, min_length=1)
    training: bool = False
    activations: Literal["dynamic", "static"] = Field(
        default="dynamic",
        description="of a dense autoencoder's int8 TFLite file: in each sample's own ranges, or in ranges fixed by the"
        " training rows, for chips that multiply integers alone",
    )


class DetectorExport(Section):
    """Which files to make."""

    formats: tuple[Literal["onnx", "tflite"], ...] = Field(default=("onnx", "tflite"), min_length=1)
    opset: int = Field(default=18, ge=18, le=23)
    metadata: bool = Field(default=True, description="what TFLite files say of themselves, where uv is installed")


class DetectorLimits(Section):
    """What every exported file must keep, compared with the torch detector on the held-out samples."""

    score_difference: float = Field(default=1e-4, gt=0, description="largest relative one of an fp32 file's scores")
    rank: float = Field(default=0.98, ge=-1, le=1, description="least Spearman correlation of an int8 file's scores")
    flips: float = Field(default=0.01, ge=0, le=1, description="largest share of normal samples decided otherwise")


class DetectorBenchmark(Section):
    """How the last stage measures."""

    threads: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(1,), min_length=1)
    rounds: int = Field(default=20, ge=3, description="interleaved blocks of each subject")
    repeats: int = Field(default=50, ge=1, description="timed calls in a block")
    samples: int = Field(default=200, ge=1, description="held-out samples that are scored one by one")
    cold_rounds: int = Field(default=5, ge=1, description="fresh processes of each subject")


class DetectorRecipe(Section):
    """All sections of a detector's recipe."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    seed: int = Field(default=1, ge=0)
    task: DetectionTask
    data: Samples
    detector: AnyKind
    distill: DistilDetector | None = None
    quantize: QuantizeDetector = QuantizeDetector()
    export: DetectorExport = DetectorExport()
    alarms: Alarms = Alarms()
    stream: Stream = Stream()
    limits: DetectorLimits = DetectorLimits()
    benchmark: DetectorBenchmark = DetectorBenchmark()

    @property
    def precisions(self) -> tuple[str, ...]:
        """Of the files that are made."""
        fitting = ("fp32", "int8") if self.detector.int8 or self.distill is not None else ("fp32",)
        return self.quantize.precisions or fitting

    @model_validator(mode="after")
    def _data_fits_the_detector(self) -> DetectorRecipe:
        kind: Kind = self.detector
        name = self.detector.kind
        if self.data.kind not in kind.reads:
            needed = " or ".join(kind.reads)
            raise ValueError(f"detector {name} reads data.kind {needed}, but data.kind is {self.data.kind}")
        if self.distill is not None and self.data.kind in ("events", "texts"):
            raise ValueError(f"distill learns from numbers, but data.kind is {self.data.kind}: leave distill out")
        if self.data.kind != "windows" and self.data.window < kind.fewest:
            raise ValueError(
                f"detector {name} needs data.window of at least {kind.fewest}, this recipe has {self.data.window}"
            )
        return self

    @model_validator(mode="after")
    def _eight_bits_make_sense(self) -> DetectorRecipe:
        if "int8" in self.precisions and not self.detector.int8 and self.distill is None:
            raise ValueError(
                f"detector {self.detector.kind} holds statistics that must stay float: leave int8 out of"
                " quantize.precisions, or give distill to train a small network that can be int8"
            )
        if self.quantize.training and self.detector.kind != "dense-autoencoder":
            raise ValueError(f"quantize.training is for a dense-autoencoder, not {self.detector.kind}: leave it out")
        return self

    @model_validator(mode="after")
    def _ranges_can_be_fixed(self) -> DetectorRecipe:
        if self.quantize.activations == "dynamic":
            return self
        if self.detector.kind != "dense-autoencoder" or self.distill is not None:
            what = self.detector.kind if self.distill is None else "a distilled network"
            raise ValueError(
                f"quantize.activations: static is for a dense-autoencoder, not {what}: its score would have 256 values;"
                " leave it out"
            )
        if "tflite" not in self.export.formats or "int8" not in self.precisions:
            raise ValueError(
                "quantize.activations: static is of an int8 TFLite file, and this recipe makes none: leave it out"
            )
        if self.quantize.training:
            raise ValueError(
                "quantize.training learns with each sample's own ranges, quantize.activations: static fixes them: leave"
                " one of the two out"
            )
        return self

    @model_validator(mode="after")
    def _tables_have_no_windows(self) -> DetectorRecipe:
        if self.data.kind == "table" and self.data.window != 1:
            raise ValueError(f"data.window is {self.data.window} but a table has no order: set data.kind: series")
        return self
