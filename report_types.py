"""The versioned ``TestReport``: what a run says, section by section.

Owns: the types only. Pure modules fill them, ``storage`` keeps them, ``api_handler`` returns them,
``reports`` and the views draw them; nobody computes a number a second time. JSON-serialisable
without loss: no NaN or infinity, but ``null`` beside a reason.

``SCHEMA_VERSION`` grows by one whenever a field is removed, renamed or changes its meaning; adding
an optional field does not change it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, field_serializer

from base_types import Cell, Estimate, Histogram, Section, Status, TypedModel
from composition_types import Composition, FoundBundle
from diagnosis_types import Diagnosis, EnvironmentChoice, EnvironmentUse, VersionComparison
from drift_types import DriftSection
from group_types import GroupComparison
from load_types import LoadTest
from model_types import ModelFileInfo, ModelInfo
from opinion_types import SecondOpinion
from policy_types import Policy
from quality_types import QualityDetails
from reach_types import Reach
from schema_utils import Schema
from validation_types import ValidationSection
from word_types import TextExplanation

SCHEMA_VERSION = 1


class Stage(StrEnum):
    """Stages of a run, in order."""

    INSPECT = "inspect"
    LOAD = "load"
    SCHEMA = "schema"
    DATA = "data"
    PERFORMANCE = "performance"
    QUALITY = "quality"
    BEHAVIOUR = "behaviour"
    DRIFT = "drift"
    EXPLAIN = "explain"
    VERDICT = "verdict"
    SAVE = "save"


class RunStatus(StrEnum):
    """Life of a run."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    ERROR = "error"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def is_final(self) -> bool:
        """Whether the run will not change any more."""
        return self not in (RunStatus.QUEUED, RunStatus.RUNNING)


