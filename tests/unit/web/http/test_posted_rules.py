import time
from typing import Any

import pytest

from ml.domain.label import Label
from ml.domain.transaction import Transaction
from settings import Settings
from web.http import examples
from web.http.posted_rules import (
    CARD_NUMBER_REFUSED,
    EARLIEST_POSTED_SECONDS,
    label_violation,
    transaction_violation,
)

CARD = "4111 1111 1111 1111"
BARE = CARD.replace(" ", "")


def refused(settings: Settings, check: str = "metadata", **changes: Any) -> str | None:
    transaction = Transaction.model_validate(examples.TRANSACTION | changes)
    violation = transaction_violation(transaction, settings.model_copy(update={"card_number_check": check}))
    return None if violation is None else violation.pointer


def test_an_ordinary_transaction_and_label_pass(settings: Settings) -> None:
    assert refused(settings, "all", timestamp=int(time.time())) is None
    strict = settings.model_copy(update={"card_number_check": "all"})
    assert label_violation(Label.model_validate(examples.LABEL), strict) is None


@pytest.mark.parametrize("timestamp", [0, 1, EARLIEST_POSTED_SECONDS - 1, "1999-12-31T23:59:60Z", 4_000_000_000])
def test_a_time_that_was_never_set_or_lies_far_ahead_is_refused(settings: Settings, timestamp: Any) -> None:
    expected = None if timestamp == "1999-12-31T23:59:60Z" else "/timestamp"  # which is the first moment of 2000
    assert refused(settings, timestamp=timestamp) == expected


@pytest.mark.parametrize(
    ("metadata", "pointer"),
    [
        ({"note": f"paid with {CARD}"}, "/metadata/note"),
        ({"a": "b", "no/te": BARE}, "/metadata/no~1te"),
        ({CARD: "note"}, "/metadata"),
        ({"note": "ends in 1111", "imei": "490154203237518"}, None),
        ({}, None),
    ],
)
def test_a_card_number_in_metadata_is_refused_without_being_repeated(
    settings: Settings, metadata: dict[str, str], pointer: str | None
) -> None:
    assert refused(settings, metadata=metadata) == refused(settings, "all", metadata=metadata) == pointer
    assert refused(settings, "off", metadata=metadata) is None


@pytest.mark.parametrize("name", ["transaction_id", "customer_id", "terminal_id", "device_id"])
def test_ids_are_looked_at_only_where_the_installation_says_so(settings: Settings, name: str) -> None:
    for written in (BARE, f"c:{BARE}", CARD.replace(" ", ":")):
        assert refused(settings, **{name: written}) is None
        assert refused(settings, "all", **{name: written}) == f"/{name}"


@pytest.mark.parametrize("name", ["transaction_id", "customer_id", "terminal_id", "source"])
def test_ids_of_labels_follow_the_same_setting(settings: Settings, name: str) -> None:
    label = Label.model_validate(examples.LABEL | {name: BARE})
    for check, pointer in (("off", None), ("metadata", None), ("all", f"/{name}")):
        violation = label_violation(label, settings.model_copy(update={"card_number_check": check}))
        assert (violation and violation.pointer) == pointer
        assert violation is None or violation.message == CARD_NUMBER_REFUSED


def test_a_time_too_far_ahead_names_its_bound_and_its_setting(settings: Settings) -> None:
    ahead = settings.model_copy(update={"transaction_max_future_seconds": 60})
    late = Transaction.model_validate(examples.TRANSACTION | {"timestamp": int(time.time()) + 3600})
    violation = transaction_violation(late, ahead)
    assert violation is not None
    assert "at most 60 seconds in the future (TRANSACTION_MAX_FUTURE_SECONDS)" in violation.message
