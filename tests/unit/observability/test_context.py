import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.context import (
    accept_correlation_id,
    bind_correlation_id,
    get_correlation_id,
    new_correlation_id,
    reset_correlation_id,
    set_correlation_id,
)

PATTERN = re.compile(r"[A-Za-z0-9_-]{8,64}")


@given(st.from_regex(PATTERN, fullmatch=True))
def test_an_id_of_the_accepted_form_is_kept(sent: str) -> None:
    assert accept_correlation_id(sent) == sent


@given(st.none() | st.text(max_size=80))
def test_whatever_was_sent_the_id_has_the_accepted_form(sent: str | None) -> None:
    assert PATTERN.fullmatch(accept_correlation_id(sent))


@pytest.mark.parametrize("sent", ["short", "x" * 65, "has space", "line\nbreak1", "order-4711\n", "ümlaut-123", ""])
def test_any_other_id_is_replaced(sent: str) -> None:
    assert accept_correlation_id(sent) != sent


def test_new_ids_differ() -> None:
    assert new_correlation_id() != new_correlation_id()


def test_bindings_nest() -> None:
    with bind_correlation_id("outer-id"):
        with bind_correlation_id("inner-id"):
            assert get_correlation_id() == "inner-id"
        assert get_correlation_id() == "outer-id"
    assert get_correlation_id() is None


def test_a_binding_ends_with_its_block_even_by_an_error() -> None:
    def fail() -> None:
        with bind_correlation_id("outer-id"):
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        fail()
    assert get_correlation_id() is None


def test_a_set_id_can_be_taken_back() -> None:
    token = set_correlation_id("some-id-1")
    assert get_correlation_id() == "some-id-1"
    reset_correlation_id(token)
    assert get_correlation_id() is None


def test_threads_do_not_see_each_others_ids() -> None:
    with bind_correlation_id("main-thread"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(get_correlation_id).result() is None
