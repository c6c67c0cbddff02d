"""The full explanation of a score: stored as numbers, turned into sentences when it is read."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ml.domain.decision import Breakdown
from ml.explanation.sequence_reading import SequenceReading
from ml.explanation.term_texts import UNUSUAL, describe_unusual
from ml.features.schema import FEATURE_NAMES, FEATURES
from ml.model.terms import TERM_CODES, TERMS, term_value

TERM_FAMILY = "component"
"""Takes the place of a feature's family."""

_FEATURES_BY_NAME = {feature.name: feature for feature in FEATURES}


def stored_explanation(found: Mapping[str, Any], *, epoch_seconds: int) -> dict[str, Any]:
    """Returns the stored form of an explanation: numbers by name; the sentences are written when it is read.

    Args:
        found: `Findings.wire` after its way through the outbox, so with lists for arrays.
        epoch_seconds: the transaction's event time.

    Raises:
        KeyError, ValueError, TypeError: the findings are malformed.
    """
    try:
        return _named(found, epoch_seconds)
    except (IndexError, OverflowError) as error:
        raise ValueError(f"findings out of range: {error}") from error


def _named(found: Mapping[str, Any], epoch_seconds: int) -> dict[str, Any]:
    positions, expected, shares = _thirds(found["reconstruction"])
    reading = SequenceReading.decode(
        found["steps"],
        log_amounts=found["log_amounts"],
        log_gap_hours=found["log_gap_hours"],
        epoch_seconds=epoch_seconds,
    )
    return {
        "bias": float(found["bias"]),
        "vector": dict(zip(FEATURE_NAMES, map(float, found["vector"]), strict=True)),
        "contributions": dict(zip(FEATURE_NAMES, map(float, found["contributions"]), strict=True)),
        "terms": dict(zip(TERMS, map(float, found["terms"]), strict=True)),
        "sequence": reading.wire(),
        "reconstruction": {
            "features": [FEATURE_NAMES[int(position)] for position in positions],
            "expected": expected,
            "shares": shares,
        },
        "rarity": dict(found["rarity"]),
    }


def full_explanation(stored: Mapping[str, Any], breakdown: Mapping[str, float]) -> dict[str, Any]:
    """Returns every part of the score, the largest effect in either direction first, and the details of the terms.

    `bias` plus all contributions is `log_odds`; its sigmoid is the score. A feature that this code no longer knows
    gets its name and value as text. An explanation stored before scores had terms holds the parts of the tabular
    component alone, and its sum is called `tabular_log_odds`. All values are JSON-ready.

    Args:
        stored: as `stored_explanation` made it.
        breakdown: the decision's component scores.
    """
    vector, contributions = stored["vector"], stored["contributions"]
    features = [_feature_part(name, vector, contributions[name]) for name in contributions]
    if "terms" not in stored:
        total = math.fsum((stored["bias"], *contributions.values()))
        return {
            "bias": stored["bias"],
            "tabular_log_odds": total,
            "vector": vector,
            "contributions": _by_effect(features),
        }
    reading, unusual = SequenceReading(**stored["sequence"]), _unusual(stored)
    texts = {term: describe_unusual(term, stored["rarity"], least_expected=_worst_text(unusual)) for term in UNUSUAL}
    texts["sequence"] = reading.describe()
    components = Breakdown(**breakdown)
    terms = [
        {
            "feature": term,
            "family": TERM_FAMILY,
            "code": TERM_CODES[term],
            "value": term_value(term, components),
            "contribution": contribution,
            "text": texts[term],
        }
        for term, contribution in stored["terms"].items()
    ]
    return {
        "bias": stored["bias"],
        "log_odds": math.fsum((stored["bias"], *contributions.values(), *stored["terms"].values())),
        "vector": vector,
        "contributions": _by_effect([*features, *terms]),
        "sequence": _sequence(reading),
        "unusual": unusual,
    }


def _by_effect(parts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns parts by absolute contribution; equal ones keep their order, as reasons do."""
    return sorted(parts, key=lambda part: -abs(part["contribution"]))


def _feature_part(name: str, vector: Mapping[str, float], contribution: float) -> dict[str, Any]:
    feature = _FEATURES_BY_NAME.get(name)
    return {
        "feature": name,
        "family": feature.family if feature else None,
        "code": feature.reason_code if feature else None,
        "value": vector[name],
        "contribution": contribution,
        "text": _text(name, vector),
    }


def _text(name: str, vector: Mapping[str, float]) -> str:
    feature = _FEATURES_BY_NAME.get(name)
    if feature is not None:
        # An older schema may lack a feature that this one compares with.
        with suppress(KeyError):
            return feature.describe(vector[name], vector)
    return f"{name} is {vector[name]:g}"


def _sequence(reading: SequenceReading) -> dict[str, Any]:
    steps = zip(reading.at, reading.amount, reading.log_odds[-len(reading.at) :], reading.rises(), strict=True)
    return {
        "lowest": min(reading.log_odds),
        "log_odds": reading.log_odds[-1],
        "decisive": reading.decisive(),
        "text": reading.describe(),
        "steps": [
            {"at": _rfc3339(at), "amount": amount, "log_odds": log_odds, "rise": rise}
            for at, amount, log_odds, rise in steps
        ],
    }


def _rfc3339(epoch_seconds: int | None) -> str | None:
    if epoch_seconds is None:
        return None
    return datetime.fromtimestamp(epoch_seconds, UTC).isoformat().replace("+00:00", "Z")


def _unusual(stored: Mapping[str, Any]) -> dict[str, Any]:
    vector, rebuilt = stored["vector"], stored["reconstruction"]
    worst = [
        {"feature": name, "value": vector[name], "expected": expected, "share": share, "text": _text(name, vector)}
        for name, expected, share in zip(rebuilt["features"], rebuilt["expected"], rebuilt["shares"], strict=True)
    ]
    return {
        "anomaly": {"rarer_than": stored["rarity"]["anomaly"]},
        "autoencoder": {"rarer_than": stored["rarity"]["autoencoder"], "least_expected": worst},
    }


def _worst_text(unusual: Mapping[str, Any]) -> str:
    return str(unusual["autoencoder"]["least_expected"][0]["text"])


def _thirds(values: Sequence[float]) -> tuple[list[float], list[float], list[float]]:
    if not values or len(values) % 3:
        raise ValueError("a reconstruction holds three numbers a feature")
    third = len(values) // 3
    first, second, last = (list(map(float, values[third * part : third * (part + 1)])) for part in range(3))
    return first, second, last
