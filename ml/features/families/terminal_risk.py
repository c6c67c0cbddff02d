"""Confirmed frauds at the terminal."""

from collections.abc import Mapping

from ml.features.definition import LAST_LABELLED, MAX_AGE_DAYS, RISK_WINDOWS
from ml.features.families.feature import Describe, Feature
from ml.features.families.wording import age_words, plural, span


def terminal_risk() -> list[Feature]:
    """Returns the features of frauds at the terminal: all of them, and those of ordinary amount."""
    return [*_frauds_at_terminal("fraud", ""), *_frauds_at_terminal("ordinary_fraud", " of ordinary amount")]


def _frauds_at_terminal(kind: str, which: str) -> list[Feature]:
    """Returns the features of one kind of fraud; `which` names it in a sentence."""
    family, code = "terminal_risk", "TERMINAL_FRAUD_RISK"
    noun = f"confirmed fraud{which}"

    def frauds(window: str) -> Describe:
        return lambda value, _: (
            f"{plural(value, 'confirmed fraud')}{which} at this terminal became known in the last {span(window)}"
        )

    def share(window: str) -> Describe:
        return lambda value, _: (
            f"{value:.0%} of this terminal's payments labelled in the last {span(window)} were fraud{which}"
            if value
            else f"no fraud{which} at this terminal became known in the last {span(window)}"
        )

    def last(length: int) -> Describe:
        # A terminal may have fewer labelled payments than that; the share is of those it has.
        payments = "last labelled payment" if length == 1 else f"last labelled payments ({length} at most)"
        return lambda value, _: f"this terminal's {payments}: {value:.0%} fraud{which}"

    def age(place: str) -> Describe:
        def text(value: float, _: Mapping[str, float]) -> str:
            if value >= MAX_AGE_DAYS:
                return f"no {noun} at this terminal is known"
            return f"the {place} {noun} at this terminal was {age_words(value)} ago"

        return text

    def run(value: float, _: Mapping[str, float]) -> str:
        part = f"{which} in the" if which else " in"
        return f"{plural(value, 'fraud')}{part} unbroken succession up to this terminal's last labelled payment"

    return [
        *(Feature(f"terminal_{kind}s_{w}", family, code, frauds(w)) for w in RISK_WINDOWS),
        *(Feature(f"terminal_{kind}_share_{w}", family, code, share(w)) for w in RISK_WINDOWS),
        *(Feature(f"terminal_{kind}_share_last_{k}", family, code, last(k)) for k in LAST_LABELLED),
        Feature(f"terminal_{kind}_age_days", family, code, age("last")),
        Feature(f"terminal_first_{kind}_age_days", family, code, age("first")),
        Feature(f"terminal_{kind}_run", family, code, run),
    ]
