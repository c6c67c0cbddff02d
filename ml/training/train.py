"""Trains the hybrid model: four components, their fusion, thresholds, and the record of how it was done.

Three slices in time order. The components are fitted on the first; on the second, which they have not seen, boosting
stops, the fusion learns how far to trust each component, the result is calibrated and thresholds are set. Then the
supervised components are fitted once more, now on both slices, because the newest days are worth the most; trees,
fusion, calibration and thresholds stay as they are. The third slice, after the labels' delay, is only measured on.

Thresholds and drift reference describe scores of unseen rows, so they are taken from the first fit: the second fit has
learnt the calibration slice.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ml.data.table import FRAUD, TransactionTable
from ml.domain.amounts import UNITS_PER_CURRENCY_UNIT
from ml.domain.decision import Thresholds
from ml.domain.durations import DAY_SECONDS
from ml.domain.errors import ArtifactError
from ml.features.habit import HABIT_COLUMNS
from ml.features.schema import FEATURE_NAMES, SEQUENCE_CHANNELS, SEQUENCE_LENGTH, schema_hash
from ml.model.autoencoder import fit_autoencoder
from ml.model.export import Components, export_components, export_model
from ml.model.fusion import COMPONENTS, Fusion, fit_fusion, sigmoid
from ml.model.gradient_boosting import BoostingSettings, fit_gradient_boosting
from ml.model.isolation_forest import fit_isolation_forest
from ml.model.sequence import SequenceModel, fit_sequence_model
from ml.model.unusualness import fit_unusualness
from ml.policy.thresholds import ThresholdPolicy, choose_thresholds, operating_point
from ml.registry.code_version import code_version
from ml.serving.runtime import PROBABILITIES
from ml.training.drift import Reference
from ml.training.evaluation import known_compromised, measure
from ml.training.rows import LabelledRows, TrainingRows, constant_features, load_rows
from ml.training.trained_model import Evidence, Golden, Measurement, ScoredRows, TrainedModel
from ml.training.window import TrainingWindow

GOLDEN_ROWS = 16
COMPROMISED_MEMORY_SECONDS = 7 * DAY_SECONDS
"""Cards whose fraud became known this long before an evaluation, or during it, are left out of it."""

EXPORT_TOLERANCE = 1e-5
"""Largest difference, as a probability, between a trained component and its place in the graph."""

_COMPARED_ROWS = 10_000
_SEQUENCE_SHAPE = (SEQUENCE_LENGTH, len(SEQUENCE_CHANNELS))
_CHUNK_ROWS = 4096  # bounds the memory of one run of the graph
_MAP_ROWS = 50_000  # legitimate rows behind the quantiles of an unsupervised component

Progress = Callable[[str, float], None]
"""Called with a stage's name and the finished share of that stage, in [0, 1]."""

Outputs = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class TrainingSettings:
    """How to train; the same data, settings and machine give the same bytes of model.onnx.

    Attributes:
        seed: of every random choice.
        threads: of the gradient boosting.
        boosting: hyper-parameters of the tabular component; `trees` is the most it may grow.
        autoencoder_epochs, sequence_epochs: passes over the training rows.
        policy: how thresholds are chosen.
    """

    seed: int = 0
    threads: int = 2
    boosting: BoostingSettings = field(default_factory=lambda: BoostingSettings(trees=300))
    autoencoder_epochs: int = 6
    sequence_epochs: int = 10
    policy: ThresholdPolicy = field(default_factory=ThresholdPolicy)


def train(
    table: TransactionTable,
    *,
    window: TrainingWindow,
    settings: TrainingSettings | None = None,
    rows: TrainingRows | None = None,
    progress: Progress = lambda _stage, _share: None,
) -> TrainedModel:
    """Trains on the window's rows of a table that also holds the history before them.

    Args:
        table: the transactions; those from the window's end on are not looked at.
        window: the slices.
        settings: how to train.
        rows: the window's rows of this table, for a caller that has loaded them already; default: loaded here.
        progress: called at every stage.

    Raises:
        DataError: too few days, no labels, no frauds or one class only, or a feature that is not finite.
        ArtifactError: the exported graph does not score as the trained components do.
    """
    settings = settings or TrainingSettings()
    table = table.between(0, window.evaluation_end)
    if rows is None:
        progress("features", 0.0)
        rows = load_rows(table, window)
        progress("features", 1.0)
    first = _fit_components(rows, settings, progress)
    progress("fusion", 0.0)
    fusion = _fit_fusion(first, rows.calibration)
    first_graph = _export(first, fusion, rows.calibration)
    calibrated = _run(first_graph, rows.calibration)
    progress("fusion", 1.0)
    components = _refit(first, rows, settings, progress)
    graph = _export(components, fusion, rows.calibration)
    thresholds = choose_thresholds(
        settings.policy,
        mean_fraud_amount=_mean_fraud_amount(table, rows),
        scores=calibrated["score"],
        days=rows.calibration.days,
    )
    progress("evaluation", 0.0)
    measurement, evidence = _measure(
        # Without a later slice only the first fit can be measured: the second has seen all rows.
        graph if len(rows.evaluation) else first_graph,
        table,
        rows=rows,
        window=window,
        thresholds=thresholds,
        calibration=ScoredRows(rows.calibration.labels, {name: calibrated[name] for name in PROBABILITIES}),
    )
    progress("evaluation", 1.0)
    return TrainedModel(
        graph=graph,
        thresholds=thresholds,
        policy=settings.policy,
        measurement=measurement,
        reference=Reference.of(FEATURE_NAMES, rows.calibration.vectors, calibrated["score"]),
        golden=_golden(graph, rows.calibration, calibrated["score"]),
        record=_record(rows, window, settings) | {"trees": components.tabular.tree_count, "fusion": fusion.wire()},
        evidence=evidence,
    )


