"""The payment against the customer's own norm, and the customer's recent departures from it."""

from collections.abc import Mapping

from ml.features.definition import CUSTOMER_FRAUD_WINDOWS, HIGH_RATIO, HIGH_WINDOWS, MAX_AGE_DAYS
from ml.features.families.feature import Describe, Feature
from ml.features.families.wording import age_words, no_payment, plural, span, with_history, with_payments

AMOUNT_RATIO_FEATURE = "customer_ratio_median"
"""The feature that says whether a fraud, once it is labelled, was of an ordinary amount."""


def customer_norm() -> list[Feature]:
    """Returns the features that compare the payment with the customer's past payments."""
    family, code = "customer_norm", "AMOUNT_ABOVE_NORM"

    def times(norm: str) -> Describe:
        return lambda value, at: f"the amount {at['amount']:.2f} is {value:.1f} times this customer's {norm}"

    def times_mean(window: str) -> Describe:
        return with_payments(window, times(f"mean over {span(window)}"))

    def zscore(window: str) -> Describe:
        def text(value: float, at: Mapping[str, float]) -> str:
            distance = f"{abs(value):.1f} deviations {'above' if value >= 0 else 'below'}"
            return f"the amount {at['amount']:.2f} lies {distance} this customer's mean over {span(window)}"

        return with_payments(window, text)

    def rank(value: float, at: Mapping[str, float]) -> str:
        return f"the amount {at['amount']:.2f} is above {value:.0%} of this customer's earlier payments"

    def habit(value: float, _: Mapping[str, float]) -> str:
        return f"{value:.0%} of this customer's earlier payments were made around this time of day"

    return [
        Feature("customer_ratio_mean_7d", family, code, times_mean("7d")),
        Feature("customer_ratio_mean_30d", family, code, times_mean("30d")),
        Feature("customer_zscore_7d", family, code, zscore("7d")),
        Feature("customer_zscore_30d", family, code, zscore("30d")),
        Feature(AMOUNT_RATIO_FEATURE, family, code, with_history(times("median"))),
        Feature("customer_ratio_ewma", family, code, with_history(times("recent mean"))),
        Feature("customer_ratio_max", family, code, with_history(times("highest earlier payment"))),
        Feature("customer_amount_rank", family, code, with_history(rank)),
        Feature("customer_hour_share", family, "UNUSUAL_HOUR", with_history(habit)),
    ]


def customer_episodes() -> list[Feature]:
    """Returns the features of the customer's recent high amounts and confirmed frauds."""
    family = "customer_norm"
    high_code, fraud_code = "RECENT_HIGH_AMOUNTS", "CUSTOMER_FRAUD_HISTORY"

    def high_count(window: str) -> Describe:
        return lambda value, _: (
            f"{plural(value, 'earlier payment')} in {span(window)} of at least {HIGH_RATIO:.0f} times "
            "this customer's median"
        )

    def high_share(window: str) -> Describe:
        return lambda value, _: (
            f"{value:.0%} of this customer's payments in {span(window)} were at least {HIGH_RATIO:.0f} times the median"
        )

    def high_max(window: str) -> Describe:
        return lambda value, _: (
            f"the highest earlier payment in {span(window)} was {value:.1f} times this customer's median"
            if value
            else no_payment(window)
        )

    def frauds(window: str) -> Describe:
        return lambda value, _: (
            f"{plural(value, 'confirmed fraud')} of this customer became known in the last {span(window)}"
        )

    def fraud_age(value: float, _: Mapping[str, float]) -> str:
        if value >= MAX_AGE_DAYS:
            return "no confirmed fraud of this customer is known"
        return f"this customer's last confirmed fraud was {age_words(value)} ago"

    return [
        *(Feature(f"customer_high_count_{w}", family, high_code, high_count(w)) for w in HIGH_WINDOWS),
        *(Feature(f"customer_high_share_{w}", family, high_code, high_share(w)) for w in HIGH_WINDOWS),
        *(Feature(f"customer_high_max_{w}", family, high_code, high_max(w)) for w in HIGH_WINDOWS),
        *(Feature(f"customer_frauds_{w}", family, fraud_code, frauds(w)) for w in CUSTOMER_FRAUD_WINDOWS),
        Feature("customer_fraud_age_days", family, fraud_code, fraud_age),
    ]
