"""How well scores rank frauds: ROC AUC, average precision, Brier score (scikit-learn's), and card precision@k."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CARDS_PER_DAY = 100
"""k of card precision: the cards investigators can check in a day."""

Labels = NDArray[np.integer[Any]]
Scores = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class CardPrecision:
    """Mean share of truly compromised cards among the k highest of each day, and the value of perfect scores."""

    value: float
    ceiling: float


@dataclass(frozen=True, slots=True)
class Quality:
    """Ranking and calibration quality on one slice; `base_rate` is the share of frauds."""

    rows: int
    frauds: int
    auc: float
    average_precision: float
    card_precision: CardPrecision
    brier: float

    @property
    def base_rate(self) -> float:
        """The average precision of random scores."""
        return self.frauds / self.rows if self.rows else float("nan")

    def figures(self) -> dict[str, float]:
        """Returns the figures by name, as listings and MLflow show them; an undefined one is left out."""
        values = {
            "average_precision": self.average_precision,
            "auc": self.auc,
            "card_precision_100": self.card_precision.value,
            "card_precision_100_ceiling": self.card_precision.ceiling,
            "brier": self.brier,
            "base_rate": self.base_rate,
        }
        return {name: value for name, value in values.items() if math.isfinite(value)}


def roc_auc(labels: Labels, scores: Scores) -> float:
    """Returns the probability that a fraud scores above a legitimate row, ties counting half; NaN for one class.

    >>> roc_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores)) if 0 < labels.sum() < len(labels) else float("nan")


def average_precision(labels: Labels, scores: Scores) -> float:
    """Returns the step-wise area under the precision-recall curve, without interpolation; NaN without frauds.

    >>> round(average_precision(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])), 4)
    0.8333
    """
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(labels, scores)) if labels.any() else float("nan")


def brier_score(labels: Labels, scores: Scores) -> float:
    """Returns the mean squared distance of probabilities from outcomes; NaN without rows.

    >>> brier_score(np.array([1, 0]), np.array([1.0, 0.5]))
    0.125
    """
    from sklearn.metrics import brier_score_loss

    return float(brier_score_loss(labels, scores, pos_label=1)) if len(labels) else float("nan")


def card_precision(
    labels: Labels,
    scores: Scores,
    *,
    customers: NDArray[np.integer[Any]],
    days: NDArray[np.integer[Any]],
    k: int = CARDS_PER_DAY,
) -> CardPrecision:
    """Returns the mean over days of (compromised cards among the day's top k) / k.

    A card scores its highest transaction of the day, and once detected it is not looked at again; cards of equal score
    rank by customer code. Source: Le Borgne et al., "Reproducible Machine Learning for Credit Card Fraud Detection",
    section "Card Precision top-k".

    >>> labels, scores = np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.1, 0.2])
    >>> card_precision(labels, scores, customers=np.array([7, 8, 9, 8]), days=np.array([0, 0, 1, 1]), k=1)
    CardPrecision(value=0.5, ceiling=1.0)
    """
    if not len(labels):
        return CardPrecision(float("nan"), float("nan"))
    return CardPrecision(
        value=_mean_daily_precision(labels, scores, customers, days, k),
        ceiling=_mean_daily_precision(labels, labels.astype(np.float64), customers, days, k),
    )


def _mean_daily_precision(labels: Labels, scores: Scores, customers: NDArray[Any], days: NDArray[Any], k: int) -> float:
    detected = np.zeros(int(customers.max()) + 1, dtype=bool)
    precisions = []
    for day in np.unique(days):
        rows = np.flatnonzero((days == day) & ~detected[customers])
        cards, position = np.unique(customers[rows], return_inverse=True)
        highest, compromised = np.full(len(cards), -np.inf), np.zeros(len(cards), dtype=bool)
        np.maximum.at(highest, position, scores[rows])
        np.logical_or.at(compromised, position, labels[rows] == 1)
        top = np.argsort(-highest, kind="stable")[:k]
        found = cards[top[compromised[top]]]
        detected[found] = True
        precisions.append(len(found) / k)
    return float(np.mean(precisions))


def known_compromised(
    *,
    customers: NDArray[np.integer[Any]],
    moments: NDArray[np.integer[Any]],
    frauds: tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]],
    since: int,
) -> NDArray[np.bool_]:
    """Returns whether each row belongs to a customer whose fraud became known before the row's day began.

    Such cards are blocked, so they count neither for nor against a score. Source: Le Borgne et al., "Reproducible
    Machine Learning for Credit Card Fraud Detection", chapter 3: what was fraud on a day is known once that day and
    the delay are over.

    Args:
        customers: customer codes [N].
        moments: starts of the rows' days, epoch seconds [N].
        frauds: customer codes and the times their frauds became known.
        since: frauds that became known before this are forgotten.

    >>> customers, moments = np.array([1, 1, 2]), np.array([50, 90, 90])
    >>> frauds = (np.array([1]), np.array([60]))
    >>> known_compromised(customers=customers, moments=moments, frauds=frauds, since=0).tolist()
    [False, True, False]
    """
    fraud_customers, known_at = frauds
    recent = known_at >= since
    count = int(max(customers.max(initial=0), fraud_customers.max(initial=0))) + 1
    first_known = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first_known, fraud_customers[recent], known_at[recent])
    return np.asarray(first_known[customers] < moments)


def measure(
    labels: Labels, scores: Scores, *, customers: NDArray[np.integer[Any]], days: NDArray[np.integer[Any]]
) -> Quality:
    """Returns every quality figure of one slice."""
    return Quality(
        rows=len(labels),
        frauds=int(labels.sum()),
        auc=roc_auc(labels, scores),
        average_precision=average_precision(labels, scores),
        card_precision=card_precision(labels, scores, customers=customers, days=days),
        brier=brier_score(labels, scores),
    )
