"""Entries: the packed record of one payment in a history.

One layout serves the online stores, the backfill and the offline executor. Numbers are little-endian:

| bytes | field | meaning |
| --- | --- | --- |
| 0-7 | transaction | 64-bit hash of the transaction id |
| 8-11 | epoch | event time, epoch seconds |
| 12-15 | known_at | when the label became known; 2^32 - 1 while it is not |
| 16-21 | amount | 1e-4 currency units: low 4 bytes, high 2 bytes |
| 22-23 | tag | country in the low 10 bits, label in the top 2 |
| 24-27 | terminal | 32-bit hash of the terminal id (customers only) |
| 28-31 | device | 32-bit hash of the device id, 0 if none (customers only) |

Labels: 0 unknown, 1 legitimate, 2 fraud, 3 ordinary fraud: one whose amount does not stand out among its customer's
payments, so that something other than the amount must have given it away. A terminal's history does not hold its
customers' habits; therefore the label carries this distinction (`label_code`).
"""

import struct
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from ml.data.table import NEVER
from ml.domain.transaction import Transaction
from ml.features.definition import ORDINARY_RATIO, RATIO_DECIMALS

_COMMON_FIELDS = [
    ("transaction", "<u8"),
    ("epoch", "<u4"),
    ("known_at", "<u4"),
    ("amount_low", "<u4"),
    ("amount_high", "<u2"),
    ("tag", "<u2"),
]
TERMINAL_ENTRY = np.dtype(_COMMON_FIELDS)
CUSTOMER_ENTRY = np.dtype([*_COMMON_FIELDS, ("terminal", "<u4"), ("device", "<u4")])

LABEL_SHIFT = 14
COUNTRY_MASK = (1 << 10) - 1
LABEL_LEGITIMATE, LABEL_FRAUD, LABEL_ORDINARY_FRAUD = 1, 2, 3

KEY_BYTES = 8
_TERMINAL_PACK = struct.Struct("<QIIIHH")
_CUSTOMER_PACK = struct.Struct("<QIIIHHII")


def transaction_key(transaction_id: str) -> bytes:
    """Returns the 64-bit hash by which histories recognise a transaction."""
    return blake2b(transaction_id.encode(), digest_size=KEY_BYTES).digest()


def short_hash(name: str | None) -> int:
    """Returns a 32-bit hash of an id, never 0; 0 for None.

    Two devices of one customer share a hash with probability 2^-32, which then hides one of them as new.
    """
    if name is None:
        return 0
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "little") or 1


def country_code(country: str | None) -> int:
    """Returns 1 to 676 for a pair of capital letters, 0 for None.

    >>> country_code("AA"), country_code("ZZ"), country_code(None)
    (1, 676, 0)
    """
    return 0 if country is None else 1 + 26 * (ord(country[0]) - 65) + ord(country[1]) - 65


def is_ordinary(amount_ratio: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Returns whether each ratio of a payment to its customer's median is ordinary: it does not stand out."""
    return np.asarray(np.round(amount_ratio, RATIO_DECIMALS) <= ORDINARY_RATIO)


def label_code(*, is_fraud: bool, amount_ratio: float | None) -> int:
    """Returns the label of an entry; a fraud whose ratio to its customer's median is not known is not ordinary.

    >>> label_code(is_fraud=True, amount_ratio=1.2), label_code(is_fraud=True, amount_ratio=None)
    (3, 2)
    """
    if not is_fraud:
        return LABEL_LEGITIMATE
    if amount_ratio is not None and is_ordinary(np.array(amount_ratio)):
        return LABEL_ORDINARY_FRAUD
    return LABEL_FRAUD


def is_same_outcome(label: int, other: int) -> bool:
    """Returns whether two labels name the same outcome; an ordinary fraud is a fraud."""
    return (label >= LABEL_FRAUD) == (other >= LABEL_FRAUD) and min(label, other) > 0


def encode(transaction: Transaction) -> tuple[bytes, bytes]:
    """Returns the transaction's unlabelled entry for its customer's and for its terminal's history."""
    units = transaction.amount_units
    common = (
        int.from_bytes(transaction_key(transaction.transaction_id), "little"),
        transaction.epoch_seconds,
        NEVER,
        units & 0xFFFFFFFF,
        units >> 32,
        country_code(transaction.country),
    )
    places = (short_hash(transaction.terminal_id), short_hash(transaction.device_id))
    return _CUSTOMER_PACK.pack(*common, *places), _TERMINAL_PACK.pack(*common)


def amount_units(entries: NDArray[np.void]) -> NDArray[np.int64]:
    """Returns the entries' amounts in 1e-4 currency units."""
    units: NDArray[np.int64] = entries["amount_high"].astype(np.int64) << 32 | entries["amount_low"]
    return units


def labels(entries: NDArray[np.void]) -> NDArray[np.uint16]:
    """Returns the entries' labels, whether or not they are known yet at some moment."""
    return np.asarray(entries["tag"] >> LABEL_SHIFT)
