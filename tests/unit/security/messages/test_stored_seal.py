import logging

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.errors import MessageRejectedError
from security.messages.message_signer import MessageSigner
from security.messages.stored_seal import SEAL_LENGTH, StoredSeal, close, split

SEAL = StoredSeal(MessageSigner(b"k" * 32), "a.purpose")


@given(st.dictionaries(st.text(), st.text(), min_size=1))
def test_a_sealed_object_is_json_and_gives_back_what_was_sealed(content: dict[str, str]) -> None:
    json = orjson.dumps(content)
    sealed = close(json, SEAL.sign("a", json))
    assert split(sealed) == (json, SEAL.sign("a", json))
    members = orjson.loads(sealed)
    assert members | content == members | content | ({} if "seal" in content else {"seal": members["seal"]})
    assert len(SEAL.sign("a", json)) == SEAL_LENGTH


@pytest.mark.parametrize("json", [b"", b"{}", b'{"a": 1}', b'{"seal": 1}', b"not json", b"[1]"])
def test_what_has_no_seal_stays_as_it_is(json: bytes) -> None:
    assert split(json) == (json, None)


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_seal_cut_short_is_no_reason_to_fail(cut: int) -> None:
    json = b'{"a":1}'
    content, seal = split(close(json, SEAL.sign("a", json))[:cut])
    assert not SEAL.is_valid("a", content, seal)


def test_a_value_without_a_seal_is_believed_until_a_moment_and_not_after() -> None:
    now = 99.0
    seal = StoredSeal(MessageSigner(b"k" * 32), "a.purpose", unsealed_until=100.0, clock=lambda: now)
    seal.verify("a", b"{}", None)
    with pytest.raises(MessageRejectedError, match="message_signature"):
        seal.verify("a", b"{}", StoredSeal(MessageSigner(b"s" * 32), "a.purpose").sign("a", b"{}"))
    now = 100.0
    with pytest.raises(MessageRejectedError, match="message_unsigned"):
        seal.verify("a", b"{}", None)


def test_a_value_that_is_not_believed_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert not SEAL.is_valid("t-1", b"{}", None)
    [record] = caplog.records
    assert (record.kind, record.name_of_value, record.reason) == ("a.purpose", "t-1", "message_unsigned")


def test_a_time_without_seals_is_loud(caplog: pytest.LogCaptureFixture) -> None:
    StoredSeal(MessageSigner(b"k" * 32), "a.purpose", unsealed_until=0.0)
    assert caplog.text == ""
    StoredSeal(MessageSigner(b"k" * 32), "a.purpose", unsealed_until=2e9)
    assert "are believed until 2033-05-18T03:33:20+00:00 (ACCEPT_UNSEALED_UNTIL)" in caplog.text
