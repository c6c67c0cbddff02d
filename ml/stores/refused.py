"""An item that a store did not take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a store did not take an item.

    Attributes:
        reason: the store's own words.
        is_certain: whether the item itself is known to be at fault: too large, or not to be encoded. Otherwise the
            store may be refusing everybody just now, by a rule or a permission; only what it does with other items
            tells.
        is_deferred: whether only that part of the store is away on which this item depends: it must come again.
    """

    reason: str
    is_certain: bool = False
    is_deferred: bool = False
