"""Sentences for the terms of a score, where no single feature is the reason."""

from collections.abc import Callable, Mapping

Rarities = Mapping[str, float]
"""Shares of legitimate payments that are less unusual, by unsupervised component: see `ml.model.rarity`."""


def describe_unusual(term: str, rarity: Rarities, *, least_expected: str) -> str:
    """Returns the sentence of the term `anomaly`, `autoencoder` or `novelty`.

    Args:
        term: its name.
        rarity: how rare the payment is to both unsupervised components.
        least_expected: the sentence of the feature that the autoencoder rebuilt worst.
    """
    return _TEXTS[term](rarity, least_expected)


def _anomaly(rarity: Rarities, _: str) -> str:
    return f"the payment as a whole is {_more_unusual(rarity['anomaly'])}"


def _autoencoder(rarity: Rarities, least_expected: str) -> str:
    fit = _more_unusual(rarity["autoencoder"])
    return f"the combination of this payment's features is {fit}; least expected: {least_expected}"


def _novelty(rarity: Rarities, least_expected: str) -> str:
    fit = _more_unusual(max(rarity.values()))
    return f"apart from every known kind of fraud, this payment is {fit}; least expected: {least_expected}"


def _more_unusual(share: float) -> str:
    """Returns a rarity in words.

    >>> _more_unusual(0.995)
    'more unusual than 99.5% of legitimate ones'
    """
    if not share:
        return "no more unusual than half of the legitimate ones"
    return f"more unusual than {100 * share:g}% of legitimate ones"


_TEXTS: Mapping[str, Callable[[Rarities, str], str]] = {
    "anomaly": _anomaly,
    "autoencoder": _autoencoder,
    "novelty": _novelty,
}
UNUSUAL = tuple(_TEXTS)
"""Terms for an unusual payment, whatever its order among others."""
