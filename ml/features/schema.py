"""The declared features: name, family, reason code, and the sentence that tells an analyst what a value means.

The order is fixed and `ml.features.kernel` computes it; `schema_hash` names it, and a model only serves vectors of
the schema it was trained on. Conventions:

- Amounts are currency units. One customer's amounts are compared as posted, whatever their currency.
- A window of h holds the past rows with age < h; "past" excludes the transaction itself.
- A label counts from the moment it became known (`known_at`), and risk windows run over that moment: how late labels
  come is not assumed anywhere.
- No value is NaN. Ages and gaps without an event behind them are `MAX_AGE_DAYS`; ratios without a norm are 1,
  z-scores 0, shares 0.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ml.domain.durations import DAY_SECONDS, HOUR_SECONDS
from ml.features import definition
from ml.features.definition import (
    CUSTOMER_FRAUD_WINDOWS,
    HIGH_RATIO,
    HIGH_WINDOWS,
    LAST_LABELLED,
    MAX_AGE_DAYS,
    RISK_WINDOWS,
    TERMINAL_WINDOWS,
    VELOCITY_WINDOWS,
)

DEFINITION_VERSION = 3
"""Raise it with every change of what a feature means; a test pins the numbers that belong to it."""

AMOUNT_RATIO_FEATURE = "customer_ratio_median"
"""The feature by which a fraud is told to be ordinary once its label comes."""

SEQUENCE_LENGTH = 16
"""Steps of the sequence: the customer's last payments in time order, the current one last."""
SEQUENCE_CHANNELS = (
    "present",
    "log_amount",
    "log_gap_hours",
    "hour_sin",
    "hour_cos",
    "log_ratio_median",
    "is_new_terminal",
    "is_same_terminal",
    "is_labelled",
    "is_fraud",
    "terminal_fraud_share_30d",
    "terminal_fraud_share_last_5",
)
"""Channels of a step, all 0 where `present` is 0; the last two are known for the current step only."""

Describe = Callable[[float, Mapping[str, float]], str]


@dataclass(frozen=True)
class Feature:
    """One declared feature.

    Attributes:
        name: column name, unique.
        family: `amount_time`, `customer_velocity`, `customer_norm`, `terminal_velocity`, `terminal_risk`, `novelty`.
        reason_code: what the API calls it when it is a reason; several features may share a code.
        describe: plain-language text of a value, given the whole named vector for comparison.
    """

    name: str
    family: str
    reason_code: str
    describe: Describe


def _window(name: str) -> str:
    """Returns a window in words.

    >>> _window("1d"), _window("7d")
    ('24 h', '7 days')
    """
    return {"1h": "1 h", "1d": "24 h"}.get(name, f"{name[:-1]} days")


def _number(value: float) -> str:
    """Returns a number as people write it: two digits below ten, whole ones above.

    >>> _number(2.0), _number(0.0833), _number(128.4)
    ('2', '0.083', '128')
    """
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def _plural(value: float, noun: str) -> str:
    return f"{value:.0f} {noun}" if round(value) == 1 else f"{value:.0f} {noun}s"


def _age(days: float) -> str:
    if days >= MAX_AGE_DAYS:
        return f"more than {MAX_AGE_DAYS:.0f} days"
    if days >= 2:
        return f"{days:.0f} days"
    return f"{days * 24:.1f} h" if days >= 1 / 24 else f"{days * 24 * 60:.0f} min"


_NO_HISTORY = "no earlier payment of this customer is known"


def _no_payment(window: str) -> str:
    return f"this customer made no payment in the {_window(window)} before this one"


def _with_payments(window: str, describe: Describe) -> Describe:
    """Returns `describe`, but for a customer without payments in the window: without a past there is no norm."""
    return lambda value, at: describe(value, at) if at[f"customer_count_{window}"] else _no_payment(window)


def _with_history(describe: Describe) -> Describe:
    return lambda value, at: describe(value, at) if at["customer_history"] else _NO_HISTORY


def _amount_time() -> list[Feature]:
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


