"""Reasons for a score, on the request path: from the tabular component's exact contributions to sentences."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.decision import Reason
from ml.features.schema import FEATURE_NAMES, FEATURES

REASON_LIMIT = 3
_INDEX = {name: index for index, name in enumerate(FEATURE_NAMES)}


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
    vector: NDArray[np.floating[Any]], contributions: NDArray[np.floating[Any]], limit: int = REASON_LIMIT
) -> tuple[Reason, ...]:
    """Returns the strongest features that push towards fraud, the strongest first, one per reason code.

    Args:
        vector: the features [F] in schema order.
        contributions: their log-odds contributions [F].
        limit: most reasons to return; fewer come back if fewer reason codes push towards fraud.
    """
    strengths = contributions.tolist()
    chosen: dict[str, int] = {}
    for index in reversed(contributions.argsort(kind="stable").tolist()):
        if strengths[index] <= 0.0 or len(chosen) == limit:
            break
        chosen.setdefault(FEATURES[index].reason_code, index)
    values = vector.tolist()
    named = _Named(values)
    return tuple(
        Reason(
            code=code,
            feature=FEATURE_NAMES[index],
            value=round(values[index], 6),
            contribution=round(strengths[index], 6),
            text=FEATURES[index].describe(values[index], named),
        )
        for code, index in chosen.items()
    )
