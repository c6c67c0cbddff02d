"""Synthetic transactions for a deployment that runs: plausible, new each time, and known by their names.

Every id begins with `synthetic-`, so that whoever meets one in a store, a topic or a report knows what it is.
"""

import random
import time
from typing import Any
from uuid import uuid4

PREFIX = "synthetic-"
_LEAST_CUSTOMERS, _MOST_CUSTOMERS, _PAYMENTS_A_CUSTOMER = 200, 50_000, 10
_TERMINALS = 300
_CHANNELS = ("pos", "ecom", "atm", "transfer", "mobile")
_COUNTRIES = ("DE", "FR", "ES", "IT", "NL", "PL")
_CATEGORIES = ("5411", "5812", "5999", "4111", "5541")


class SyntheticTransactions:
    """Makes one transaction after the other.

    Args:
        expected: about how many will be asked for; so many customers share them that each pays a few times, as a
            device's rate limit expects of a person.
        seed: of everything but ids and times; different each time by default.
    """

    def __init__(self, expected: int, *, seed: int | None = None) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - amounts and customers, no secret
        self._customers = min(max(_LEAST_CUSTOMERS, expected // _PAYMENTS_A_CUSTOMER), _MOST_CUSTOMERS)

    def next(self) -> dict[str, Any]:
        """Returns the wire form of a transaction that happens now."""
        chance = self._chance
        customer = chance.randrange(self._customers)
        return {
            "transaction_id": f"{PREFIX}{uuid4().hex}",
            "timestamp": round(time.time(), 3),
            "customer_id": f"{PREFIX}C{customer}",
            "terminal_id": f"{PREFIX}T{chance.randrange(_TERMINALS)}",
            "amount": f"{chance.lognormvariate(3.5, 0.8):.2f}",
            "currency": "EUR",
            "channel": chance.choice(_CHANNELS),
            "country": chance.choice(_COUNTRIES),
            "merchant_category": chance.choice(_CATEGORIES),
            "device_id": f"{PREFIX}D{customer}",
        }