def _fit_components(rows: TrainingRows, settings: TrainingSettings, progress: Progress) -> Components:
    fit = rows.fit
    progress("gradient boosting", 0.0)
    tabular = fit_gradient_boosting(
        fit.vectors,
        fit.labels,
        validation=(rows.calibration.vectors, rows.calibration.labels),
        settings=settings.boosting,
        seed=settings.seed,
        threads=settings.threads,
        after_tree=lambda tree: progress("gradient boosting", tree / settings.boosting.trees),
    )
    progress("gradient boosting", 1.0)
    progress("isolation forest", 0.0)
    anomaly = fit_isolation_forest(fit.vectors, columns=HABIT_COLUMNS, seed=settings.seed)
    progress("isolation forest", 1.0)
    legitimate = fit.vectors[fit.labels != FRAUD]
    progress("autoencoder", 0.0)
    autoencoder = fit_autoencoder(
        legitimate,
        columns=HABIT_COLUMNS,
        epochs=settings.autoencoder_epochs,
        seed=settings.seed,
        after_epoch=lambda epoch: progress("autoencoder", epoch / settings.autoencoder_epochs),
    )
    progress("sequence", 0.0)
    sequence = _fit_sequence(fit, settings, lambda share: progress("sequence", share))
    sample = legitimate[-_MAP_ROWS:]
    return Components(
        tabular=tabular,
        anomaly=anomaly,
        anomaly_map=fit_unusualness(anomaly.scores(sample)),
        autoencoder=autoencoder,
        autoencoder_map=fit_unusualness(autoencoder.log_errors(sample)),
        sequence=sequence,
    )


def _refit(first: Components, rows: TrainingRows, settings: TrainingSettings, progress: Progress) -> Components:
    """Fits the supervised components on both slices, with as many trees as were best for the later one.

    The unsupervised ones stay: usual payments do not change in a week.
    """
    both, trees = rows.fit.joined(rows.calibration), first.tabular.tree_count
    progress("refit", 0.0)
    tabular = fit_gradient_boosting(
        both.vectors,
        both.labels,
        settings=replace(settings.boosting, trees=trees),
        seed=settings.seed,
        threads=settings.threads,
        after_tree=lambda tree: progress("refit", 0.5 * tree / trees),
    )
    sequence = _fit_sequence(both, settings, lambda share: progress("refit", 0.5 + 0.5 * share))
    return replace(first, tabular=tabular, sequence=sequence)


def _fit_sequence(rows: LabelledRows, settings: TrainingSettings, progress: Callable[[float], None]) -> SequenceModel:
    return fit_sequence_model(
        rows.sequences,
        rows.labels,
        epochs=settings.sequence_epochs,
        seed=settings.seed,
        after_epoch=lambda epoch: progress(epoch / settings.sequence_epochs),
    )


def _fit_fusion(components: Components, calibration: LabelledRows) -> Fusion:
    """Fits the fusion on the served graph's outputs, not on those of the native models."""
    parts = export_components(components, sequence_shape=_SEQUENCE_SHAPE)
    return fit_fusion(_run(parts, calibration)["log_odds"], calibration.labels)


def _export(components: Components, fusion: Fusion, sample: LabelledRows) -> bytes:
    """Returns the whole graph.

    Compares it with the libraries that trained it: a new release of one may change what its trees mean.

    Raises:
        ArtifactError: they differ on the sample.
    """
    metadata = {"feature_schema": schema_hash()}
    graph = export_model(components, fusion, sequence_shape=_SEQUENCE_SHAPE, metadata=metadata)
    compared = sample.first(_COMPARED_ROWS)
    native, served = components.log_odds(compared.vectors, compared.sequences), _run(graph, compared)
    # As probabilities: where those are near 0 or 1, log-odds are free to differ.
    expected = dict(zip(COMPONENTS, sigmoid(native).T, strict=True)) | {"score": fusion.scores(native)}
    for name, probabilities in expected.items():
        difference = np.abs(probabilities - served[name]).max()
        if not difference <= EXPORT_TOLERANCE:
            message = f"the exported {name} component differs from the trained one by {difference:.2g}"
            raise ArtifactError("format", message)
    return graph


