"""Checks of a result: served equals offline, the targets, and the suspicion of a leak."""

from dataclasses import dataclass

from ops.proving.bench.quality.figures import FIGURES, Row

SERVED_TOLERANCE = 0.001
"""How far a figure of the running platform may lie from the offline one; retries and float32 sums cost less."""

LEAST_AVERAGE_PRECISION = 0.755
LEAST_CARD_PRECISION = 0.31
"""Targets for the mean over the Handbook's four folds."""

SUSPICIOUS_AVERAGE_PRECISION = 0.775
"""A score that knew every compromised customer and terminal would reach this mean over the Handbook's four folds."""


@dataclass(frozen=True, slots=True)
class Target:
    """A figure, its target, and whether it is reached."""

    figure: str
    least: float
    value: float

    @property
    def is_met(self) -> bool:
        """Whether the value reaches the target."""
        return self.value >= self.least


def targets(ours: Row) -> list[Target]:
    """Returns the targets with the values of our row."""
    return [
        Target(figure, least, ours.mean(figure))
        for figure, least in (
            ("average_precision", LEAST_AVERAGE_PRECISION),
            ("card_precision_at_100", LEAST_CARD_PRECISION),
        )
    ]


def is_suspicious(ours: Row) -> bool:
    """Whether the average precision is too good to be true."""
    return ours.mean("average_precision") > SUSPICIOUS_AVERAGE_PRECISION


def served_differences(served: Row, offline: Row) -> dict[str, float]:
    """Returns, by figure, the difference served - offline that is largest in size on any fold."""
    return {
        figure: max(
            (
                value(there.quality) - value(here.quality)
                for there, here in zip(served.folds, offline.folds, strict=True)
            ),
            key=abs,
        )
        for figure, value in FIGURES.items()
    }


def agrees(differences: dict[str, float]) -> bool:
    """Whether served and offline figures are the same; written so that NaN is not."""
    return all(abs(difference) <= SERVED_TOLERANCE for difference in differences.values())
