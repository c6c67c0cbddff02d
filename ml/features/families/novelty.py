"""Terminal, device or country that is new to the customer."""

from collections.abc import Mapping

from ml.features.definition import MAX_AGE_DAYS
from ml.features.families.feature import Describe, Feature
from ml.features.families.wording import age_words, plural


def novelty() -> list[Feature]:
    """Returns the features of things that the customer uses for the first time."""
    family = "novelty"

    def new(thing: str) -> Describe:
        # Zero also stands for a device or country that was not given.
        return lambda value, _: (
            f"this customer was never seen with this {thing} before"
            if value
            else f"the {thing} gives no sign of being new to this customer"
        )

    def new_terminal(value: float, _: Mapping[str, float]) -> str:
        return f"this customer {'never paid' if value else 'has paid'} at this terminal before"

    def visits(value: float, _: Mapping[str, float]) -> str:
        return f"this customer paid {plural(value, 'time')} at this terminal before"

    def visit_age(value: float, _: Mapping[str, float]) -> str:
        if value >= MAX_AGE_DAYS:
            return "no earlier payment of this customer at this terminal is known"
        return f"this customer last paid at this terminal {age_words(value)} ago"

    return [
        Feature("is_new_terminal", family, "NEW_TERMINAL", new_terminal),
        Feature("customer_terminal_visits", family, "NEW_TERMINAL", visits),
        Feature("customer_terminal_age_days", family, "NEW_TERMINAL", visit_age),
        Feature("is_new_device", family, "NEW_DEVICE", new("device")),
        Feature("is_new_country", family, "NEW_COUNTRY", new("country")),
    ]
