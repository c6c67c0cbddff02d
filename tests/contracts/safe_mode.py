"""What every SAFE MODE switch does; subclasses name the adapter in a fixture `store`."""

import itertools

import pytest

from security.safe_mode.safe_mode import AUDIT_LIMIT, REASON_LIMIT, SafeModeState, SafeModeStore


class SafeModeContract:
    def test_is_off_until_somebody_turns_it_on(self, store: SafeModeStore) -> None:
        assert store.read() == SafeModeState(enabled=False)
        assert store.events(10) == []

    def test_says_who_turned_it_on_when_and_why(self, store: SafeModeStore) -> None:
        state = store.enable("signature of v1 does not match", "score worker 1")
        assert (state.enabled, state.reason, state.by) == (True, "signature of v1 does not match", "score worker 1")
        assert state.since.endswith("Z")
        assert store.read() == state

    def test_the_first_cause_stands_and_later_ones_are_audited(self, store: SafeModeStore) -> None:
        first = store.enable("first", "a")
        assert store.enable("second", "b") == first
        assert [(event.action, event.reason, event.by) for event in store.events(10)] == [
            ("enabled", "second", "b"),
            ("enabled", "first", "a"),
        ]

    def test_a_repeated_cause_is_audited_once(self, store: SafeModeStore) -> None:
        for _ in range(5):
            store.enable("the same", "a")
        assert len(store.events(10)) == 1

    def test_turning_it_off_says_who_and_forgets_the_reason(self, store: SafeModeStore) -> None:
        store.enable("broken", "a")
        state = store.disable("admin")
        assert (state.enabled, state.reason, state.by) == (False, "", "admin")
        assert store.read() == state
        assert [event.action for event in store.events(10)] == ["disabled", "enabled"]

    def test_turning_it_off_again_confirms_it(self, store: SafeModeStore) -> None:
        """Processes that remember it to be on, of a Redis that forgot, obey nothing older."""
        for by in ("admin", "another"):
            state = store.disable(by)
            assert (state.enabled, state.reason, state.by) == (False, "", by)
            assert store.read() == state
        assert [event.by for event in store.events(10)] == ["another", "admin"]
        store.disable("another")
        assert len(store.events(10)) == 2

    def test_a_refusal_is_audited_and_changes_nothing(self, store: SafeModeStore) -> None:
        state = store.enable("broken", "a")
        store.note_refusal("still broken", "admin")
        assert store.read() == state
        newest = store.events(1)[0]
        assert (newest.action, newest.reason, newest.by) == ("kept", "still broken", "admin")

    def test_each_state_is_later_than_the_one_before(self, store: SafeModeStore) -> None:
        moments = [(store.enable(str(number), "a") if number % 2 else store.disable("b")).since for number in range(9)]
        assert moments == sorted(set(moments))

    def test_the_same_cause_after_it_was_turned_off_is_audited_again(self, store: SafeModeStore) -> None:
        store.enable("broken", "a")
        store.disable("admin")
        assert store.enable("broken", "a").enabled
        assert [event.action for event in store.events(10)] == ["enabled", "disabled", "enabled"]

    def test_the_audit_is_bounded_and_keeps_the_newest(self, store: SafeModeStore) -> None:
        for number in range(AUDIT_LIMIT + 5):
            store.enable(f"cause {number}", "a")
        events = store.events(AUDIT_LIMIT + 5)
        assert len(events) == AUDIT_LIMIT
        assert events[0].reason == f"cause {AUDIT_LIMIT + 4}"

    @pytest.mark.parametrize("limit", [0, 1, 2])
    def test_no_more_events_are_returned_than_asked_for(self, store: SafeModeStore, limit: int) -> None:
        for number in range(3):
            store.enable(str(number), "a")
        assert len(store.events(limit)) == limit

    @pytest.mark.parametrize("reason", ["", "Prüfsumme ✗", 'quote " backslash \\ line\nbreak', "x" * 2 * REASON_LIMIT])
    def test_any_text_is_a_reason(self, store: SafeModeStore, reason: str) -> None:
        assert store.enable(reason, "ädmin").reason == reason[:REASON_LIMIT]
        assert store.read().reason == store.events(1)[0].reason == reason[:REASON_LIMIT]

    def test_times_never_run_backwards_in_the_audit(self, store: SafeModeStore) -> None:
        store.enable("a", "a")
        store.disable("b")
        store.enable("c", "c")
        assert all(newer.at >= older.at for newer, older in itertools.pairwise(store.events(10)))
