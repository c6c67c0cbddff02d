"""The kernel against a slow, plain second telling of what every feature means."""

import math
from dataclasses import dataclass, replace
from operator import attrgetter
from statistics import fmean, median, pstdev

import numpy as np
import pytest

from ml.data.simulator import Patterns, simulate
from ml.data.table import TransactionTable
from ml.features import definition as d
from ml.features.offline import compute_features
from ml.features.schema import FEATURE_NAMES, SEQUENCE_CHANNELS, SEQUENCE_LENGTH

DAY = d.DAY_SECONDS


@dataclass(frozen=True)
class Row:
    time: int
    amount: float
    terminal: str
    device: str | None
    country: str | None
    is_fraud: bool
    known_at: int
    is_ordinary: bool = False


@pytest.fixture(scope="module")
def table() -> TransactionTable:
    patterns = Patterns(terminals_per_day=0.01, customers_per_day=0.01)
    return simulate(customers=25, terminals=12, days=50, seed=11, patterns=patterns, label_delay_days=2.0)


def rows_of(table: TransactionTable) -> list[tuple[str, str, Row]]:
    return [
        (
            item.customer_id,
            item.terminal_id,
            Row(
                item.epoch_seconds,
                float(item.amount),
                item.terminal_id,
                item.device_id,
                item.country,
                bool(table.is_fraud[index]),
                int(table.label_known_at[index]),
            ),
        )
        for index, item in enumerate(table.to_transactions())
    ]


def ratio(value: float, norm: float) -> float:
    return min(value / norm, d.MAX_RATIO) if norm > 0 else 1.0


def share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def days(now: int, times: list[int]) -> float:
    return min((now - max(times)) / DAY, d.MAX_AGE_DAYS) if times else d.MAX_AGE_DAYS


def border(now: int, length: int) -> int:
    """Where a window begins for payments that are in tiles: at the nearest border of one."""
    width = d.HOUR_SECONDS if length <= DAY else DAY
    return math.floor((now - length) / width + 0.5) * width


def folded_labels(now: Row, folded: list[Row], length: int) -> list[Row]:
    complete = now.time // d.HOUR_SECONDS * d.HOUR_SECONDS
    return [row for row in folded if border(now.time, length) <= row.known_at < complete]


