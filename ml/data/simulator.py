"""A simulator of card payments with fraud, for demonstrations, tests and cold starts.

Customers and terminals lie in a square plane. Each customer pays at terminals around home, with usual hours, pace,
mean amount and devices, and mostly in the home country. Three fraud patterns are added:

1. payments above a fixed limit, by any customer;
2. a terminal is compromised: every payment there is fraud until it is cleaned;
3. a customer's card data leaks: a third of the payments are the thief's, at several times the usual amount, some from
   an unknown device or country.

The idea of the patterns is that of the simulated data of the Fraud Detection Handbook (Le Borgne et al., 2022).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import numpy as np
from numpy.typing import NDArray

from ml.data.table import Column, TransactionTable
from ml.domain.amounts import UNITS_PER_CURRENCY_UNIT
from ml.domain.durations import DAY_SECONDS, HOUR_SECONDS

_PLANE = 100.0
_CENT_UNITS = UNITS_PER_CURRENCY_UNIT // 100
_COUNTRIES = ("DE", "FR", "IT", "ES", "NL", "AT", "PL", "US", "GB", "CH")
_COUNTRY_SHARES = (0.4, 0.2, 0.12, 0.1, 0.06, 0.04, 0.03, 0.02, 0.02, 0.01)
_CHANNELS = ("pos", "ecom", "atm", "mobile")
_CHANNEL_SHARES = (0.6, 0.25, 0.05, 0.1)
_DEVICE_CHANNELS = (1, 3)  # ecom and mobile
_MERCHANT_CATEGORIES = ("5411", "5812", "5541", "5999", "5732", "7011", "5912", "4111")


@dataclass(frozen=True)
class Patterns:
    """How often and how fraud strikes; the defaults give about one fraud in a hundred payments.

    Attributes:
        amount_limit: payments above it are fraud, currency units.
        terminals_per_day: share of terminals compromised on a day.
        terminal_days: how long a terminal stays compromised.
        customers_per_day: share of customers whose data leaks on a day.
        customer_days: how long the thief goes on.
        theft_share: share of a victim's payments that are the thief's.
        theft_factor: the thief's amounts relative to the victim's.
    """

    amount_limit: float = 220.0
    terminals_per_day: float = 2e-4
    terminal_days: int = 28
    customers_per_day: float = 6e-4
    customer_days: int = 14
    theft_share: float = 1 / 3
    theft_factor: float = 5.0


@dataclass(frozen=True)
class _Customers:
    """Each customer's habits: arrays over customers."""

    payments_per_day: NDArray[np.float64]
    mean_amount: NDArray[np.float64]
    usual_hour: NDArray[np.float64]
    country: NDArray[np.int32]
    devices: NDArray[np.int64]
    reach_start: NDArray[np.int64]  # customer i reaches reachable[reach_start[i] : reach_start[i + 1]]
    reachable: NDArray[np.int32]


def simulate(
    *,
    customers: int,
    terminals: int,
    days: int,
    seed: int,
    start: date = date(2026, 1, 1),
    label_delay_days: float = 7.0,
    patterns: Patterns = Patterns(),
) -> TransactionTable:
    """Returns about 1.9 payments per customer and day, all labelled, each label known after the delay.

    The same arguments give the same table. Transaction ids are 1, 2, … in time order.
    """
    rng = np.random.default_rng(seed)
    people = _customers(rng, customers, terminals)
    customer, day = _calendar(rng, people.payments_per_day, days)
    rows = len(customer)
    hour = (people.usual_hour[customer] + rng.normal(0.0, 3.5, rows)) % 24.0
    second = day * DAY_SECONDS + (hour * HOUR_SECONDS).astype(np.int64)
    order = np.argsort(second, kind="stable")
    customer, day, second = customer[order], day[order], second[order]

    terminal = _choose_terminals(rng, people, customer)
    # Gamma of shape 4: always positive, deviation half the mean.
    amount = people.mean_amount[customer] * rng.gamma(4.0, 0.25, rows)
    scenario = np.zeros(rows, np.int8)
    scenario[amount > patterns.amount_limit] = 1
    compromised = _episodes(rng, terminals, days, rate=patterns.terminals_per_day, length=patterns.terminal_days)
    scenario[compromised[terminal, day]] = 2
    robbed = _episodes(rng, customers, days, rate=patterns.customers_per_day, length=patterns.customer_days)
    is_theft = robbed[customer, day] & (rng.random(rows) < patterns.theft_share)
    scenario[is_theft] = 3
    amount[is_theft] *= patterns.theft_factor

    channel = rng.choice(len(_CHANNELS), terminals, p=_CHANNEL_SHARES).astype(np.int32)[terminal]
    epoch = second + int(datetime.combine(start, time(), UTC).timestamp())
    return TransactionTable.build(
        transaction_id=np.arange(1, rows + 1),
        epoch_seconds=epoch,
        amount_units=np.maximum(np.rint(amount * 100).astype(np.int64), 1) * _CENT_UNITS,
        customer_id=Column(customer.astype(np.int32), tuple(f"C{number:06d}" for number in range(customers))),
        terminal_id=Column(terminal, tuple(f"T{number:06d}" for number in range(terminals))),
        device_id=_devices(rng, people, customer, has_device=np.isin(channel, _DEVICE_CHANNELS), is_theft=is_theft),
        country=_countries(rng, people.country[customer], is_theft=is_theft),
        channel=Column(channel, _CHANNELS),
        currency=Column.constant("EUR", rows),
        merchant_category=Column(
            rng.integers(0, len(_MERCHANT_CATEGORIES), terminals, np.int32)[terminal], _MERCHANT_CATEGORIES
        ),
        is_fraud=(scenario > 0).astype(np.int8),
        label_known_at=epoch + round(label_delay_days * DAY_SECONDS),
        scenario=scenario,
    )