def _customer_velocity() -> list[Feature]:
    family = "customer_velocity"

    def count(window: str) -> Describe:
        def text(value: float, at: Mapping[str, float]) -> str:
            norm = at["customer_rate_per_day"] * VELOCITY_WINDOWS[window] / DAY_SECONDS
            return f"{_plural(value, 'payment')} in {_window(window)}, this customer's norm is {_number(norm)}"

        return _with_history(text)

    def total(window: str) -> Describe:
        return lambda value, at: (
            f"this customer spent {value:.2f} in the last {_window(window)}, before this payment of {at['amount']:.2f}"
        )

    def mean(window: str) -> Describe:
        name = f"mean payment over {_window(window)}"
        return _with_payments(
            window, lambda value, at: f"this customer's {name} is {value:.2f}, this one is {at['amount']:.2f}"
        )

    def deviation(window: str) -> Describe:
        name = f"payments over {_window(window)}"
        return _with_payments(
            window, lambda value, _: f"this customer's {name} spread by {value:.2f} around their mean"
        )

    def history(value: float, _: Mapping[str, float]) -> str:
        return f"{_plural(value, 'earlier payment')} of this customer {'is' if round(value) == 1 else 'are'} known"

    def since(value: float, _: Mapping[str, float]) -> str:
        return f"this customer's last payment was {_age(value / 24)} ago"

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
        Feature("customer_history", family, "CUSTOMER_HISTORY", _with_history(history)),
        Feature("customer_hours_since_last", family, "CUSTOMER_VELOCITY", _with_history(since)),
        Feature("customer_rate_per_day", family, "CUSTOMER_VELOCITY", _with_history(rate)),
        Feature("customer_rate_ratio_1d", family, "CUSTOMER_VELOCITY", _with_history(rate_ratio)),
    ]


def _customer_norm() -> list[Feature]:
    family, code = "customer_norm", "AMOUNT_ABOVE_NORM"

    def times(norm: str) -> Describe:
        return lambda value, at: f"the amount {at['amount']:.2f} is {value:.1f} times this customer's {norm}"

    def times_mean(window: str) -> Describe:
        return _with_payments(window, times(f"mean over {_window(window)}"))

    def zscore(window: str) -> Describe:
        def text(value: float, at: Mapping[str, float]) -> str:
            distance = f"{abs(value):.1f} deviations {'above' if value >= 0 else 'below'}"
            return f"the amount {at['amount']:.2f} lies {distance} this customer's mean over {_window(window)}"

        return _with_payments(window, text)

    def rank(value: float, at: Mapping[str, float]) -> str:
        return f"the amount {at['amount']:.2f} is above {value:.0%} of this customer's earlier payments"

    def habit(value: float, _: Mapping[str, float]) -> str:
        return f"{value:.0%} of this customer's earlier payments were made around this time of day"

    return [
        Feature("customer_ratio_mean_7d", family, code, times_mean("7d")),
        Feature("customer_ratio_mean_30d", family, code, times_mean("30d")),
        Feature("customer_zscore_7d", family, code, zscore("7d")),
        Feature("customer_zscore_30d", family, code, zscore("30d")),
        Feature(AMOUNT_RATIO_FEATURE, family, code, _with_history(times("median"))),
        Feature("customer_ratio_ewma", family, code, _with_history(times("recent mean"))),
        Feature("customer_ratio_max", family, code, _with_history(times("highest earlier payment"))),
        Feature("customer_amount_rank", family, code, _with_history(rank)),
        Feature("customer_hour_share", family, "UNUSUAL_HOUR", _with_history(habit)),
    ]


def _customer_episodes() -> list[Feature]:
    family = "customer_norm"
    high_code, fraud_code = "RECENT_HIGH_AMOUNTS", "CUSTOMER_FRAUD_HISTORY"

    def high_count(window: str) -> Describe:
        return lambda value, _: (
            f"{_plural(value, 'earlier payment')} in {_window(window)} of at least {HIGH_RATIO:.0f} times "
            "this customer's median"
        )

    def high_share(window: str) -> Describe:
        return lambda value, _: (
            f"{value:.0%} of this customer's payments in {_window(window)} were at least {HIGH_RATIO:.0f} times "
            "the median"
        )

    def high_max(window: str) -> Describe:
        return lambda value, _: (
            f"the highest earlier payment in {_window(window)} was {value:.1f} times this customer's median"
            if value
            else _no_payment(window)
        )

    def frauds(window: str) -> Describe:
        return lambda value, _: (
            f"{_plural(value, 'confirmed fraud')} of this customer became known in the last {_window(window)}"
        )

    def fraud_age(value: float, _: Mapping[str, float]) -> str:
        if value >= MAX_AGE_DAYS:
            return "no confirmed fraud of this customer is known"
        return f"this customer's last confirmed fraud was {_age(value)} ago"

    return [
        *(Feature(f"customer_high_count_{w}", family, high_code, high_count(w)) for w in HIGH_WINDOWS),
        *(Feature(f"customer_high_share_{w}", family, high_code, high_share(w)) for w in HIGH_WINDOWS),
        *(Feature(f"customer_high_max_{w}", family, high_code, high_max(w)) for w in HIGH_WINDOWS),
        *(Feature(f"customer_frauds_{w}", family, fraud_code, frauds(w)) for w in CUSTOMER_FRAUD_WINDOWS),
        Feature("customer_fraud_age_days", family, fraud_code, fraud_age),
    ]


