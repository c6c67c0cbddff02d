"""A trained model and the files of its version directory."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from ml.domain.decision import Thresholds
from ml.features.schema import FEATURES, SEQUENCE_CHANNELS, SEQUENCE_LENGTH, schema_hash
from ml.policy.thresholds import OperatingPoint, ThresholdPolicy
from ml.serving.runtime import PROBABILITIES
from ml.training.drift import Reference
from ml.training.evaluation import Quality


@dataclass(frozen=True)
class Golden:
    """Input rows and the graph's outputs for them at training time."""

    vectors: NDArray[np.float32]
    sequences: NDArray[np.float32]
    outputs: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Measurement:
    """How good the model is on rows it was not fitted on.

    Attributes:
        slice: `evaluation`, on which the released graph was measured; or `calibration` if there was no later slice:
            then the figures are those of the first fit, which had not seen these rows, and flatter the fusion.
        quality: by component, and of the fused `score`.
        review, decline: what acting at each threshold would have done on that slice.
    """

    slice: str
    quality: Mapping[str, Quality]
    review: OperatingPoint
    decline: OperatingPoint


@dataclass(frozen=True)
class ScoredRows:
    """Labelled rows and the graph's outputs for them.

    Attributes:
        labels: 0 or 1 [N].
        outputs: the graph's probabilities [N] by name.
    """

    labels: NDArray[np.int8]
    outputs: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Evidence:
    """The rows behind a measurement, for the report; no file of the version holds them.

    Attributes:
        measured: the measured slice, N rows.
        calibration: the rows that the fusion was fitted on, with the outputs of the first fit, which had not seen them.
        vectors: features of the measured rows [N, F].
        contributions: mean absolute contribution of each feature on the measured rows, log-odds [F].
        terms: the same of each term, in the order of `ml.model.terms.TERMS` [4].
        amounts: of the measured rows, currency units [N].
        customers: customer code of each measured row [N].
        days: day of each measured row, counted from the slice's start [N].
        is_ranked: whether a measured row belongs to a card that was not known to be compromised [N]; `Quality` looks
            at these alone, an operating point at all.
        span_days: length of the measured slice.
    """

    measured: ScoredRows
    calibration: ScoredRows
    vectors: NDArray[np.float32]
    contributions: NDArray[np.float64]
    terms: NDArray[np.float64]
    amounts: NDArray[np.float64]
    customers: NDArray[np.int32]
    days: NDArray[np.int64]
    is_ranked: NDArray[np.bool_]
    span_days: float


@dataclass(frozen=True)
class TrainedModel:
    """The result of a training.

    Attributes:
        graph: the ONNX model.
        thresholds: where decisions change.
        policy: why they are there.
        measurement: how good it is.
        reference: distributions for the drift check.
        golden: rows with known outputs.
        record: window, rows, parameters and seed, JSON-ready.
        evidence: the rows behind the measurement.
    """

    graph: bytes
    thresholds: Thresholds
    policy: ThresholdPolicy
    measurement: Measurement
    reference: Reference
    golden: Golden
    record: Mapping[str, Any]
    evidence: Evidence

    def summary(self) -> dict[str, float]:
        """Returns the fused score's figures by name; one that is undefined on its slice is left out."""
        quality, review, decline = self.measurement.quality["score"], self.measurement.review, self.measurement.decline
        points = {
            "review_threshold": review.threshold,
            "review_precision": review.precision,
            "review_recall": review.recall,
            "decline_threshold": decline.threshold,
            "decline_precision": decline.precision,
            "decline_recall": decline.recall,
        }
        return quality.figures() | {name: value for name, value in points.items() if math.isfinite(value)}

    def files(self) -> dict[str, bytes]:
        """Returns the content of the version directory by file name."""
        return {
            "model.onnx": self.graph,
            "features.json": _json(_features()),
            "thresholds.json": _json(
                {
                    "review": self.thresholds.review,
                    "decline": self.thresholds.decline,
                    "policy": asdict(self.policy),
                    "expected": {
                        "review": asdict(self.measurement.review),
                        "decline": asdict(self.measurement.decline),
                    },
                }
            ),
            "reference.json": self.reference.to_json(),
            "metrics.json": _json(
                {
                    "measured_on": self.measurement.slice,
                    "summary": self.summary(),
                    "components": {name: asdict(quality) for name, quality in self.measurement.quality.items()},
                }
            ),
            "training.json": _json(dict(self.record)),
            "golden.json": _json(
                {
                    "vectors": self.golden.vectors.tolist(),
                    "sequences": self.golden.sequences.tolist(),
                    "expected": {name: self.golden.outputs[name].tolist() for name in PROBABILITIES},
                }
            ),
        }


def _features() -> dict[str, Any]:
    return {
        "schema_hash": schema_hash(),
        "features": [{"name": f.name, "family": f.family, "reason_code": f.reason_code} for f in FEATURES],
        "sequence_length": SEQUENCE_LENGTH,
        "sequence_channels": list(SEQUENCE_CHANNELS),
    }


def _json(content: dict[str, Any]) -> bytes:
    # Undefined figures (NaN) become null.
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
