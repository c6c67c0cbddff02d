"""How often and how much is paid at the terminal."""

from collections.abc import Mapping

from ml.features.definition import MAX_AGE_DAYS, TERMINAL_WINDOWS
from ml.features.families.feature import Describe, Feature
from ml.features.families.wording import age_words, plural, span


def terminal_velocity() -> list[Feature]:
    """Returns the features of the terminal's counts and amounts."""
    family, code = "terminal_velocity", "TERMINAL_VELOCITY"

    def count(window: str) -> Describe:
        return lambda value, _: f"{plural(value, 'payment')} at this terminal in {span(window)}"

    def since(value: float, _: Mapping[str, float]) -> str:
        if value / 24 >= MAX_AGE_DAYS:
            return f"no payment at this terminal in the last {MAX_AGE_DAYS:.0f} days is known"
        return f"the last payment at this terminal was {age_words(value / 24)} ago"

    def ratio(value: float, at: Mapping[str, float]) -> str:
        if at["terminal_hours_since_last"] / 24 >= MAX_AGE_DAYS:
            return since(at["terminal_hours_since_last"], at)
        return f"the amount {at['amount']:.2f} is {value:.1f} times this terminal's mean"

    return [
        *(Feature(f"terminal_count_{w}", family, code, count(w)) for w in TERMINAL_WINDOWS),
        Feature("terminal_hours_since_last", family, code, since),
        Feature("terminal_ratio_mean", family, "TERMINAL_AMOUNT", ratio),
    ]
