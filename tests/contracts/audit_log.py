"""What every audit does; subclasses name the adapter in a fixture `audit`."""

from security.audit.audit import AuditEvent, AuditLog


def event(number: int, **changes: object) -> AuditEvent:
    values = {
        "action": "safe_mode.enabled",
        "by": "alice",
        "at": f"2026-11-24T08:00:{number:02d}.000Z",
        "reason": "Prüfsumme ✗",
        "details": {"version": "v1"},
    }
    return AuditEvent(**(values | changes))  # type: ignore[arg-type]


class AuditLogContract:
    def test_is_empty_at_first(self, audit: AuditLog) -> None:
        assert audit.latest(10) == []
        audit.record([])
        assert audit.latest(10) == []

    def test_returns_what_was_recorded_newest_first(self, audit: AuditLog) -> None:
        audit.record([event(2), event(1)])
        audit.record([event(3)])
        assert audit.latest(10) == [event(3), event(2), event(1)]
        assert audit.latest(2) == [event(3), event(2)]
        assert audit.latest(0) == []

    def test_returns_all_of_one_action_since_a_moment_newest_first(self, audit: AuditLog) -> None:
        audit.record([event(number, action=action) for number in range(1, 5) for action in ("tokens.minted", "other")])
        found = audit.since(event(2).at, "tokens.minted")
        assert found == [event(number, action="tokens.minted") for number in (4, 3, 2)]
        assert audit.since(event(5).at, "tokens.minted") == []

    def test_the_same_event_is_kept_once(self, audit: AuditLog) -> None:
        for _ in range(3):
            audit.record([event(1), event(1), event(2)])
        assert audit.latest(10) == [event(2), event(1)]

    def test_events_that_differ_in_anything_are_different(self, audit: AuditLog) -> None:
        audit.record([event(1), event(1, by="bob"), event(1, reason="x"), event(1, details={}), event(1, action="y")])
        assert len(audit.latest(10)) == 5
