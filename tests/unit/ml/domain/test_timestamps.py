from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.domain.timestamps import EPOCH_LIMIT_SECONDS, parse_moment, parse_timestamp

# Naive, as the strategy wants its borders.
FIRST, LAST = datetime(1970, 1, 2), datetime(2099, 12, 30)  # noqa: DTZ001
NOON = 1_795_435_200.0  # 2026-11-23T12:00:00Z


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T12:00:00Z",
        "2026-11-23T12:00:00.000000000Z",
        "2026-11-23t12:00:00z",
        "2026-11-23 12:00:00Z",
        "2026-11-23T12:00:00+00:00",
        "2026-11-23T12:00:00-00:00",
        "2026-11-23T13:30:00+01:30",
        "2026-11-22T12:01:00-23:59",
        "2026-11-23T12:00Z",
        "2026-11-23T13:00+01:00",
    ],
)
def test_one_moment_may_be_written_in_all_these_ways(text: str) -> None:
    assert parse_timestamp(text) == NOON


@pytest.mark.parametrize("number", [1_795_435_200, 1_795_435_200.0, Decimal(1_795_435_200), Decimal("17954352e2")])
def test_a_number_is_epoch_seconds(number: Any) -> None:
    assert parse_timestamp(number) == NOON


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2016-12-31T23:59:60.25Z", "2017-01-01T00:00:00.25Z"),
        ("2015-06-30T23:59:60Z", "2015-07-01T00:00:00Z"),
        ("1990-12-31T15:59:60-08:00", "1991-01-01T00:00:00Z"),
        ("2017-01-01T05:29:60+05:30", "2017-01-01T00:00:00Z"),
    ],
)
def test_a_leap_second_counts_as_the_second_after_it(text: str, after: str) -> None:
    assert parse_timestamp(text) == parse_timestamp(after)


@pytest.mark.parametrize(
    "text", ["2016-12-31T23:58:60Z", "2016-12-30T23:59:60Z", "2016-12-31T23:59:60+01:00", "2016-12-31T22:59:60Z"]
)
def test_a_second_60_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="only at the end of a month in UTC"):
        parse_timestamp(text)


@pytest.mark.parametrize(
    ("value", "what_to_do"),
    [
        ("2026-11-23T12:00:00", "end it with Z"),
        ("2026-11-23T12:00", "end it with Z"),
        ("2026-11-23", "such as 2026-11-23T14:03:27Z"),
        ("2026-11-23T12:00:00+0100", r"\+01:00"),
        ("2026-11-23T12:00:00Z\n", "such as"),
        ("2026-11-23T12:00:00\N{ARABIC-INDIC DIGIT ONE}Z", "such as"),
        ("1795435200", "without quotes"),
        ("yesterday", "such as"),
        ("", "such as"),
        ("2026-02-30T00:00:00Z", "does not exist"),
        ("2026-11-23T24:00:00Z", "does not exist"),
        ("2026-11-23T12:61:00Z", "does not exist"),
        ("2026-11-23T12:00:61Z", "does not exist"),
        ("2026-11-23T12:00:00+24:00", "does not exist"),
        ("0000-01-01T00:00:00Z", "does not exist"),
        ("0001-01-01T00:00:00+23:59", "between 1970 and 2100"),
        ("9999-12-31T23:59:60-23:59", "between 1970 and 2100"),
        ("1969-12-31T23:59:59Z", "between 1970 and 2100"),
        ("2099-12-31T23:59:60Z", "between 1970 and 2100"),
        (1_795_435_200_000, "not in milliseconds"),
        (-1, "between 1970 and 2100"),
        (10**400, "between 1970 and 2100"),
        (-(10**400), "between 1970 and 2100"),
        (Decimal("1e999999"), "between 1970 and 2100"),
        (float("nan"), "between 1970 and 2100"),
        (Decimal("NaN"), "between 1970 and 2100"),
        (True, "epoch seconds"),
        (None, "epoch seconds"),
        ([], "epoch seconds"),
    ],
)
def test_what_is_no_time_is_told_what_to_send(value: Any, what_to_do: str) -> None:
    with pytest.raises(ValueError, match=what_to_do):
        parse_timestamp(value)


@given(st.integers() | st.floats() | st.decimals() | st.text() | st.integers().map(lambda n: 10 ** abs(n % 500)))
def test_whatever_comes_is_a_time_in_reach_or_refused(value: Any) -> None:
    with suppress(ValueError):
        assert 0 <= parse_timestamp(value) < EPOCH_LIMIT_SECONDS


@given(st.datetimes(FIRST, LAST, timezones=st.timezones()))
def test_every_time_that_python_writes_is_read_as_itself(moment: datetime) -> None:
    # Some historical zones have offsets with seconds, which RFC 3339 cannot write.
    offset = moment.utcoffset()
    if offset is not None and offset.total_seconds() % 60 == 0:
        assert parse_timestamp(moment.isoformat()) == moment.timestamp()


def test_a_query_may_hold_epoch_seconds_in_digits() -> None:
    assert parse_moment("1795435200") == parse_moment("2026-11-23T12:00Z") == datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-11-23T13:00:00 01:00", "2026-11-23 13:00 01:00", "2026-11-23T13:00:00.5 01:00"])
def test_a_plus_that_a_query_turned_into_a_blank_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="%2B"):
        parse_moment(text)


@pytest.mark.parametrize("text", ["+5", " 5", "5_0", "9" * 11, "9" * 5000, "1.5e9", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_other_numbers_are_no_times_of_a_query(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_moment(text)