def _run(graph: bytes, rows: LabelledRows) -> Outputs:
    """Returns every output of a graph over all rows."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    chunks = [
        session.run(
            names,
            {
                "vectors": rows.vectors[start : start + _CHUNK_ROWS],
                "sequences": rows.sequences[start : start + _CHUNK_ROWS],
            },
        )
        for start in range(0, len(rows), _CHUNK_ROWS)
    ]
    return {name: np.concatenate(parts) for name, parts in zip(names, zip(*chunks, strict=True), strict=True)}


def _mean_fraud_amount(table: TransactionTable, rows: TrainingRows) -> float:
    """Returns the mean amount of the training frauds in currency units."""
    training = np.concatenate([rows.fit.rows, rows.calibration.rows])
    frauds = training[table.is_fraud[training] == FRAUD]
    return float(table.amount_units[frauds].mean() / UNITS_PER_CURRENCY_UNIT)


def _measure(
    graph: bytes,
    table: TransactionTable,
    *,
    rows: TrainingRows,
    window: TrainingWindow,
    thresholds: Thresholds,
    calibration: ScoredRows,
) -> tuple[Measurement, Evidence]:
    later = len(rows.evaluation) > 0
    measured, start = (rows.evaluation, window.as_of) if later else (rows.calibration, window.calibration_start)
    outputs = _run(graph, measured)
    days = (table.epoch_seconds[measured.rows] - start) // DAY_SECONDS
    chosen = ~_blocked(table, measured.rows, start + days * DAY_SECONDS, start - COMPROMISED_MEMORY_SECONDS)
    customers = table.customer_id.codes[measured.rows]
    quality = {
        name: measure(
            measured.labels[chosen],
            outputs[name][chosen].astype(np.float64),
            customers=customers[chosen],
            days=days[chosen],
        )
        for name in PROBABILITIES
    }
    review, decline = (
        operating_point(threshold, labels=measured.labels, scores=outputs["score"], days=measured.days)
        for threshold in (thresholds.review, thresholds.decline)
    )
    evidence = Evidence(
        measured=ScoredRows(measured.labels, {name: outputs[name] for name in PROBABILITIES}),
        calibration=calibration,
        vectors=measured.vectors,
        contributions=np.abs(outputs["contributions"]).mean(axis=0, dtype=np.float64),
        terms=np.abs(outputs["terms"]).mean(axis=0, dtype=np.float64),
        amounts=table.amount_units[measured.rows] / UNITS_PER_CURRENCY_UNIT,
        customers=customers,
        days=days,
        is_ranked=chosen,
        span_days=measured.days,
    )
    return Measurement("evaluation" if later else "calibration", quality, review, decline), evidence


def _blocked(
    table: TransactionTable, rows: NDArray[np.intp], moments: NDArray[np.int64], since: int
) -> NDArray[np.bool_]:
    frauds = np.flatnonzero(table.is_fraud == FRAUD)
    return known_compromised(
        customers=table.customer_id.codes[rows],
        moments=moments,
        frauds=(table.customer_id.codes[frauds], table.label_known_at[frauds]),
        since=since,
    )


def _golden(graph: bytes, rows: LabelledRows, scores: NDArray[np.float32]) -> Golden:
    """Returns rows spread over the slice's range of scores, with the graph's outputs."""
    order = np.argsort(scores, kind="stable")
    chosen = rows.select(order[np.linspace(0, len(order) - 1, min(GOLDEN_ROWS, len(order))).astype(np.intp)])
    outputs = _run(graph, chosen)
    return Golden(chosen.vectors, chosen.sequences, {name: outputs[name] for name in PROBABILITIES})


def _record(rows: TrainingRows, window: TrainingWindow, settings: TrainingSettings) -> dict[str, Any]:
    return {
        "window": window.wire(),
        "rows": {name: len(getattr(rows, name)) for name in ("fit", "calibration", "evaluation")},
        "frauds": {name: getattr(rows, name).frauds for name in ("fit", "calibration", "evaluation")},
        "code_version": code_version(),
        "feature_schema": schema_hash(),
        "settings": asdict(settings),
        "warnings": list(_warnings(rows)),
        "libraries": {name: version(name) for name in ("numpy", "onnxruntime", "scikit-learn", "torch", "xgboost-cpu")},
    }


def _warnings(rows: TrainingRows) -> Iterator[str]:
    """Yields sentences about problems that do not stop a training but should be known."""
    constant = constant_features(rows.fit)
    if constant:
        yield (
            f"{len(constant)} of {len(FEATURE_NAMES)} features hold one value in every row and tell nothing apart; "
            f"their columns may be missing in the data: {', '.join(constant)}."
        )
    if not len(rows.evaluation):
        yield (
            "There are no evaluation days: what is expected was measured on the calibration slice, which flatters, "
            "with the components as they were before their last fit."
        )