class Verdict(StrEnum):
    """Answer of a check or of a whole run."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


# --- configuration ---------------------------------------------------------------------------


class RunConfig(TypedModel):
    """Everything that decides the numbers of a run; the same config gives the same numbers."""

    n_rows: int = Field(default=1000, ge=10, le=1_000_000, description="Rows to test on")
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    target: str | None = Field(default=None, description="Target column of the sample")
    targets: list[str] = Field(
        default_factory=list, description="Target columns of a model with several outputs, in order"
    )
    weight_column: str | None = Field(
        default=None, description="What each row of the sample counts for; no input of the model"
    )
    stages: list[Stage] = Field(
        default_factory=lambda: list(Stage), description="Stages to run; the others are skipped"
    )
    batch_sizes: list[int] = Field(default_factory=lambda: [1, 10, 100, 1_000, 10_000])
    latency_seconds: float = Field(default=0.25, gt=0, le=60, description="Budget per batch size")
    load_rate: float | None = Field(
        default=None, gt=0, description="Calls per second to compute response times at"
    )
    load_p99_ms: float | None = Field(
        default=None, gt=0, description="Limit of p99; 10 times the median call by default"
    )
    load_seconds: float = Field(
        default=0.0,
        ge=0,
        le=600,
        description="Budget for memory growth, GC, input form and several processes at once",
    )
    load_workers: int = Field(
        default=4, ge=1, le=32, description="Most processes of the model called at once"
    )
    monotone: dict[str, Literal["up", "down"]] = Field(
        default_factory=dict, description="Columns with which the answer may only rise or fall"
    )
    invariant: list[str] = Field(
        default_factory=list, description="Columns that must not change the answer"
    )
    symmetric: list[tuple[str, str]] = Field(
        default_factory=list, description="Pairs of columns that may be swapped"
    )
    group_column: str | None = Field(
        default=None, description="Groups to compare, an input or another column of the sample"
    )
    cost_false_positive: float | None = Field(
        default=None, ge=0, description="With cost_false_negative: choose the cheapest threshold"
    )
    cost_false_negative: float | None = Field(default=None, ge=0)
    class_names: dict[str, str] = Field(
        default_factory=dict, description="Names for the model's classes, by the model's own label"
    )
    n_resamples: int = Field(default=1000, ge=100, le=10_000, description="Bootstrap resamples")
    drift_severities: list[float] = Field(
        default_factory=lambda: [0.25, 0.5, 1.0, 2.0], description="Multiples of a scenario's unit"
    )
    drift_repetitions: int = Field(
        default=0, ge=0, le=1000, description="Fresh draws to count how often each test notices"
    )
    explain_seconds: float = Field(default=3.0, gt=0, le=300)
    time_limit_seconds: float = Field(default=600.0, gt=0, le=7200)
    positive_class: str | None = Field(default=None, description="Binary: the class that counts")
    thresholds: dict[str, float] = Field(
        default_factory=dict, description="Overrides of verdict thresholds by name"
    )


class RunRequest(TypedModel):
    """What a run is made from: stored files by SHA-256, a schema given by hand, the config."""

    model_sha256: str
    model_name: str
    sample_sha256: str | None = None
    sample_name: str | None = None
    hand_schema: Schema | None = Field(default=None, description="Schema edited on the page")
    json_schema: Schema | None = Field(default=None, description="Schema uploaded as JSON")
    config: RunConfig = Field(default_factory=RunConfig)
    labels: dict[str, str] = Field(
        default_factory=dict, description="Labels of the run itself: commit, branch, note …"
    )
    source: Literal["dashboard", "api", "client"] = "dashboard"
    policy: Literal["strict", "standard"] | None = Field(
        default=None, description="Stricter policy than the server's; cannot loosen it"
    )
    gate: Policy | None = Field(default=None, description="What the run must keep; see policy")
    baseline: str | None = Field(
        default=None, description="Run id, branch:NAME or label:NAME=VALUE to compare with"
    )
    composition: Composition | None = Field(
        default=None, description="How the parts of the file belong together, corrected by hand"
    )
    environment: EnvironmentChoice = Field(
        default="auto", description="Where the model runs: present, matching, or both (compare)"
    )
    purpose: Literal["test", "preview"] = Field(
        default="test", description="A preview reads file and schema for the page; never listed"
    )

    @field_serializer("hand_schema", "json_schema")
    def _keep_what_was_said(self, schema: Schema | None) -> dict[str, Any] | None:
        """Leave out what nobody said: a default must not win over the sample when read back."""
        return None if schema is None else schema.model_dump(mode="json", exclude_unset=True)


# --- model and data --------------------------------------------------------------------------


class ModelSection(Section):
    """The file and the model in it."""

    file: ModelFileInfo | None = None
    info: ModelInfo | None = None
    bundle: FoundBundle | None = Field(
        default=None, description="How the parts of a file that holds several were put together"
    )
    load_ms: float | None = None
    isolation: str = Field(default="", description="full or partial, with what is missing")
    policy: str = Field(default="", description="strict, standard or custom; what was in force")
    approval: str | None = Field(
        default=None, description="Who let the file run code of its own, when and why"
    )
    diagnosis: Diagnosis | None = Field(default=None, description="Told before loading")
    environment: EnvironmentUse | None = Field(default=None, description="Which one answered")
    versions: VersionComparison | None = Field(default=None, description="Where asked for")
    warnings: list[str] = Field(default_factory=list)


class SchemaSection(Section):
    """The schema used and what it was made from."""

    data_schema: Schema | None = None
    sources: list[str] = Field(default_factory=list)
    sample_columns: list[str] = Field(default_factory=list, description="Header of the sample")
    warnings: list[str] = Field(default_factory=list)


class ColumnSummary(TypedModel):
    """One column of the data the model was tested on."""

    name: str
    kind: str
    n_missing: int = 0
    n_unique: int = 0
    mean: float | None = None
    std: float | None = None
    minimum: float | None = None
    median: float | None = None
    maximum: float | None = None
    first: str | None = Field(default=None, description="Of dates: the earliest")
    last: str | None = Field(default=None, description="Of dates: the latest")
    histogram: Histogram = Field(default_factory=Histogram)


class DataSection(Section):
    """The rows the model was tested on."""

    source: Literal["sample", "synthetic", "none"] = "none"
    name: str | None = None
    n_rows: int = 0
    n_sample_rows: int | None = Field(default=None, description="Rows of the uploaded sample")
    sha256: str | None = Field(default=None, description="Of the uploaded sample")
    artifact: str | None = Field(default=None, description="SHA-256 of the stored CSV")
    target: str | None = None
    columns: list[ColumnSummary] = Field(default_factory=list)
    reach: Reach | None = Field(default=None, description="Synthetic rows: what they visit")
    preview: list[dict[str, Cell]] = Field(default_factory=list, description="First 20 rows")
    warnings: list[str] = Field(default_factory=list)


# --- performance -----------------------------------------------------------------------------


class BatchPoint(TypedModel):
    """Speed at one batch size."""

    batch_size: int
    n_calls: int
    p50_ms: float
    p95_ms: float | None = None
    rows_per_second: float
    us_per_row: float


class FailingRow(TypedModel):
    """A row on which the model raised."""

    row: int
    error: str
    values: dict[str, Cell] = Field(default_factory=dict)


class PerformanceSection(Section):
    """T9: how fast the model answers and on which rows it fails."""

    cold_call_ms: float | None = None
    n_calls: int = 0
    warmup_calls: int = 0
    percentiles_ms: dict[str, Estimate] = Field(
        default_factory=dict, description="p50, p90, p95, p99, max of single-row calls"
    )
    undisturbed_p95_ms: float | None = None
    disturbed_share: float | None = None
    other_cores: float | None = Field(
        default=None, description="Cores kept busy by other work during the timing, on average"
    )
    single_row_histogram: Histogram = Field(default_factory=Histogram, description="ms")
    batches: list[BatchPoint] = Field(default_factory=list)
    best_rows_per_second: float | None = None
    peak_memory_mb: float | None = None
    n_rows_tried: int = 0
    n_rows_failed: int = 0
    error_rate: Estimate = Field(default_factory=Estimate)
    failing_rows: list[FailingRow] = Field(default_factory=list, description="At most 20")
    threads: int | None = None
    load: LoadTest | None = Field(default=None, description="How it stands load")
    protocol: str = Field(default="", description="How it was measured, one sentence")
    notes: list[str] = Field(default_factory=list)


# --- quality ---------------------------------------------------------------------------------


class Metric(TypedModel):
    """One quality metric with its interval and its trivial baseline."""

    name: str = Field(description="scikit-learn's name, e.g. balanced_accuracy")
    estimate: Estimate
    baseline: float | None = Field(default=None, description="The same metric of a trivial model")
    baseline_name: str | None = None
    higher_is_better: bool = True


class ClassRow(TypedModel):
    """Per-class precision, recall and F1."""

    label: str
    support: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float | None


class Curve(TypedModel):
    """Points of a curve, at most 200."""

    name: str
    x: list[float]
    y: list[float]
    thresholds: list[float | None] = Field(default_factory=list)


class CalibrationBin(TypedModel):
    """Mean predicted probability against observed frequency, with its 95 % Wilson interval."""

    n: int
    predicted: float
    observed: float
    low: float
    high: float


class ThresholdPoint(TypedModel):
    """What a binary classifier does at one decision threshold."""

    threshold: float
    precision: float | None
    recall: float | None
    f1: float | None
    predicted_positive_share: float


class Slice(TypedModel):
    """A part of the data where the model is worse than elsewhere."""

    description: str = Field(description="e.g. age > 60.5")
    feature: str
    n: int
    share: float
    metric: str
    value: Estimate
    rest: float | None = Field(default=None, description="The metric on the other rows")
    p_value: float | None = None
    p_adjusted: float | None = None
    confirmed: bool = False


class QualitySection(Section):
    """T10: how right the model is where labels exist, and what it predicts where not."""

    has_labels: bool = False
    n_rows: int = 0
    labels_from: str | None = None
    positive_class: str | None = None
    metrics: list[Metric] = Field(default_factory=list)
    classes: list[str] = Field(default_factory=list)
    confusion: list[list[int]] | None = Field(default=None, description="rows true, columns pred")
    per_class: list[ClassRow] = Field(default_factory=list)
    roc: list[Curve] = Field(default_factory=list)
    precision_recall: list[Curve] = Field(default_factory=list)
    calibration: list[CalibrationBin] = Field(default_factory=list)
    expected_calibration_error: float | None = None
    thresholds: list[ThresholdPoint] = Field(default_factory=list)
    residuals: Histogram | None = None
    predicted_vs_actual: list[tuple[float, float]] = Field(
        default_factory=list, description="At most 1,000 (y_true, y_pred) pairs"
    )
    slices: list[Slice] = Field(default_factory=list)
    slices_note: str | None = None
    prediction_distribution: Histogram = Field(default_factory=Histogram)
    actual_distribution: Histogram | None = None
    confidence_distribution: Histogram | None = None
    details: QualityDetails | None = Field(default=None, description="Beyond metrics")
    groups: GroupComparison | None = Field(
        default=None, description="Whether groups of a column are treated alike"
    )
    answers_artifact: str | None = Field(
        default=None, description="SHA-256 of the stored answers per row, for paired comparisons"
    )
    notes: list[str] = Field(default_factory=list)


# --- behaviour -------------------------------------------------------------------------------


class BehaviourVerdict(StrEnum):
    """What a model did with an odd input."""

    HANDLED = "handled"  # answered sensibly, or the property holds
    CLEAR_ERROR = "clear error"  # refused with an exception that says why
    SILENT = "silent"  # answered as if nothing were wrong
    BROKEN = "broken"  # crashed, hung, or the property does not hold
    SKIPPED = "not applicable"


class BehaviourCase(TypedModel):
    """One odd input: what was sent, what came back."""

    id: str
    group: Literal["consistency", "values", "structure", "robustness"]
    title: str
    sent: str
    came_back: str
    verdict: BehaviourVerdict
    why: str = ""
    affected_share: float | None = Field(default=None, description="Share of rows that changed")


class NoisePoint(TypedModel):
    """How often noise of a given size changes the answer."""

    noise: float = Field(description="In standard deviations of each column")
    flipped_share: Estimate = Field(description="Classes: share of rows with another label")
    mean_change: float | None = Field(default=None, description="Numbers: mean |change| / std")


class BehaviourSection(Section):
    """T11: what the model does with odd input."""

    cases: list[BehaviourCase] = Field(default_factory=list)
    noise: list[NoisePoint] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


# --- explanations ----------------------------------------------------------------------------


class FeatureImportance(TypedModel):
    """Mean |contribution| of one raw column to one output."""

    feature: str
    importance: float
    error: float | None = Field(default=None, description="Standard error; None when exact")
    share: float
    direction: float | None = Field(
        default=None, description="Rank correlation of value and contribution, numeric columns"
    )
    rank: int
    tied_with_next: bool = False
    clear: bool = Field(default=True, description="Larger than two standard errors")


class OutputExplanation(TypedModel):
    """Contributions to one output (a class or a target)."""

    output: str
    base_value: float
    importance: list[FeatureImportance]
    values: list[list[float]] = Field(description="(rows, columns) contributions")
    predictions: list[float] = Field(description="Explained output per row, in the same space")
    errors: list[list[float]] | None = None


class ExplanationSection(Section):
    """T14: why the model answers as it does, in the user's own columns."""

    method: Literal["linear", "tree", "enumerated", "sampled"] | None = None
    exact: bool = False
    space: str = Field(default="", description="probability, log-odds, score, prediction …")
    columns: list[str] = Field(default_factory=list)
    rows: list[dict[str, Cell]] = Field(default_factory=list, description="Explained raw rows")
    row_numbers: list[int] = Field(
        default_factory=list, description="Their positions in the tested data, from 0"
    )
    outputs: list[OutputExplanation] = Field(default_factory=list)
    background_rows: int = 0
    n_model_calls: int = Field(default=0, description="Rows sent to the model")
    seconds_used: float = 0.0
    relative_error: float | None = None
    additivity_gap: float | None = Field(
        default=None, description="max |base + sum - output| / scale"
    )
    background_numbers: list[int] = Field(
        default_factory=list, description="Rows of the tested data that stand for an ordinary row"
    )
    answers: list[Cell] = Field(default_factory=list, description="What the model says per row")
    actual: list[Cell] = Field(default_factory=list, description="The true answer per row")
    classes: list[str] = Field(default_factory=list, description="Columns of probabilities")
    probabilities: list[list[float]] = Field(default_factory=list, description="(rows, classes)")
    opinion: SecondOpinion | None = None
    texts: list[TextExplanation] = Field(
        default_factory=list, description="Text columns by word, one entry per column and output"
    )
    notes: list[str] = Field(default_factory=list)


