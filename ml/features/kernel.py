"""The one definition of the features: past and present in, numbers out.

Online and offline differ only in where the past comes from. Every function is vectorised over B transactions, each
with a window of at most W past entries, right-aligned: the newest entry is in the last column, unused columns are
on the left. Neither unused columns nor the other rows of a batch move any bit of a result: amounts are whole numbers
below 2^53 in total, so that their sums are exact in any order; other sums are taken in a fixed one.

Of an entity with more payments than a window holds, the earlier ones come as `TileSums`. Counts, sums, means, rates
and the numbers and shares of labels include them; features of single payments (deviations, medians, ranks, high
payments, ages, the last labelled, sequences, novelty) use the entries alone.

`ml.features.schema` declares the columns in the order in which `compute` puts them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.domain.amounts import UNITS_PER_CURRENCY_UNIT
from ml.domain.durations import DAY_SECONDS, HOUR_SECONDS
from ml.features.definition import (
    CUSTOMER_FRAUD_WINDOWS,
    DEVIATION_FLOOR,
    EWMA_DECAY,
    HABIT_HOURS,
    HIGH_RATIO,
    HIGH_WINDOWS,
    LAST_LABELLED,
    MAX_AGE_DAYS,
    MAX_RATIO,
    MAX_ZSCORE,
    MEDIAN_LENGTH,
    NIGHT_END_HOUR,
    RISK_WINDOWS,
    TERMINAL_WINDOWS,
    VELOCITY_WINDOWS,
)
from ml.features.entries import COUNTRY_MASK, LABEL_FRAUD, LABEL_ORDINARY_FRAUD, amount_units, labels
from ml.features.schema import FEATURES, SEQUENCE_CHANNELS, SEQUENCE_LENGTH
from ml.features.tile_sums import TileSums

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_FAR = 1e12  # seconds; the age of an absent entry, outside every window
_MAX_AGE_SECONDS = MAX_AGE_DAYS * DAY_SECONDS
_STEPS = SEQUENCE_LENGTH - 1
_MAX_WIDTH = 255  # counts of a window fit a byte
_EARLIER_STEPS = 32  # how far back a step of the sequence looks for its terminal


def _axis(windows: dict[str, int]) -> Floats:
    """Returns the windows' seconds as an axis before [B, W]; comparing along a leading axis is the fast way."""
    return np.array(list(windows.values()), float)[:, None, None]


_HORIZONS = {**VELOCITY_WINDOWS, **HIGH_WINDOWS}
_HORIZON_SECONDS = _axis(_HORIZONS)
_VELOCITY = slice(0, len(VELOCITY_WINDOWS))
_HIGH = [list(_HORIZONS).index(name) for name in HIGH_WINDOWS]
_CUSTOMER_FRAUD_SECONDS = _axis(CUSTOMER_FRAUD_WINDOWS)
_TERMINAL_SECONDS = _axis(TERMINAL_WINDOWS)
_RISK_SECONDS = _axis(RISK_WINDOWS)
# Where these windows stand among those of `TileSums`.
_TERMINAL = [list(VELOCITY_WINDOWS).index(name) for name in TERMINAL_WINDOWS]
_CUSTOMER_FRAUD = [list(RISK_WINDOWS).index(name) for name in CUSTOMER_FRAUD_WINDOWS]
_LAST_LABELLED = np.array(LAST_LABELLED)[:, None]
_WEIGHTS = EWMA_DECAY ** np.arange(_MAX_WIDTH)[::-1]
_WEIGHT_SUMS = np.concatenate([[1.0], _WEIGHTS[::-1].cumsum()])

_COLUMN = {feature.name: index for index, feature in enumerate(FEATURES)}
_CHANNEL = {name: index for index, name in enumerate(SEQUENCE_CHANNELS)}


def _family(name: str) -> slice:
    """Returns where a family's columns stand, side by side."""
    columns = [index for index, feature in enumerate(FEATURES) if feature.family == name]
    return slice(columns[0], columns[-1] + 1)


_AMOUNT_TIME = _family("amount_time")
_CUSTOMER_VELOCITY = _family("customer_velocity")
_CUSTOMER_NORM = _family("customer_norm")
_TERMINAL_VELOCITY = _family("terminal_velocity")
_TERMINAL_RISK = _family("terminal_risk")
_NOVELTY = _family("novelty")


