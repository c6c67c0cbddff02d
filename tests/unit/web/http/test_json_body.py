import contextlib
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from security.strict_json import MAX_DEPTH
from web.http.errors import InvalidBodyError, MalformedJsonError, MediaTypeError
from web.http.json_body import MAX_VIOLATIONS, check_media_type, parse_json, validate

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text("abc", max_size=3), children, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_reads_what_json_writes(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=60))
def test_answers_any_bytes_with_a_value_or_the_one_error(body: bytes) -> None:
    with contextlib.suppress(MalformedJsonError):
        parse_json(body)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_reads_numbers_exactly(number: Decimal) -> None:
    assert Decimal(parse_json(f"{number:E}".encode())) == number


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b" ", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a":1}{"a":1}', "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 01}', "not JSON"),
        (b'{"a": .5}', "not JSON"),
        (b'{"a": +1}', "not JSON"),
        (b'{"a": 0x10}', "not JSON"),
        (b'{"a": "\t"}', "not JSON"),
        (b"// a\n{}", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "UTF-8"),
        (b'{"a": "\xc0\x80"}', "UTF-8"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": Infinity}', "Infinity"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1, "a": 1}', "repeats"),
        (b'{"a": 1, "\\u0061": 2}', "repeats"),
        (b'{"b": {"a": 1, "a": 2}}', "repeats"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'["\\u0000"]', "U+0000"),
        (b"[" * 100_000, "deeper"),
        (b'{"a":' * 50_000, "deeper"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "deeper"),
        (b"9" * 5000, "too long"),
        (b"1e99999999999999999999", "too long"),
    ],
)
def test_refuses_what_parsers_disagree_about(body: bytes, said: str) -> None:
    with pytest.raises(MalformedJsonError, match=said.replace("+", r"\+")):
        parse_json(body)


def test_allows_nesting_up_to_the_limit_and_any_width() -> None:
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert len(parse_json(b"[" + b"{},[],".join([b""] * 5000) + b"1]")) > 5000


def test_a_surrogate_pair_is_one_character() -> None:
    assert parse_json(b'"\\ud83d\\ude00"') == "😀"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/json;charset=UTF8",
        'application/json; charset="utf8"',
        "application/json; charset=US-ASCII",
        "application/json;",
        "application/json; charset=utf-8;",
    ],
)
def test_accepts_json_in_utf8(content_type: str) -> None:
    check_media_type(content_type, None)
    check_media_type(content_type, "identity")


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        (None, None),
        ("", None),
        ("text/plain", None),
        ("application/x-www-form-urlencoded", None),
        ("application/json; charset=latin-1", None),
        ("application/json, text/plain", None),
        ("application/json; charset=utf-16", None),
        ("application/json; charset=utf-88", None),
        ('application/json; charset="utf-8', None),
        ("application/json; charset", None),
        ("application/jsonp", None),
        ("application/vnd.api+json", None),
        ("application/json", "gzip"),
    ],
)
def test_refuses_other_types_and_encodings(content_type: str | None, encoding: str | None) -> None:
    with pytest.raises(MediaTypeError):
        check_media_type(content_type, encoding)


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    count: int


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    inner: list[Inner] = []
    names: dict[str, int] = {}


def pointers(value: object, prefix: str = "") -> list[str]:
    with pytest.raises(InvalidBodyError) as refused:
        validate(Outer, value, pointer=prefix)
    return [violation.pointer for violation in refused.value.errors]


def test_points_to_each_violation() -> None:
    assert pointers({"inner": [{"count": 1}, {"count": "2"}], "extra": 1}) == ["/inner/1/count", "/extra"]
    assert pointers([]) == [""]
    assert pointers({"inner": 1}, "/transactions/3") == ["/transactions/3/inner"]


def test_escapes_and_shortens_pointers() -> None:
    assert pointers({"a/b~c": 1}) == ["/a~1b~0c"]
    assert len(pointers({"x" * 5000: 1})[0]) == 200


def test_lists_only_the_first_violations() -> None:
    assert len(pointers({str(number): 1 for number in range(500)})) == MAX_VIOLATIONS


def test_does_not_repeat_the_refused_value() -> None:
    with pytest.raises(InvalidBodyError) as refused:
        validate(Outer, {"inner": "4111111111111111"})
    assert "4111" not in refused.value.errors[0].message
