"""Puts the report together: the numbers, the figures, and the page around them."""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ml.features.schema import FEATURE_NAMES, FEATURES
from ml.model.fusion import COMPONENTS
from ml.model.terms import TERMS
from ml.policy.thresholds import OperatingPoint, operating_point
from ml.training.report.ablation import REMOVALS, quality_without
from ml.training.report.cost import DecisionCost
from ml.training.report.reliability import reliability
from ml.training.report.stability import shifts
from ml.training.tracking_mlflow import flatten
from ml.training.trained_model import Evidence, TrainedModel

_TEMPLATE = Path(__file__).with_name("report.html.jinja")
_DECILES = tuple((np.arange(11) / 10).tolist())
_CAPACITIES = (10, 20, 50, 100, 200, 500, 1000)
_FEATURES_DRAWN = 20
_SHIFTS_DRAWN = 12
_FAMILY_TITLES: Mapping[str, str] = {
    "amount_time": "amount and time",
    "customer_velocity": "customer velocity",
    "customer_norm": "customer's own norm",
    "terminal_velocity": "terminal velocity",
    "terminal_risk": "terminal fraud risk",
    "novelty": "new terminal, device, country",
}
_TERM_TITLES: Mapping[str, str] = {
    "sequence": "sequence component",
    "anomaly": "anomaly component",
    "autoencoder": "autoencoder component",
    "novelty": "novelty term",
}
_FAMILIES = {
    **{feature.name: _FAMILY_TITLES.get(feature.family, feature.family) for feature in FEATURES},
    **dict.fromkeys(_TERM_TITLES.values(), "other components"),
}