# --- verdict and report ----------------------------------------------------------------------


class Check(TypedModel):
    """One line of the verdict."""

    id: str
    section: str
    title: str
    verdict: Verdict
    value: float | None = None
    unit: str = ""
    threshold: float | None = None
    comparison: Literal["<=", ">=", "==", ""] = ""
    threshold_source: str = ""
    reason: str


class VerdictSection(Section):
    """pass, warn or fail, with the reasons."""

    verdict: Verdict = Verdict.SKIP
    summary: str = ""
    checks: list[Check] = Field(default_factory=list)


class GateResult(TypedModel):
    """What a policy says about a run; separate from the product's own verdict."""

    verdict: Verdict
    summary: str
    checks: list[Check] = Field(description="One per limit, failed first")
    policy: Policy
    baseline: str | None = Field(default=None, description="What was asked for")
    baseline_run_id: str | None = Field(default=None, description="The run it was, if any")
    notes: list[str] = Field(default_factory=list)


class StageRecord(TypedModel):
    """What became of one stage."""

    stage: Stage
    status: Status
    reason: str | None = None
    seconds: float = 0.0


class Environment(TypedModel):
    """Where the numbers were made."""

    product_version: str = ""
    python: str = ""
    platform: str = ""
    cpu: str = ""
    n_cpus: int | None = None
    load_average: float | None = None
    libraries: dict[str, str] = Field(default_factory=dict)
    worker: dict[str, Any] = Field(default_factory=dict, description="Isolation, limits, versions")


