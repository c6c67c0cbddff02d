"""The full explanation of a score: kept as numbers, told in sentences when it is read."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ml.features.schema import FEATURE_NAMES, FEATURES

_FEATURES_BY_NAME = {feature.name: feature for feature in FEATURES}


def stored_explanation(vector: Sequence[float], contributions: Sequence[float], *, bias: float) -> dict[str, Any]:
    """Returns what is kept of an explanation: numbers by feature name; the sentences are written when it is read."""
    return {
        "bias": float(bias),
        "vector": dict(zip(FEATURE_NAMES, map(float, vector), strict=True)),
        "contributions": dict(zip(FEATURE_NAMES, map(float, contributions), strict=True)),
    }


def full_explanation(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Returns every feature's part in the tabular score, the largest effect in either direction first.

    `bias` plus all contributions is `tabular_log_odds`; its sigmoid is the tabular component's score. A feature that
    this code no longer knows is told by its name and value alone. All values are JSON-ready.

    Args:
        stored: as `stored_explanation` made it.
    """
    vector, contributions = stored["vector"], stored["contributions"]
    place = {name: index for index, name in enumerate(contributions)}
    order = sorted(contributions, key=lambda name: (-abs(contributions[name]), -place[name]))
    return {
        "bias": stored["bias"],
        "tabular_log_odds": math.fsum((stored["bias"], *contributions.values())),
        "vector": vector,
        "contributions": [_told(name, vector, contributions[name]) for name in order],
    }


def _told(name: str, vector: Mapping[str, float], contribution: float) -> dict[str, Any]:
    feature, value = _FEATURES_BY_NAME.get(name), vector[name]
    return {
        "feature": name,
        "family": feature.family if feature else None,
        "code": feature.reason_code if feature else None,
        "value": value,
        "contribution": contribution,
        "text": feature.describe(value, vector) if feature else f"{name} is {value:g}",
    }
