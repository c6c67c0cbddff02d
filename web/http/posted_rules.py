"""What an installation refuses of posted transactions and labels though their schema allows it.

The schema also reads files of old payments and records of another installation, which may hold any time and metadata.
"""

import time
from typing import Final

from ml.domain.label import Label
from ml.domain.transaction import Transaction
from security.masking.card_schemes import holds_card_number
from settings import Settings
from web.http.errors import Violation

EARLIEST_POSTED_SECONDS: Final = 946_684_800  # 2000-01-01
CARD_NUMBER_REFUSED: Final = "must hold no card number: send a token of yours, or the last four digits"
_TRANSACTION_IDS: Final = ("transaction_id", "customer_id", "terminal_id", "device_id")
_LABEL_IDS: Final = ("transaction_id", "customer_id", "terminal_id", "source")


def transaction_violation(transaction: Transaction, settings: Settings) -> Violation | None:
    """Returns why this installation refuses the transaction; None if it does not."""
    timestamp = transaction.timestamp
    if timestamp > time.time() + settings.transaction_max_future_seconds:
        ahead = settings.transaction_max_future_seconds
        return Violation(
            "/timestamp",
            f"must lie at most {ahead} seconds in the future (TRANSACTION_MAX_FUTURE_SECONDS): send when the payment "
            "was made, with its time zone",
        )
    if timestamp < EARLIEST_POSTED_SECONDS:
        return Violation("/timestamp", "must not lie before 2000: so does a time that was never set")
    check = settings.card_number_check
    if check == "off":
        return None
    # Looked through at once, because nearly always nothing is found; no number goes on behind a bar.
    metadata = transaction.metadata
    if metadata and holds_card_number("|".join((*metadata, *metadata.values()))):
        return Violation(_place_of_card_number(metadata), CARD_NUMBER_REFUSED)
    return _id_violation(transaction, _TRANSACTION_IDS) if check == "all" else None


def label_violation(label: Label, settings: Settings) -> Violation | None:
    """Returns why this installation refuses the label; None if it does not."""
    if label.labelled_at > time.time() + settings.hmac_max_skew_seconds:
        return Violation("/labelled_at", "must not lie in the future: send when the outcome became known")
    if label.labelled_at < EARLIEST_POSTED_SECONDS:
        return Violation("/labelled_at", "must not lie before 2000: so does a time that was never set")
    return _id_violation(label, _LABEL_IDS) if settings.card_number_check == "all" else None


def order_violation(label: Label, known_since: float, settings: Settings) -> Violation | None:
    """Returns why a label is refused of a payment that nobody can have judged before `known_since`, epoch seconds."""
    if label.labelled_at < known_since - settings.hmac_max_skew_seconds:
        return Violation("/labelled_at", "must not lie before the payment itself")
    return None


def _place_of_card_number(metadata: dict[str, str]) -> str:
    """Returns a pointer to the first entry that holds one; an entry whose name does is not named."""
    for name, text in metadata.items():
        if holds_card_number(name):
            break
        if holds_card_number(text):
            return "/metadata/" + name.replace("~", "~0").replace("/", "~1")
    return "/metadata"


def _id_violation(posted: Transaction | Label, names: tuple[str, ...]) -> Violation | None:
    for name in names:
        if holds_card_number(getattr(posted, name) or ""):
            return Violation(f"/{name}", CARD_NUMBER_REFUSED)
    return None
