"""Reasons for a score, on the request path: from the exact parts of its log-odds to sentences."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.domain.decision import Breakdown, Reason
from ml.explanation.findings import Findings
from ml.explanation.sequence_reading import SequenceReading
from ml.explanation.term_texts import describe_unusual
from ml.features.schema import FEATURE_COUNT, FEATURE_NAMES, FEATURES
from ml.model.terms import TERM_CODES, TERMS, term_value

REASON_LIMIT = 3
_INDEX = {name: index for index, name in enumerate(FEATURE_NAMES)}
_CODES = (*(feature.reason_code for feature in FEATURES), *(TERM_CODES[term] for term in TERMS))


class _Named(Mapping[str, float]):
    """A vector by feature name; building a dictionary of every feature for three sentences costs more than they do."""

    def __init__(self, values: list[float]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> float:
        return self._values[_INDEX[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(FEATURE_NAMES)

    def __len__(self) -> int:
        return len(FEATURE_NAMES)


def top_reasons(
    found: Findings, breakdown: Breakdown, *, epoch_seconds: int, limit: int = REASON_LIMIT
) -> tuple[Reason, ...]:
    """Returns the strongest parts that push towards fraud, the strongest first, one per reason code.

    A part is a feature or a term of `ml.model.terms`; a term's name stands where a feature's would.

    Args:
        found: the model's findings.
        breakdown: the component scores.
        epoch_seconds: the transaction's event time.
        limit: most reasons to return; fewer come back if fewer reason codes push towards fraud.
    """
    strengths = np.concatenate((found.contributions, found.terms))
    values = found.vector.tolist()
    named = _Named(values)
    reasons = []
    for code, index in _strongest(strengths, limit).items():
        if index < FEATURE_COUNT:
            name, value = FEATURE_NAMES[index], values[index]
            text = FEATURES[index].describe(value, named)
        else:
            name = TERMS[index - FEATURE_COUNT]
            value = term_value(name, breakdown)
            text = _term_text(name, found, named, epoch_seconds=epoch_seconds)
        reasons.append(Reason(code, name, round(value, 6), round(float(strengths[index]), 6), text))
    return tuple(reasons)


def _strongest(strengths: NDArray[np.floating[Any]], limit: int) -> dict[str, int]:
    """Returns the position of the strongest positive part of each of the strongest codes."""
    chosen: dict[str, int] = {}
    for index in (-strengths).argsort(kind="stable").tolist():
        if strengths[index] <= 0.0 or len(chosen) == limit:
            break
        chosen.setdefault(_CODES[index], index)
    return chosen


def _term_text(name: str, found: Findings, named: Mapping[str, float], *, epoch_seconds: int) -> str:
    if name == "sequence":
        return SequenceReading.decode(
            found.steps.tolist(),
            log_amounts=found.log_amounts.tolist(),
            log_gap_hours=found.log_gap_hours.tolist(),
            epoch_seconds=epoch_seconds,
        ).describe()
    worst = FEATURES[int(found.reconstruction[0])]
    return describe_unusual(name, found.rarity, least_expected=worst.describe(named[worst.name], named))