@dataclass(frozen=True)
class FeatureMatrix:
    """The models' inputs for B transactions.

    Attributes:
        vectors: float64 [B, F], columns in the order of `FEATURE_NAMES`, never NaN.
        sequences: float32 [B, S, K], steps in time order, the transaction itself last.
    """

    vectors: NDArray[np.float64]
    sequences: NDArray[np.float32]


@dataclass(frozen=True)
class Windows:
    """B transactions and the past of their customer and terminal.

    Attributes:
        epoch_seconds, amount_units: [B], whole numbers.
        terminal, device, country: [B] codes as in the entries; 0 means not given.
        customer_past: [B, W] of `CUSTOMER_ENTRY`, right-aligned, those that arrived before the transaction, in order
            of arrival.
        customer_counts: [B] numbers of present entries; columns left of them are ignored.
        customer_tiles: sums over the payments before these.
        terminal_past, terminal_counts, terminal_tiles: likewise, [B, W'] of `TERMINAL_ENTRY`.
    """

    epoch_seconds: NDArray[np.int64]
    amount_units: NDArray[np.int64]
    terminal: NDArray[np.uint32]
    device: NDArray[np.uint32]
    country: NDArray[np.uint16]
    customer_past: NDArray[np.void]
    customer_counts: NDArray[np.intp]
    customer_tiles: TileSums
    terminal_past: NDArray[np.void]
    terminal_counts: NDArray[np.intp]
    terminal_tiles: TileSums


class _Past:
    """One entity's window as columns [B, W] in time order: absent entries have age `_FAR`, amount 0 and no label."""

    def __init__(self, entries: NDArray[np.void], counts: NDArray[np.intp], now: Floats) -> None:
        width = entries.shape[1]
        self.present: Bools = np.arange(width) >= (width - counts)[:, None]
        self.age: Floats = np.where(self.present, now[:, None] - entries["epoch"], _FAR)
        if (self.age[:, 1:] > self.age[:, :-1]).any() or (self.age[:, -1] < 0).any():
            entries, counts = _in_time_order(entries, counts, self.age)
            self.present = np.arange(width) >= (width - counts)[:, None]
            self.age = np.where(self.present, now[:, None] - entries["epoch"], _FAR)
        self.entries = entries
        self.number = counts.astype(np.float64)
        units = entries["amount_high"] * 4294967296.0 + entries["amount_low"]
        self.amount: Floats = units * self.present
        label = labels(entries)
        known_age = now[:, None] - entries["known_at"]
        self.is_labelled: Bools = (label > 0) & (known_age >= 0) & self.present
        self.is_fraud: Bools = (label >= LABEL_FRAUD) & self.is_labelled
        self.known_age: Floats = np.where(self.is_labelled, known_age, _FAR)


def _in_time_order(
    entries: NDArray[np.void], counts: NDArray[np.intp], age: Floats
) -> tuple[NDArray[np.void], NDArray[np.intp]]:
    """Returns the windows sorted by event time, those of one second in order of arrival, without younger entries."""
    entries, counts, width = entries.copy(), counts.copy(), entries.shape[1]
    for row in np.flatnonzero((age[:, 1:] > age[:, :-1]).any(axis=1) | (age[:, -1] < 0)):
        past = np.flatnonzero((age[row] >= 0) & (age[row] < _FAR))
        past = past[np.argsort(-age[row, past], kind="stable")]
        entries[row, width - len(past) :] = entries[row, past]
        counts[row] = len(past)
    return entries, counts