def _customers(rng: np.random.Generator, customers: int, terminals: int) -> _Customers:
    homes = rng.random((customers, 2)) * _PLANE
    places = rng.random((terminals, 2)) * _PLANE
    # A radius that holds about 50 terminals on average, whatever their number.
    wanted = np.minimum(rng.lognormal(np.log(45.0), 0.4, customers), terminals)
    radius = _PLANE * np.sqrt(wanted / (np.pi * terminals))
    reachable, numbers = [], np.empty(customers, np.int64)
    step = max(1, 4_000_000 // terminals)  # bounds the distance matrix to 32 MB
    for first in range(0, customers, step):
        part = slice(first, first + step)
        squared = ((homes[part, None, :] - places[None, :, :]) ** 2).sum(axis=2)
        is_near = squared <= radius[part, None] ** 2
        is_near[np.arange(len(squared)), squared.argmin(axis=1)] = True
        reachable.append(np.nonzero(is_near)[1].astype(np.int32))
        numbers[part] = is_near.sum(axis=1)
    return _Customers(
        payments_per_day=rng.gamma(3.0, 1.9 / 3.0, customers),
        mean_amount=np.clip(rng.lognormal(np.log(40.0), 0.6, customers), 4.0, 95.0),
        usual_hour=rng.normal(13.5, 2.5, customers),
        country=rng.choice(len(_COUNTRIES), customers, p=_COUNTRY_SHARES).astype(np.int32),
        devices=rng.integers(1, 4, customers),
        reach_start=np.concatenate([[0], np.cumsum(numbers)]),
        reachable=np.concatenate(reachable),
    )


def _calendar(
    rng: np.random.Generator, payments_per_day: NDArray[np.float64], days: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns customer and day of every payment."""
    numbers = rng.poisson(payments_per_day[:, None], (len(payments_per_day), days)).ravel()
    cell = np.repeat(np.arange(len(numbers)), numbers)
    return cell // days, cell % days


def _choose_terminals(rng: np.random.Generator, people: _Customers, customer: NDArray[np.int64]) -> NDArray[np.int32]:
    """Returns a terminal per payment: squaring the draw makes favourites, the offset varies them by customer."""
    start = people.reach_start[customer]
    number = people.reach_start[customer + 1] - start
    offset = rng.integers(0, 2**31, len(people.country))[customer]
    return people.reachable[start + ((rng.random(len(customer)) ** 2 * number).astype(np.int64) + offset) % number]


def _episodes(rng: np.random.Generator, entities: int, days: int, *, rate: float, length: int) -> NDArray[np.bool_]:
    """Returns [entities, days]: is the entity in an episode? Episodes of before the first day go on in it."""
    first_days = np.arange(-length + 1, days)
    starts = np.repeat(first_days, rng.poisson(rate * entities, len(first_days)))
    struck = np.zeros((entities, days), bool)
    for entity, first in zip(rng.integers(0, entities, len(starts)), starts, strict=True):
        struck[entity, max(first, 0) : first + length] = True
    return struck


def _devices(
    rng: np.random.Generator,
    people: _Customers,
    customer: NDArray[np.int64],
    *,
    has_device: NDArray[np.bool_],
    is_theft: NDArray[np.bool_],
) -> Column:
    """Own devices, rarely a new one; the thief's own device in most thefts."""
    rows = len(customer)
    own = (rng.random(rows) * people.devices[customer]).astype(np.int64)
    first_own = np.concatenate([[0], np.cumsum(people.devices)])
    names = [f"D{owner:06d}-{number}" for owner, count in enumerate(people.devices) for number in range(count)]
    is_new = has_device & (rng.random(rows) < np.where(is_theft, 0.7, 0.003))
    codes = np.where(has_device, first_own[customer] + own, -1)
    codes[is_new] = len(names) + np.arange(int(is_new.sum()))
    names.extend(f"N{number:06d}" for number in range(int(is_new.sum())))
    return Column(codes.astype(np.int32), tuple(names))


def _countries(rng: np.random.Generator, home: NDArray[np.int32], *, is_theft: NDArray[np.bool_]) -> Column:
    is_abroad = rng.random(len(home)) < np.where(is_theft, 0.3, 0.01)
    abroad = rng.integers(0, len(_COUNTRIES), len(home), np.int32)
    return Column(np.where(is_abroad, abroad, home).astype(np.int32), _COUNTRIES)
