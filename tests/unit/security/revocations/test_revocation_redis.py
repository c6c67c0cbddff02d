import logging

import orjson
import pytest

from security.revocations.revocation import LAST_SECOND
from security.revocations.revocation_redis import readable_entries

GOOD = {"revoked_at": 1, "expires_at": LAST_SECOND, "reason": "", "by": "x"}


@pytest.mark.parametrize(
    "foreign",
    [
        b'{"revoked_at":1,"expires_at":1e308,"reason":"","by":"x"}',
        b'{"revoked_at":1,"expires_at":1e999,"reason":"","by":"x"}',
        orjson.dumps(GOOD | {"expires_at": LAST_SECOND + 1}),
        orjson.dumps(GOOD | {"revoked_at": -1}),
        orjson.dumps(GOOD | {"revoked_at": LAST_SECOND + 1}),
        orjson.dumps(GOOD | {"expires_at": -1}),
    ],
)
def test_an_entry_with_a_time_that_nobody_can_show_is_named_and_hides_no_other(
    foreign: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        entries = readable_entries({b"token:foreign": foreign, b"token:good": orjson.dumps(GOOD)})
    assert [(entry.name, entry.expires_at) for entry in entries] == [("good", LAST_SECOND)]
    assert "token:foreign" in caplog.text


def test_an_entry_whose_clock_was_ahead_is_obeyed() -> None:
    (entry,) = readable_entries({b"token:t": orjson.dumps(GOOD | {"revoked_at": 3, "expires_at": 2})})
    assert (entry.revoked_at, entry.expires_at) == (3, 2)