def compute(windows: Windows) -> FeatureMatrix:
    """Returns the features of every transaction given its past."""
    now = windows.epoch_seconds.astype(np.float64)
    amount = windows.amount_units.astype(np.float64)
    customer = _Past(windows.customer_past, windows.customer_counts, now)
    terminal = _Past(windows.terminal_past, windows.terminal_counts, now)
    same_terminal = (customer.entries["terminal"] == windows.terminal[:, None]) & customer.present
    median = _median(customer, amount)

    # Feature by feature in memory: each family fills its rows.
    features = np.empty((len(FEATURES), len(now)))
    _amount_time(features[_AMOUNT_TIME], now, amount)
    velocity, norm = features[_CUSTOMER_VELOCITY], features[_CUSTOMER_NORM]
    _customer(velocity, norm, customer, windows.customer_tiles, amount=amount, median=median)
    _terminal_velocity(features[_TERMINAL_VELOCITY], terminal, windows.terminal_tiles, amount)
    _terminal_risk(features[_TERMINAL_RISK], terminal, windows.terminal_tiles)
    _novelty(features[_NOVELTY], windows, customer, same_terminal)

    sequences = _sequences(customer, now, amount, median=median, same_terminal=same_terminal)
    for channel in ("is_new_terminal", "terminal_fraud_share_30d", "terminal_fraud_share_last_5"):
        sequences[:, -1, _CHANNEL[channel]] = features[_COLUMN[channel]]
    return FeatureMatrix(np.ascontiguousarray(features.T), sequences)


def ratio_to_median(
    current: NDArray[np.void], customer_past: NDArray[np.void], customer_counts: NDArray[np.intp]
) -> Floats:
    """Returns `customer_ratio_median` alone [B], which is all that a label needs.

    Args:
        current: the transactions' own entries [B].
        customer_past: as in `Windows`.
        customer_counts: as in `Windows`.
    """
    amount = amount_units(current).astype(np.float64)
    past = _Past(customer_past, customer_counts, current["epoch"].astype(np.float64))
    return _ratio(amount, _median(past, amount))


def _count(mask: Bools) -> Floats:
    """Counts along the last axis; bytes suffice, as no window is wider than `_MAX_WIDTH`."""
    counts: NDArray[np.uint8] = np.einsum("...w->...", mask.view(np.uint8))
    return counts.astype(np.float64)


def _sum(values: Floats) -> Floats:
    """Sums along the last axis from the newest on, one by one, so that padding and batch never move the last bit."""
    return np.asarray(values[..., ::-1].cumsum(axis=-1)[..., -1])


def _ratio(value: Floats, norm: Floats) -> Floats:
    """Value over norm, at most `MAX_RATIO`; 1 where there is no norm."""
    has_norm = norm > 0
    return np.where(has_norm, np.minimum(value / np.where(has_norm, norm, 1.0), MAX_RATIO), 1.0)


def _share(part: Floats, whole: Floats) -> Floats:
    return part / np.maximum(whole, 1.0)


def _days(seconds: Floats) -> Floats:
    return np.minimum(seconds, _MAX_AGE_SECONDS) / DAY_SECONDS


def _youngest(mask: Bools, age: Floats) -> Floats:
    return np.asarray(np.where(mask, age, _FAR).min(axis=-1))