def customer_reference(now: Row, everything: list[Row]) -> dict[str, float]:
    result = {}
    past, folded = everything[-d.CUSTOMER_NEWEST :], everything[: -d.CUSTOMER_NEWEST]
    middle = median([row.amount for row in past[-d.MEDIAN_LENGTH :]]) if past else now.amount
    means, deviations = {}, {}
    for name, length in d.VELOCITY_WINDOWS.items():
        amounts = [row.amount for row in past if now.time - row.time < length]
        deviations[name] = pstdev(amounts) if amounts else 0.0
        amounts += [row.amount for row in folded if row.time >= border(now.time, length)]
        means[name] = fmean(amounts) if amounts else 0.0
        result[f"customer_count_{name}"] = len(amounts)
        result[f"customer_sum_{name}"] = sum(amounts)
        result[f"customer_mean_{name}"] = means[name]
        result[f"customer_deviation_{name}"] = deviations[name]
    in_month = [row for row in folded if row.time >= border(now.time, 30 * DAY)]
    number = len(past) + len(in_month)
    oldest = [row.time // DAY * DAY for row in in_month[:1]] + [row.time for row in past[:1]]
    result["customer_history"] = number
    result["customer_hours_since_last"] = days(now.time, [row.time for row in past]) * 24
    rate = number / max((now.time - min(oldest)) / DAY, 1.0) if past else 0.0
    result["customer_rate_per_day"] = rate
    result["customer_rate_ratio_1d"] = ratio(result["customer_count_1d"] + 1, rate)
    for name in ("7d", "30d"):
        result[f"customer_ratio_mean_{name}"] = ratio(now.amount, means[name])
        spread = max(deviations[name], d.DEVIATION_FLOOR * means[name])
        score = (now.amount - means[name]) / spread if spread else 0.0
        result[f"customer_zscore_{name}"] = max(-d.MAX_ZSCORE, min(score, d.MAX_ZSCORE))
    weights = [d.EWMA_DECAY**age for age in range(len(past))][::-1]
    weighted = sum(w * row.amount for w, row in zip(weights, past, strict=True)) / sum(weights) if past else 0.0
    result["customer_ratio_median"] = ratio(now.amount, middle)
    result["customer_ratio_ewma"] = ratio(now.amount, weighted)
    result["customer_ratio_max"] = ratio(now.amount, max((row.amount for row in past), default=0.0))
    result["customer_amount_rank"] = share(sum(row.amount < now.amount for row in past), len(past))
    near = [abs((now.time - row.time + DAY // 2) % DAY - DAY // 2) <= d.HABIT_HOURS * 3600 for row in past]
    result["customer_hour_share"] = share(sum(near), len(past))
    for name, length in d.HIGH_WINDOWS.items():
        ratios = [ratio(row.amount, middle) for row in past if now.time - row.time < length]
        high = sum(value >= d.HIGH_RATIO for value in ratios)
        result[f"customer_high_count_{name}"] = high
        result[f"customer_high_share_{name}"] = share(high, len(ratios))
        result[f"customer_high_max_{name}"] = max(ratios, default=0.0)
    frauds = [row for row in past if row.is_fraud and row.known_at <= now.time]
    for name, length in d.CUSTOMER_FRAUD_WINDOWS.items():
        of_folded = [row for row in folded_labels(now, folded, length) if row.is_fraud]
        result[f"customer_frauds_{name}"] = sum(now.time - row.known_at < length for row in frauds) + len(of_folded)
    result["customer_fraud_age_days"] = days(now.time, [row.time for row in frauds])
    here = [row for row in past if row.terminal == now.terminal]
    result["is_new_terminal"] = not here
    result["customer_terminal_visits"] = len(here)
    result["customer_terminal_age_days"] = days(now.time, [row.time for row in here])
    for thing in ("device", "country"):
        shown = {getattr(row, thing) for row in past} - {None}
        own = getattr(now, thing)
        result[f"is_new_{thing}"] = own is not None and bool(shown) and own not in shown
    return result


def terminal_reference(now: Row, everything: list[Row]) -> dict[str, float]:
    result = {}
    past, folded = everything[-d.TERMINAL_NEWEST :], everything[: -d.TERMINAL_NEWEST]
    for name, length in d.TERMINAL_WINDOWS.items():
        in_tiles = [row for row in folded if row.time >= border(now.time, length)]
        result[f"terminal_count_{name}"] = sum(now.time - row.time < length for row in past) + len(in_tiles)
    result["terminal_hours_since_last"] = days(now.time, [row.time for row in past]) * 24
    in_month = [row for row in folded if row.time >= border(now.time, 30 * DAY)]
    mean = fmean([row.amount for row in past + in_month]) if past else 0.0
    result["terminal_ratio_mean"] = ratio(now.amount, mean)
    labelled = [row for row in past if row.known_at <= now.time]
    frauds = [row for row in labelled if row.is_fraud]
    run = 0
    while run < len(labelled) and labelled[-1 - run].is_fraud:
        run += 1
    for kind, is_of_kind in (("fraud", attrgetter("is_fraud")), ("ordinary_fraud", attrgetter("is_ordinary"))):
        chosen = [row for row in frauds if is_of_kind(row)]
        for name, length in d.RISK_WINDOWS.items():
            recent = [row for row in labelled if now.time - row.known_at < length]
            recent += folded_labels(now, folded, length)
            number = sum(map(is_of_kind, recent))
            result[f"terminal_{kind}s_{name}"] = number
            result[f"terminal_{kind}_share_{name}"] = share(number, len(recent))
        for k in d.LAST_LABELLED:
            number = sum(map(is_of_kind, labelled[-k:]))
            result[f"terminal_{kind}_share_last_{k}"] = share(number, min(k, len(labelled)))
        result[f"terminal_{kind}_age_days"] = days(now.time, [row.time for row in chosen])
        result[f"terminal_first_{kind}_age_days"] = days(now.time, [row.time for row in chosen[:1]])
        result[f"terminal_{kind}_run"] = sum(map(is_of_kind, labelled[len(labelled) - run :]))
    return result


@pytest.mark.slow
def test_every_feature_means_what_its_plain_reading_says(table: TransactionTable) -> None:
    matrix = compute_features(table)
    customers: dict[str, list[Row]] = {}
    terminals: dict[str, list[Row]] = {}
    expected = np.empty_like(matrix.vectors)
    for index, (customer, terminal, now) in enumerate(rows_of(table)):
        hour = now.time % DAY / 3600
        of_customer = customer_reference(now, customers.setdefault(customer, []))
        values = {
            "amount": now.amount,
            "amount_log": math.log1p(now.amount),
            "hour": hour,
            "is_night": hour < d.NIGHT_END_HOUR,
            "is_weekend": np.datetime64(now.time, "s").item().weekday() >= 5,
            **of_customer,
            **terminal_reference(now, terminals.setdefault(terminal, [])),
        }
        assert set(values) == set(FEATURE_NAMES)
        expected[index] = [values[name] for name in FEATURE_NAMES]
        customers[customer].append(now)
        is_ordinary = round(of_customer["customer_ratio_median"], d.RATIO_DECIMALS) <= d.ORDINARY_RATIO
        terminals[terminal].append(replace(now, is_ordinary=now.is_fraud and is_ordinary))
    for column, name in enumerate(FEATURE_NAMES):
        np.testing.assert_allclose(matrix.vectors[:, column], expected[:, column], rtol=1e-9, atol=1e-9, err_msg=name)
    # A column that never moves is not tested by this data.
    assert [name for name, moves in zip(FEATURE_NAMES, expected.std(axis=0) > 0, strict=True) if not moves] == []


@pytest.mark.slow
def test_a_sequence_holds_the_customers_last_payments_and_this_one(table: TransactionTable) -> None:
    matrix = compute_features(table)
    channel = {name: index for index, name in enumerate(SEQUENCE_CHANNELS)}
    customers: dict[str, list[Row]] = {}
    for index, (customer, _, now) in enumerate(rows_of(table)):
        past = customers.setdefault(customer, [])
        steps = [*past[-SEQUENCE_LENGTH + 1 :], now]
        sequence = matrix.sequences[index]
        assert sequence[: SEQUENCE_LENGTH - len(steps)].any() == np.False_
        filled = sequence[SEQUENCE_LENGTH - len(steps) :]
        vector = dict(zip(FEATURE_NAMES, matrix.vectors[index], strict=True))
        np.testing.assert_array_equal(filled[:, channel["present"]], 1)
        np.testing.assert_allclose(
            filled[:, channel["log_amount"]], np.log1p([step.amount for step in steps]), rtol=1e-6
        )
        times = np.array([step.time for step in steps])
        gaps = np.log1p(np.minimum(np.diff(times) / 3600, d.MAX_AGE_DAYS * 24))
        np.testing.assert_allclose(filled[1:, channel["log_gap_hours"]], gaps, rtol=1e-5, atol=1e-6)
        angle = 2 * np.pi * (times % DAY) / DAY
        np.testing.assert_allclose(filled[:, channel["hour_sin"]], np.sin(angle), atol=1e-6)
        np.testing.assert_allclose(filled[:, channel["hour_cos"]], np.cos(angle), atol=1e-6)
        known = [step.known_at <= now.time for step in steps[:-1]]
        np.testing.assert_array_equal(filled[:-1, channel["is_labelled"]], known)
        frauds = [step.is_fraud and step.known_at <= now.time for step in steps[:-1]]
        np.testing.assert_array_equal(filled[:-1, channel["is_fraud"]], frauds)
        same = [step.terminal == now.terminal for step in steps[:-1]]
        np.testing.assert_array_equal(filled[:-1, channel["is_same_terminal"]], same)
        last = filled[-1]
        assert math.isclose(math.exp(last[channel["log_ratio_median"]]), vector["customer_ratio_median"], rel_tol=1e-5)
        assert last[channel["is_new_terminal"]] == vector["is_new_terminal"]
        assert last[channel["terminal_fraud_share_30d"]] == np.float32(vector["terminal_fraud_share_30d"])
        assert last[channel["terminal_fraud_share_last_5"]] == np.float32(vector["terminal_fraud_share_last_5"])
        past.append(now)