class TestReport(TypedModel):
    """Everything one run found."""

    __test__ = False  # the name begins with Test, but pytest must not collect it

    schema_version: int = SCHEMA_VERSION
    run_id: str
    status: RunStatus = RunStatus.RUNNING
    created_at: datetime
    finished_at: datetime | None = None
    verdict: VerdictSection = Field(default_factory=VerdictSection)
    gate: GateResult | None = Field(default=None, description="Only where a policy was given")
    stages: list[StageRecord] = Field(default_factory=list)
    model: ModelSection = Field(default_factory=ModelSection)
    schema_: SchemaSection = Field(default_factory=SchemaSection, alias="schema")
    data: DataSection = Field(default_factory=DataSection)
    validation: ValidationSection | None = Field(
        default=None, description="Check of the uploaded sample, if there is one"
    )
    performance: PerformanceSection = Field(default_factory=PerformanceSection)
    quality: QualitySection = Field(default_factory=QualitySection)
    behaviour: BehaviourSection = Field(default_factory=BehaviourSection)
    drift: DriftSection = Field(default_factory=DriftSection)
    explanations: ExplanationSection = Field(default_factory=ExplanationSection)
    environment: Environment = Field(default_factory=Environment)
    config: RunConfig = Field(default_factory=RunConfig)
