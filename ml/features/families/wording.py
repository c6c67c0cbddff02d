"""Words for numbers in the sentences that explain a feature's value."""

from ml.features.definition import MAX_AGE_DAYS
from ml.features.families.feature import Describe


def span(name: str) -> str:
    """Returns a window in words.

    >>> span("1d"), span("7d")
    ('24 h', '7 days')
    """
    return {"1h": "1 h", "1d": "24 h"}.get(name, f"{name[:-1]} days")


def number_words(value: float) -> str:
    """Returns a number as people write it: two digits below ten, whole ones above.

    >>> number_words(2.0), number_words(0.0833), number_words(128.4)
    ('2', '0.083', '128')
    """
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def plural(value: float, noun: str) -> str:
    """Returns a whole number with its noun.

    >>> plural(1.0, "payment"), plural(3.0, "payment")
    ('1 payment', '3 payments')
    """
    return f"{value:.0f} {noun}" if round(value) == 1 else f"{value:.0f} {noun}s"


def age_words(days: float) -> str:
    """Returns an age in days, hours or minutes.

    >>> age_words(3.0), age_words(0.5), age_words(0.01)
    ('3 days', '12.0 h', '14 min')
    """
    if days >= MAX_AGE_DAYS:
        return f"more than {MAX_AGE_DAYS:.0f} days"
    if days >= 2:
        return f"{days:.0f} days"
    return f"{days * 24:.1f} h" if days >= 1 / 24 else f"{days * 24 * 60:.0f} min"


_NO_HISTORY = "no earlier payment of this customer is known"


def no_payment(window: str) -> str:
    """Returns the sentence for a window in which the customer made no payment."""
    return f"this customer made no payment in the {span(window)} before this one"


def with_payments(window: str, describe: Describe) -> Describe:
    """Returns `describe`, except for a customer without payments in the window: without a past there is no norm."""
    return lambda value, at: describe(value, at) if at[f"customer_count_{window}"] else no_payment(window)


def with_history(describe: Describe) -> Describe:
    """Returns `describe`, except for a customer without any earlier payment."""
    return lambda value, at: describe(value, at) if at["customer_history"] else _NO_HISTORY
