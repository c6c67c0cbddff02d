"""The payment itself: its amount and its time."""

from collections.abc import Mapping

from ml.domain.durations import HOUR_SECONDS
from ml.features.families.feature import Feature


def amount_time() -> list[Feature]:
    """Returns the features of the payment itself."""

    def day_time(_: float, at: Mapping[str, float]) -> str:
        # From whole seconds: a fraction of an hour may have been rounded down.
        minutes = round(at["hour"] * HOUR_SECONDS) // 60
        return f"the payment was made at {minutes // 60:02d}:{minutes % 60:02d} UTC"

    def amount(_: float, at: Mapping[str, float]) -> str:
        return f"the amount is {at['amount']:.2f}"

    family = "amount_time"
    return [
        Feature("amount", family, "AMOUNT", amount),
        Feature("amount_log", family, "AMOUNT", amount),
        Feature("hour", family, "TIME_OF_DAY", day_time),
        Feature("is_night", family, "TIME_OF_DAY", day_time),
        Feature(
            "is_weekend",
            family,
            "WEEKEND",
            lambda value, _: "the payment was made on a weekend" if value else "the payment was made on a working day",
        ),
    ]