def _terminal_velocity() -> list[Feature]:
    family, code = "terminal_velocity", "TERMINAL_VELOCITY"

    def count(window: str) -> Describe:
        return lambda value, _: f"{_plural(value, 'payment')} at this terminal in {_window(window)}"

    def since(value: float, _: Mapping[str, float]) -> str:
        if value / 24 >= MAX_AGE_DAYS:
            return f"no payment at this terminal in the last {MAX_AGE_DAYS:.0f} days is known"
        return f"the last payment at this terminal was {_age(value / 24)} ago"

    def ratio(value: float, at: Mapping[str, float]) -> str:
        if at["terminal_hours_since_last"] / 24 >= MAX_AGE_DAYS:
            return since(at["terminal_hours_since_last"], at)
        return f"the amount {at['amount']:.2f} is {value:.1f} times this terminal's mean"

    return [
        *(Feature(f"terminal_count_{w}", family, code, count(w)) for w in TERMINAL_WINDOWS),
        Feature("terminal_hours_since_last", family, code, since),
        Feature("terminal_ratio_mean", family, "TERMINAL_AMOUNT", ratio),
    ]


def _terminal_risk() -> list[Feature]:
    return [*_frauds_at_terminal("fraud", ""), *_frauds_at_terminal("ordinary_fraud", " of ordinary amount")]


def _frauds_at_terminal(kind: str, which: str) -> list[Feature]:
    """Returns the features of one kind of fraud; `which` tells it from others in a sentence."""
    family, code = "terminal_risk", "TERMINAL_FRAUD_RISK"
    noun = f"confirmed fraud{which}"

    def frauds(window: str) -> Describe:
        return lambda value, _: (
            f"{_plural(value, 'confirmed fraud')}{which} at this terminal became known in the last {_window(window)}"
        )

    def share(window: str) -> Describe:
        return lambda value, _: (
            f"{value:.0%} of this terminal's payments labelled in the last {_window(window)} were fraud{which}"
            if value
            else f"no fraud{which} at this terminal became known in the last {_window(window)}"
        )

    def last(length: int) -> Describe:
        # A terminal may have fewer labelled payments than that; the share is of those it has.
        payments = "last labelled payment" if length == 1 else f"last labelled payments ({length} at most)"
        return lambda value, _: f"this terminal's {payments}: {value:.0%} fraud{which}"

    def age(place: str) -> Describe:
        def text(value: float, _: Mapping[str, float]) -> str:
            if value >= MAX_AGE_DAYS:
                return f"no {noun} at this terminal is known"
            return f"the {place} {noun} at this terminal was {_age(value)} ago"

        return text

    def run(value: float, _: Mapping[str, float]) -> str:
        part = f"{which} in the" if which else " in"
        return f"{_plural(value, 'fraud')}{part} unbroken succession up to this terminal's last labelled payment"

    return [
        *(Feature(f"terminal_{kind}s_{w}", family, code, frauds(w)) for w in RISK_WINDOWS),
        *(Feature(f"terminal_{kind}_share_{w}", family, code, share(w)) for w in RISK_WINDOWS),
        *(Feature(f"terminal_{kind}_share_last_{k}", family, code, last(k)) for k in LAST_LABELLED),
        Feature(f"terminal_{kind}_age_days", family, code, age("last")),
        Feature(f"terminal_first_{kind}_age_days", family, code, age("first")),
        Feature(f"terminal_{kind}_run", family, code, run),
    ]


def _novelty() -> list[Feature]:
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
        return f"this customer paid {_plural(value, 'time')} at this terminal before"

    def visit_age(value: float, _: Mapping[str, float]) -> str:
        if value >= MAX_AGE_DAYS:
            return "no earlier payment of this customer at this terminal is known"
        return f"this customer last paid at this terminal {_age(value)} ago"

    return [
        Feature("is_new_terminal", family, "NEW_TERMINAL", new_terminal),
        Feature("customer_terminal_visits", family, "NEW_TERMINAL", visits),
        Feature("customer_terminal_age_days", family, "NEW_TERMINAL", visit_age),
        Feature("is_new_device", family, "NEW_DEVICE", new("device")),
        Feature("is_new_country", family, "NEW_COUNTRY", new("country")),
    ]


FEATURES: tuple[Feature, ...] = (
    *_amount_time(),
    *_customer_velocity(),
    *_customer_norm(),
    *_customer_episodes(),
    *_terminal_velocity(),
    *_terminal_risk(),
    *_novelty(),
)
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
FEATURE_COUNT = len(FEATURES)


def schema_hash() -> str:
    """Returns the SHA-256 (hex) of everything that changes what a vector or sequence means."""
    numbers = {name: value for name, value in vars(definition).items() if name.isupper()}
    meaning = {
        "version": DEFINITION_VERSION,
        "features": [[feature.name, feature.family] for feature in FEATURES],
        "sequence": [SEQUENCE_LENGTH, *SEQUENCE_CHANNELS],
        "numbers": numbers,
    }
    return hashlib.sha256(json.dumps(meaning, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
