"""How often and how much the customer pays."""

from collections.abc import Mapping

from ml.domain.durations import DAY_SECONDS
from ml.features.definition import VELOCITY_WINDOWS
from ml.features.families.feature import Describe, Feature
from ml.features.families.wording import age_words, number_words, plural, span, with_history, with_payments


def customer_velocity() -> list[Feature]:
    """Returns the features of the customer's counts, sums, means and rates."""
    family = "customer_velocity"

    def count(window: str) -> Describe:
        def text(value: float, at: Mapping[str, float]) -> str:
            norm = at["customer_rate_per_day"] * VELOCITY_WINDOWS[window] / DAY_SECONDS
            return f"{plural(value, 'payment')} in {span(window)}, this customer's norm is {number_words(norm)}"

        return with_history(text)

    def total(window: str) -> Describe:
        return lambda value, at: (
            f"this customer spent {value:.2f} in the last {span(window)}, before this payment of {at['amount']:.2f}"
        )

    def mean(window: str) -> Describe:
        name = f"mean payment over {span(window)}"
        return with_payments(
            window, lambda value, at: f"this customer's {name} is {value:.2f}, this one is {at['amount']:.2f}"
        )

    def deviation(window: str) -> Describe:
        name = f"payments over {span(window)}"
        return with_payments(window, lambda value, _: f"this customer's {name} spread by {value:.2f} around their mean")

    def history(value: float, _: Mapping[str, float]) -> str:
        return f"{plural(value, 'earlier payment')} of this customer {'is' if round(value) == 1 else 'are'} known"

    def since(value: float, _: Mapping[str, float]) -> str:
        return f"this customer's last payment was {age_words(value / 24)} ago"

    def rate(value: float, _: Mapping[str, float]) -> str:
        return f"this customer makes {value:.1f} payments a day"

    def rate_ratio(value: float, at: Mapping[str, float]) -> str:
        return (
            f"payment no. {at['customer_count_1d'] + 1:.0f} in 24 h is {value:.1f} times this customer's "
            f"norm of {at['customer_rate_per_day']:.1f} a day"
        )

    return [
        *(Feature(f"customer_count_{w}", family, "CUSTOMER_VELOCITY", count(w)) for w in VELOCITY_WINDOWS),
        *(Feature(f"customer_sum_{w}", family, "CUSTOMER_SPENDING", total(w)) for w in VELOCITY_WINDOWS),
        *(Feature(f"customer_mean_{w}", family, "CUSTOMER_SPENDING", mean(w)) for w in VELOCITY_WINDOWS),
        *(Feature(f"customer_deviation_{w}", family, "CUSTOMER_SPENDING", deviation(w)) for w in VELOCITY_WINDOWS),
        Feature("customer_history", family, "CUSTOMER_HISTORY", with_history(history)),
        Feature("customer_hours_since_last", family, "CUSTOMER_VELOCITY", with_history(since)),
        Feature("customer_rate_per_day", family, "CUSTOMER_VELOCITY", with_history(rate)),
        Feature("customer_rate_ratio_1d", family, "CUSTOMER_VELOCITY", with_history(rate_ratio)),
    ]