def _amount_time(out: Floats, now: Floats, amount: Floats) -> None:
    """UTC throughout; 1970-01-01 was a Thursday, so that day 2 of the epoch is a Saturday."""
    out[0] = amount / UNITS_PER_CURRENCY_UNIT
    out[1] = np.log1p(out[0])
    out[2] = now % DAY_SECONDS / HOUR_SECONDS
    out[3] = out[2] < NIGHT_END_HOUR
    out[4] = (now // DAY_SECONDS + 3) % 7 >= 5


def _median(past: _Past, amount: Floats) -> Floats:
    """Median amount of the last `MEDIAN_LENGTH` payments; the amount itself where there is no past."""
    width = min(past.present.shape[1], MEDIAN_LENGTH)
    recent = np.where(past.present[:, -width:], past.amount[:, -width:], np.inf)
    recent.sort(axis=1)
    length = np.minimum(past.number, width).astype(np.intp)
    first = np.arange(len(amount)) * width
    lower, upper = np.maximum(length - 1, 0) // 2, np.minimum(length // 2, width - 1)
    middle = (recent.take(first + lower) + recent.take(first + upper)) / 2
    # At least one unit, for histories that hold payments of nothing.
    return np.maximum(np.where(length > 0, middle, amount), 1.0)


def _customer(velocity: Floats, norm: Floats, past: _Past, tiles: TileSums, *, amount: Floats, median: Floats) -> None:
    """Velocity, norm, high payments and fraud history of the customer."""
    rows, width = past.present.shape
    within = past.age < _HORIZON_SECONDS
    counts = _count(within)
    # As the past is sorted, a window is the k newest entries: running totals from the newest on hold all sums.
    last = np.arange(rows) * width + np.maximum(counts.astype(np.intp) - 1, 0)
    is_filled = counts > 0
    sums = past.amount[:, ::-1].cumsum(axis=1).take(last[_VELOCITY]) * is_filled[_VELOCITY]
    distances = (past.amount - _share(sums, counts[_VELOCITY])[:, :, None]) * within[_VELOCITY]
    deviations = np.sqrt(_share(_sum(distances * distances), counts[_VELOCITY]))
    all_counts, all_sums = counts[_VELOCITY] + tiles.counts, sums + tiles.amounts
    means, number = _share(all_sums, all_counts), past.number + tiles.counts[-1]
    velocity[0:4] = all_counts
    velocity[4:8] = all_sums / UNITS_PER_CURRENCY_UNIT
    velocity[8:12] = means / UNITS_PER_CURRENCY_UNIT
    velocity[12:16] = deviations / UNITS_PER_CURRENCY_UNIT
    velocity[16] = number
    velocity[17] = np.minimum(past.age[:, -1], _MAX_AGE_SECONDS) / HOUR_SECONDS
    span = np.maximum((past.age * past.present).max(axis=1), tiles.span)
    velocity[18] = number / np.maximum(span / DAY_SECONDS, 1.0)
    velocity[19] = _ratio(all_counts[1] + 1.0, velocity[18])

    weighted_mean = _sum(past.amount * _WEIGHTS[-width:]) / _WEIGHT_SUMS[past.number.astype(np.intp)]
    spreads = np.maximum(deviations[2:4], DEVIATION_FLOOR * means[2:4])
    scores = (amount - means[2:4]) / np.maximum(spreads, 1e-9)
    norm[0:2] = _ratio(amount, means[2:4])
    norm[2:4] = np.where(spreads > 0, np.minimum(np.maximum(scores, -MAX_ZSCORE), MAX_ZSCORE), 0.0)
    norm[4:7] = _ratio(amount, np.array([median, weighted_mean, past.amount.max(axis=1)]))
    norm[7] = _share(_count((past.amount < amount[:, None]) & past.present), past.number)
    norm[8] = _hour_share(past)

    ratios = np.minimum(past.amount / median[:, None], MAX_RATIO)
    highs = (ratios[:, ::-1] >= HIGH_RATIO).cumsum(axis=1)
    norm[9:13] = highs.take(last[_HIGH]) * is_filled[_HIGH]
    norm[13:17] = _share(norm[9:13], counts[_HIGH])
    norm[17:21] = np.maximum.accumulate(ratios[:, ::-1], axis=1).take(last[_HIGH]) * is_filled[_HIGH]
    norm[21:23] = _count((past.known_age < _CUSTOMER_FRAUD_SECONDS) & past.is_fraud)
    norm[21:23] += tiles.labels[1, _CUSTOMER_FRAUD]
    norm[23] = _days(_youngest(past.is_fraud, past.age))


def _hour_share(past: _Past) -> Floats:
    """Share of past payments within `HABIT_HOURS` of this time of day, around midnight too."""
    apart = past.age % DAY_SECONDS
    is_near = np.minimum(apart, DAY_SECONDS - apart) <= HABIT_HOURS * HOUR_SECONDS
    return _share(_count(is_near & past.present), past.number)


def _terminal_velocity(out: Floats, past: _Past, tiles: TileSums, amount: Floats) -> None:
    out[0:3] = _count(past.age < _TERMINAL_SECONDS) + tiles.counts[_TERMINAL]
    out[3] = np.minimum(past.age[:, -1], _MAX_AGE_SECONDS) / HOUR_SECONDS
    out[4] = _ratio(amount, _share(past.amount.sum(axis=1) + tiles.amounts[-1], past.number + tiles.counts[-1]))


def _terminal_risk(out: Floats, past: _Past, tiles: TileSums) -> None:
    """The same for all frauds and, in the second half of the rows, for the ordinary ones."""
    is_known = past.known_age < _RISK_SECONDS
    # Rank 1 is the newest labelled payment by event time.
    rank = past.is_labelled[:, ::-1].cumsum(axis=1)[:, ::-1]
    is_last = rank <= _LAST_LABELLED[:, :, None]
    is_after_legitimate = (past.is_labelled & ~past.is_fraud)[:, ::-1].cumsum(axis=1)[:, ::-1] == 0
    is_ordinary = (labels(past.entries) == LABEL_ORDINARY_FRAUD) & past.is_fraud
    kinds = np.array([past.is_fraud, is_ordinary])
    rows = out.reshape(len(kinds), -1, out.shape[1])
    rows[:, 0:4] = _count(is_known & kinds[:, None]) + tiles.labels[1:]
    rows[:, 4:8] = _share(rows[:, 0:4], _count(is_known) + tiles.labels[0])
    rows[:, 8:11] = _share(_count(is_last & kinds[:, None]), np.minimum(rank[:, 0], _LAST_LABELLED))
    rows[:, 11] = _days(_youngest(kinds, past.age))
    oldest = np.where(kinds, past.age, -1.0).max(axis=-1)
    rows[:, 12] = _days(np.where(oldest < 0, _FAR, oldest))
    rows[:, 13] = _count(is_after_legitimate & kinds)


def _novelty(out: Floats, windows: Windows, past: _Past, same_terminal: Bools) -> None:
    """A device or country is new only to a customer who has shown one before."""
    out[1] = _count(same_terminal)
    out[0] = out[1] == 0
    out[2] = _days(_youngest(same_terminal, past.age))
    out[3] = _is_new(past.entries["device"] * past.present, windows.device)
    out[4] = _is_new((past.entries["tag"] & COUNTRY_MASK) * past.present, windows.country)


def _is_new(earlier: NDArray[np.integer], own: NDArray[np.integer]) -> Bools:
    is_seen = (earlier == own[:, None]).any(axis=1)
    return np.asarray((own > 0) & earlier.any(axis=1) & ~is_seen)


def _sequences(
    past: _Past, now: Floats, amount: Floats, *, median: Floats, same_terminal: Bools
) -> NDArray[np.float32]:
    """Returns the customer's last payments and the current one; the caller fills in novelty and risk."""
    rows, width = past.present.shape
    steps = min(width, _STEPS)
    ages = np.full((rows, SEQUENCE_LENGTH + 1), _FAR)  # one more for the gap before the first step
    reach = min(width, SEQUENCE_LENGTH)
    ages[:, SEQUENCE_LENGTH - reach : -1] = past.age[:, width - reach :]
    ages[:, -1] = 0.0
    amounts = np.zeros((rows, SEQUENCE_LENGTH))
    amounts[:, _STEPS - steps : -1] = past.amount[:, width - steps :]
    amounts[:, -1] = amount
    gap_hours = np.minimum(ages[:, :-1] - ages[:, 1:], _MAX_AGE_SECONDS) / HOUR_SECONDS
    angle = (now[:, None] - ages[:, 1:]) % DAY_SECONDS * (2 * np.pi / DAY_SECONDS)
    present = ages[:, 1:] < _FAR

    result = np.zeros((rows, SEQUENCE_LENGTH, len(SEQUENCE_CHANNELS)), np.float32)
    result[:, :, 0] = present
    result[:, :, 1] = np.log1p(amounts / UNITS_PER_CURRENCY_UNIT)
    result[:, :, 2] = np.log1p(gap_hours) * present
    result[:, :, 3] = np.sin(angle) * present
    result[:, :, 4] = np.cos(angle) * present
    result[:, :, 5] = np.log(np.maximum(amounts, 1.0) / median[:, None]) * present
    earlier, recent = result[:, _STEPS - steps : -1], slice(width - steps, width)
    earlier[:, :, 6] = _first_visits(past, steps)
    earlier[:, :, 7] = same_terminal[:, recent]
    earlier[:, :, 8] = past.is_labelled[:, recent]
    earlier[:, :, 9] = past.is_fraud[:, recent]
    return result


def _first_visits(past: _Past, steps: int) -> Bools:
    """For each of the last steps: is its terminal absent from the payments before it, `_EARLIER_STEPS` back?"""
    width = min(past.present.shape[1], _EARLIER_STEPS)
    terminals = past.entries["terminal"][:, -width:] * past.present[:, -width:]
    is_before = np.arange(width) < np.arange(width - steps, width)[:, None]
    is_seen = ((terminals[:, None, :] == terminals[:, width - steps :, None]) & is_before).any(axis=2)
    return np.asarray(~is_seen & past.present[:, -steps:])