def render_report(trained: TrainedModel) -> bytes:
    """Returns the report of a trained model as one HTML page in UTF-8, well under 1 MB.

    The page names no version, because the version comes into being with this file among its content; it names the
    SHA-256 of the graph, which the manifest of the version holds too.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": _number, "share": _share, "moment": _moment}
    return environment.from_string(_TEMPLATE.read_text("utf-8")).render(_content(trained)).encode()


def _content(trained: TrainedModel) -> dict[str, Any]:
    """Returns what the template names, section by section."""
    from ml.training.report.figures import COMPONENT_TITLES

    measurement = trained.measurement
    return {
        "titles": COMPONENT_TITLES,
        "record": trained.record,
        "graph_sha256": hashlib.sha256(trained.graph).hexdigest(),
        "warnings": trained.record.get("warnings", ()),
        "measured_on": measurement.slice,
        "span_days": trained.evidence.span_days,
        "quality": measurement.quality,
        "fused": measurement.quality["score"],
        "novelty_share": trained.record["fusion"]["novelty_share"],
        "settings": flatten(trained.record.get("settings", {})),
        **_decisions(trained),
        **_ranking(trained),
        **_calibration(trained),
        **_components(trained),
        **_features(trained),
    }


def _decisions(trained: TrainedModel) -> dict[str, Any]:
    from ml.training.report.figures import costs

    evidence, thresholds = trained.evidence, trained.thresholds
    labels, scores = evidence.measured.labels, evidence.measured.outputs["score"]
    cost = DecisionCost(labels, scores, evidence.amounts, trained.policy, evidence.span_days)
    fraud_amount = float(evidence.amounts[labels == 1].sum())
    caught = {
        name: float(evidence.amounts[(labels == 1) & (scores >= point.threshold)].sum())
        for name, point in (("review", trained.measurement.review), ("decline", trained.measurement.decline))
    }
    return {
        "policy": trained.policy,
        "points": {"review": trained.measurement.review, "decline": trained.measurement.decline},
        "caught_amount": {name: amount / fraud_amount if fraud_amount else math.nan for name, amount in caught.items()},
        "cost_chosen": cost.per_day(thresholds.review, thresholds.decline),
        "cost_of_nothing": cost.of_doing_nothing(),
        "capacities": _capacities(evidence),
        "cost_figure": costs(cost, thresholds),
    }


def _capacities(evidence: Evidence) -> list[OperatingPoint]:
    """Returns what looking at the highest N payments a day would catch."""
    labels, scores = evidence.measured.labels, evidence.measured.outputs["score"]
    ranked = np.sort(scores)[::-1]
    places = (round(capacity * evidence.span_days) for capacity in _CAPACITIES)
    return [
        operating_point(float(ranked[place - 1]), labels=labels, scores=scores, days=evidence.span_days)
        for place in places
        if 0 < place <= len(ranked)
    ]


def _ranking(trained: TrainedModel) -> dict[str, Any]:
    from ml.training.report.figures import distribution, ranking

    evidence = trained.evidence
    labels = evidence.measured.labels[evidence.is_ranked]
    outputs = {name: values[evidence.is_ranked] for name, values in evidence.measured.outputs.items()}
    is_drawable = 0 < int(labels.sum()) < len(labels)
    return {
        "ranking_figure": ranking(labels, outputs, trained.measurement.quality) if is_drawable else None,
        "distribution_figure": distribution(
            evidence.measured.labels, evidence.measured.outputs["score"], trained.thresholds
        ),
    }


def _calibration(trained: TrainedModel) -> dict[str, Any]:
    from ml.training.report.figures import calibration

    measured = trained.evidence.measured
    bins = reliability(measured.labels, measured.outputs["score"])
    return {
        "bins": bins,
        "calibration_figure": calibration(reliability(measured.labels, measured.outputs["score"], _DECILES), bins),
    }


def _components(trained: TrainedModel) -> dict[str, Any]:
    from ml.training.report.figures import COMPONENT_TITLES, ablation

    quality = trained.measurement.quality
    alone = {name: quality[name] for name in COMPONENTS}
    without = {removed: quality_without(trained.evidence, removed) for removed in REMOVALS}
    titles = {removed: " and ".join(COMPONENT_TITLES[name] for name in removed) for removed in REMOVALS}
    return {
        "without": {titles[removed]: figures for removed, figures in without.items()},
        "ablation_figure": ablation(
            {COMPONENT_TITLES[name]: figures.average_precision for name, figures in alone.items()},
            {titles[removed]: figures.average_precision for removed, figures in without.items()},
            quality["score"].average_precision,
        ),
    }


def _features(trained: TrainedModel) -> dict[str, Any]:
    from ml.training.report.figures import importance, stability

    shares = _importance(trained.evidence)
    moved = shifts(trained)
    strongest = sorted(moved[1:], key=lambda shift: -shares[shift.name])[: _SHIFTS_DRAWN - 1]
    by_family: Counter[str] = Counter()
    for name, share in shares.items():
        by_family[_FAMILIES[name]] += share  # type: ignore[assignment] # Counter adds floats as well
    return {
        "importance": shares,
        "families": _FAMILIES,
        "shifts": sorted(moved, key=lambda shift: -shift.index),
        "importance_figure": importance(dict(by_family.most_common()), dict(list(shares.items())[:_FEATURES_DRAWN])),
        "stability_figure": stability([moved[0], *strongest]),
    }


def _importance(evidence: Evidence) -> dict[str, float]:
    """Returns each feature's and each term's share of all that moves scores, the largest first."""
    parts = np.concatenate([evidence.contributions, evidence.terms])
    shares = (parts / max(float(parts.sum()), np.finfo(float).tiny)).tolist()
    names = (*FEATURE_NAMES, *(_TERM_TITLES[term] for term in TERMS))
    return {names[place]: shares[place] for place in np.argsort(-parts, kind="stable")}


def _number(value: float, digits: int = 3) -> str:
    """Returns a figure as text; one that is undefined is n/a.

    >>> _number(1234.5, 1), _number(float("nan"))
    ('1,234.5', 'n/a')
    """
    return f"{value:,.{digits}f}" if math.isfinite(value) else "n/a"


def _share(value: float, digits: int = 1) -> str:
    """Returns a share in per cent; one that is undefined is n/a.

    >>> _share(0.5), _share(float("nan"))
    ('50.0 %', 'n/a')
    """
    return f"{100 * value:.{digits}f} %" if math.isfinite(value) else "n/a"


def _moment(text: str) -> str:
    """Returns an ISO time for people.

    >>> _moment("2026-03-01T00:00:00+00:00")
    '1 Mar 2026 00:00'
    """
    moment = datetime.fromisoformat(text)
    return f"{moment.day} {moment:%b %Y %H:%M}"
