"""Transactions for the end-to-end tests."""

import itertools
import time
from typing import Any

_numbers = itertools.count(1)


def transaction(**fields: Any) -> dict[str, Any]:
    """Returns a valid transaction with an id of its own."""
    return {
        "transaction_id": f"e2e-{time.time_ns()}-{next(_numbers)}",
        "timestamp": time.time(),
        "customer_id": "C000001",
        "terminal_id": "T000001",
        "amount": "42.50",
        "currency": "EUR",
        "channel": "ecom",
        **fields,
    }
