"""The parts of a score that belong to no single feature: the terms the other components add to its log-odds."""

from ml.domain.decision import Breakdown

TERMS = ("sequence", "anomaly", "autoencoder", "novelty")
"""Order of a score's terms.

`sequence`, `anomaly` and `autoencoder` are those components' log-odds times their weight; `novelty` is what the noisy
OR of the fusion adds to the stack of all components. All count from the median legitimate payment (`ml.model.fusion`).
"""

TERM_CODES = {
    "sequence": "UNUSUAL_ORDER",
    "anomaly": "UNUSUAL_PAYMENT",
    "autoencoder": "UNUSUAL_PAYMENT",
    "novelty": "UNUSUAL_PAYMENT",
}
"""Reason code of each term."""


def term_value(term: str, breakdown: Breakdown) -> float:
    """Returns the value that stands beside a term: its component's score; for `novelty` the higher of those behind it.

    >>> term_value("novelty", Breakdown(tabular=0.1, anomaly=0.7, autoencoder=0.9, sequence=0.2))
    0.9
    """
    if term == "novelty":
        return max(breakdown.anomaly, breakdown.autoencoder)
    return float(getattr(breakdown, term))
