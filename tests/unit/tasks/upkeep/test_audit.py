from collections.abc import Sequence

import pytest

from security.audit.audit import AuditEvent, AuditUnavailableError
from security.audit.audit_memory import MemoryAuditLog
from security.safe_mode.safe_mode import SafeModeEvent, SafeModeUnavailableError
from security.safe_mode.safe_mode_memory import MemorySafeMode
from tasks.upkeep.audit import AuditCourier


class CountingAudit(MemoryAuditLog):
    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.carried = 0

    def record(self, events: Sequence[AuditEvent]) -> None:
        if self.away:
            raise AuditUnavailableError("away")
        self.carried += len(events)
        super().record(events)


def test_everything_arrives_once_with_who_when_and_why() -> None:
    switch, audit = MemorySafeMode(), CountingAudit()
    courier = AuditCourier(switch, audit)
    courier.carry()
    switch.enable("the hash does not fit", "score-1")
    switch.note_refusal("score-1: the hash does not fit", "alice")
    courier.carry()
    state = switch.disable("alice")
    for _ in range(3):
        courier.carry()
    assert audit.carried == 3
    newest, refusal, first = audit.latest(10)
    assert newest == AuditEvent("safe_mode.disabled", "alice", state.since)
    assert (refusal.action, refusal.by) == ("safe_mode.kept", "alice")
    assert (first.action, first.by, first.reason) == ("safe_mode.enabled", "score-1", "the hash does not fit")


def test_what_happened_while_the_audit_was_away_arrives_later_however_much_it_is() -> None:
    switch, audit = MemorySafeMode(), CountingAudit()
    courier = AuditCourier(switch, audit)
    switch.enable("first", "a")
    courier.carry()
    audit.away = True
    for number in range(100):
        switch.enable(f"cause {number}", "a")
        courier.carry()
    audit.away = False
    courier.carry()
    assert len(audit.latest(1000)) == 101


def test_a_courier_that_starts_anew_repeats_nothing_in_the_audit() -> None:
    switch, audit = MemorySafeMode(), CountingAudit()
    switch.enable("first", "a")
    for _ in range(3):
        AuditCourier(switch, audit).carry()
    assert len(audit.latest(10)) == 1


def test_a_switch_that_cannot_be_read_is_read_next_time() -> None:
    class Flaky(MemorySafeMode):
        away = True

        def events(self, limit: int) -> list[SafeModeEvent]:
            if self.away:
                raise SafeModeUnavailableError("away")
            return super().events(limit)

    switch, audit = Flaky(), CountingAudit()
    courier = AuditCourier(switch, audit)
    switch.enable("first", "a")
    courier.carry()
    switch.away = False
    courier.carry()
    assert len(audit.latest(10)) == 1


def test_an_audit_that_takes_nothing_is_told_once_each_time(caplog: pytest.LogCaptureFixture) -> None:
    switch, audit = MemorySafeMode(), CountingAudit()
    courier = AuditCourier(switch, audit)
    for times in (1, 2):
        audit.away = True
        for _ in range(3):
            courier.carry()
        assert [record.getMessage() for record in caplog.records] == [
            "the events of SAFE MODE do not reach the audit, and wait: away"
        ] * times
        audit.away = False
        courier.carry()
