import contextlib
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.strict_json import StrictJsonError, parse_object, parse_untrusted

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), values, max_size=5))
def test_reads_every_object_that_json_writes(document: dict[str, object]) -> None:
    assert parse_object(json.dumps(document).encode()) == document


@pytest.mark.parametrize(
    "document",
    [
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a": 1, "\\u0061": 2}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b"[1]",
        b"1",
        b"",
        b"{}{}",
        b"\xef\xbb\xbf{}",
        b'{"a": "\xff"}',
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
    ],
)
def test_refuses_whatever_could_be_read_in_two_ways(document: bytes) -> None:
    with pytest.raises(StrictJsonError):
        parse_object(document)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_the_one_error(document: bytes) -> None:
    with contextlib.suppress(StrictJsonError):
        parse_untrusted(document)


@pytest.mark.parametrize("document", [b'["\\u0000"]', b'["\\ud800"]', b"[" * 17 + b"]" * 17])
def test_an_untrusted_document_is_read_more_strictly_than_one_of_ours(document: bytes) -> None:
    assert parse_object(b'{"ours": ' + document + b"}")
    with pytest.raises(StrictJsonError):
        parse_untrusted(document)


def test_an_untrusted_number_is_exact() -> None:
    assert parse_untrusted(b"0.1000") == Decimal("0.1000")


def test_the_message_says_what_and_where() -> None:
    with pytest.raises(StrictJsonError, match=r"^is not JSON: Expecting value at character 6$"):
        parse_untrusted(b'{"a": }')
