"""The bounded history of an entity: a ring of packed entries, oldest first, as bytes.

One layout serves the online stores, the backfill and the offline executor. Numbers are little-endian:

| bytes | field | meaning |
| --- | --- | --- |
| 0-7 | transaction | 64-bit hash of the transaction id |
| 8-11 | epoch | event time, epoch seconds |
| 12-15 | known_at | when the label became known; 2^32 - 1 while it is not |
| 16-21 | amount | 1e-4 currency units: low 4 bytes, high 2 bytes |
| 22-23 | tag | country in the low 10 bits, label in the top 2 |
| 24-27 | terminal | 32-bit hash of the terminal id (customer rings only) |
| 28-31 | device | 32-bit hash of the device id, 0 if none (customer rings only) |

Labels: 0 unknown, 1 legitimate, 2 fraud, 3 ordinary fraud: one whose amount does not stand out among its customer's
payments, so that something other than the amount must have given it away. A terminal's ring does not know its
customers' habits; therefore the label brings the judgement along (`label_code`).

A ring is sorted by event time; entries of the same second stand in order of arrival. Of all entries that ever
arrived it holds the newest by event time, up to its capacity. `ml/stores/lua/features_observe.lua` and
`features_label.lua` do to a ring in Redis what `insert` and `relabel` do here.
"""

import struct
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from ml.features.definition import CUSTOMER_RING_CAPACITY, ORDINARY_RATIO, RATIO_DECIMALS, TERMINAL_RING_CAPACITY
from ml.table import NEVER
from ml.transaction import Transaction

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
TERMINAL_RING_BYTES = TERMINAL_RING_CAPACITY * TERMINAL_ENTRY.itemsize
CUSTOMER_RING_BYTES = CUSTOMER_RING_CAPACITY * CUSTOMER_ENTRY.itemsize

LABEL_SHIFT = 14
COUNTRY_MASK = (1 << 10) - 1
LABEL_LEGITIMATE, LABEL_FRAUD, LABEL_ORDINARY_FRAUD = 1, 2, 3

_TERMINAL_PACK = struct.Struct("<QIIIHH")
_CUSTOMER_PACK = struct.Struct("<QIIIHHII")
_EPOCH_OFFSET, _KNOWN_OFFSET, _TAG_HIGH_OFFSET = 8, 12, 23


def transaction_key(transaction_id: str) -> int:
    """Returns the 64-bit hash by which rings recognise a transaction."""
    return int.from_bytes(blake2b(transaction_id.encode(), digest_size=8).digest(), "little")


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
    """Tells which ratios of payments to their customers' medians do not stand out."""
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


def encode(transaction: Transaction) -> tuple[bytes, bytes]:
    """Returns the transaction's unlabelled entry for its customer's and for its terminal's ring."""
    units = transaction.amount_units
    common = (
        transaction_key(transaction.transaction_id),
        transaction.epoch_seconds,
        NEVER,
        units & 0xFFFFFFFF,
        units >> 32,
        country_code(transaction.country),
    )
    places = (short_hash(transaction.terminal_id), short_hash(transaction.device_id))
    return _CUSTOMER_PACK.pack(*common, *places), _TERMINAL_PACK.pack(*common)


def find(ring: bytes, key: bytes, entry_bytes: int) -> int:
    """Returns the offset of the entry that starts with the 8 bytes of `key`, -1 if there is none."""
    at = ring.find(key)
    while at > 0 and at % entry_bytes:
        at = ring.find(key, at + 1)
    return at


def insert(ring: bytes, entry: bytes, *, capacity_bytes: int) -> tuple[bytes, bytes]:
    """Returns the past of the entry within the ring, and the ring with the entry.

    The past is what lies before the entry in event time. An entry whose transaction is already there changes
    nothing and gets the same past again.
    """
    size = len(entry)
    found = find(ring, entry[:8], size)
    if found >= 0:
        return ring[:found], ring
    epoch = int.from_bytes(entry[_EPOCH_OFFSET : _EPOCH_OFFSET + 4], "little")
    cut = len(ring)
    while cut and int.from_bytes(ring[cut - size + _EPOCH_OFFSET :][:4], "little") > epoch:
        cut -= size
    return ring[:cut], (ring[:cut] + entry + ring[cut:])[-capacity_bytes:]


def relabel(ring: bytes, key: int, *, entry_bytes: int, label: int, known_at: int) -> bytes | None:
    """Returns the ring with the transaction's label set, None if the transaction is not in the ring.

    The same outcome once more changes nothing, unless it was known earlier; another outcome replaces the label.
    """
    at = find(ring, key.to_bytes(8, "little"), entry_bytes)
    if at < 0:
        return None
    tag_high = ring[at + _TAG_HIGH_OFFSET]
    old_label, old_known_at = tag_high >> 6, int.from_bytes(ring[at + _KNOWN_OFFSET :][:4], "little")
    is_same_outcome = old_label > 0 and (old_label >= LABEL_FRAUD) == (label >= LABEL_FRAUD)
    if is_same_outcome and old_known_at <= known_at:
        return ring
    changed = bytearray(ring)
    changed[at + _KNOWN_OFFSET : at + _KNOWN_OFFSET + 4] = known_at.to_bytes(4, "little")
    changed[at + _TAG_HIGH_OFFSET] = tag_high % 64 + label * 64
    return bytes(changed)
