"""How unusual a payment is among legitimate ones, as a share, which people read more easily than log-odds."""

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass

RARITY_LEVELS = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995)
"""Shares of legitimate training payments that are distinguished; a training has enough rows to count 1 in 2,000."""


@dataclass(frozen=True, slots=True)
class Rarity:
    """At which probability of an unsupervised component each of `RARITY_LEVELS` is reached; both tuples ascend."""

    anomaly: tuple[float, ...]
    autoencoder: tuple[float, ...]

    @classmethod
    def from_json(cls, text: str) -> "Rarity":
        """Reads what `to_json` wrote.

        Raises:
            ValueError, TypeError, KeyError: the text is malformed.
        """
        parts = json.loads(text)
        borders = [tuple(float(border) for border in parts[name]) for name in ("anomaly", "autoencoder")]
        if any(len(levels) != len(RARITY_LEVELS) or sorted(levels) != list(levels) for levels in borders):
            raise ValueError(f"rarity needs {len(RARITY_LEVELS)} ascending levels a component")
        return cls(*borders)

    def to_json(self) -> str:
        """Returns the borders as text, for the metadata of a graph."""
        return json.dumps(asdict(self))

    def of_anomaly(self, probability: float) -> float:
        """Returns the share of legitimate payments that are certainly less unusual; 0 below the first level."""
        return _reached(self.anomaly, probability)

    def of_autoencoder(self, probability: float) -> float:
        """Returns the share of legitimate payments that are certainly less unusual; 0 below the first level."""
        return _reached(self.autoencoder, probability)


def _reached(borders: Sequence[float], probability: float) -> float:
    """Returns the highest level whose border the probability has reached.

    >>> _reached([0.1 * level for level in range(1, 11)], 0.55)
    0.98
    """
    place = bisect_right(borders, probability)
    return RARITY_LEVELS[place - 1] if place else 0.0
