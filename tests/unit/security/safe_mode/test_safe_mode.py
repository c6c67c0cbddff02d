import subprocess
import sys
import threading
from pathlib import Path

import pytest

from security.safe_mode.safe_mode import (
    ALTERED,
    NEVER_SET,
    UNKNOWN,
    CachedSafeMode,
    SafeModeState,
    SafeModeUnavailableError,
)
from security.safe_mode.safe_mode_memory import MemorySafeMode


class CountedSwitch(MemorySafeMode):
    """Counts reads, and fails them while `is_down`."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.is_down = False

    def read(self) -> SafeModeState:
        self.reads += 1
        if self.is_down:
            raise SafeModeUnavailableError
        return super().read()


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def switch() -> CountedSwitch:
    return CountedSwitch()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cached(switch: CountedSwitch, clock: Clock) -> CachedSafeMode:
    return CachedSafeMode(switch, refresh_seconds=0.5, clock=clock)


def test_reads_once_per_interval(cached: CachedSafeMode, switch: CountedSwitch, clock: Clock) -> None:
    for _ in range(100):
        cached.state()
    assert switch.reads == 1
    clock.seconds += 0.5
    cached.state()
    assert switch.reads == 2


def test_a_change_is_seen_after_the_interval(cached: CachedSafeMode, switch: CountedSwitch, clock: Clock) -> None:
    assert not cached.state().enabled
    switch.enable("broken", "a")
    assert not cached.state().enabled
    clock.seconds += 0.5
    assert cached.state().reason == "broken"


@pytest.mark.parametrize("enabled", [True, False])
def test_keeps_the_last_known_state_while_the_switch_is_unreachable(
    cached: CachedSafeMode, switch: CountedSwitch, clock: Clock, *, enabled: bool
) -> None:
    if enabled:
        switch.enable("broken", "a")
    known = cached.state()
    switch.is_down = True
    for _ in range(10):
        clock.seconds += 60
        assert cached.state() == known
    assert cached.refresh() == known


def test_is_shut_until_the_switch_was_read_once(cached: CachedSafeMode, switch: CountedSwitch, clock: Clock) -> None:
    switch.is_down = True
    assert cached.state() is UNKNOWN
    assert UNKNOWN.enabled
    switch.is_down = False
    clock.seconds += 0.5
    assert not cached.state().enabled


def test_an_unreachable_switch_is_asked_once_per_interval_too(cached: CachedSafeMode, switch: CountedSwitch) -> None:
    switch.is_down = True
    for _ in range(10):
        cached.state()
    assert switch.reads == 1


def test_refresh_reads_at_once(cached: CachedSafeMode, switch: CountedSwitch) -> None:
    cached.state()
    switch.enable("broken", "a")
    assert cached.refresh().enabled
    assert cached.state().enabled


def test_nobody_waits_for_a_slow_read() -> None:
    class SlowSwitch(MemorySafeMode):
        def __init__(self) -> None:
            super().__init__()
            self.entered, self.leave = threading.Event(), threading.Event()
            self.reads = 0

        def read(self) -> SafeModeState:
            self.reads += 1
            self.entered.set()
            assert self.leave.wait(10)
            return super().read()

    switch = SlowSwitch()
    cached = CachedSafeMode(switch)
    reader = threading.Thread(target=cached.state)
    reader.start()
    assert switch.entered.wait(10)
    assert all(cached.state() is UNKNOWN for _ in range(50))
    assert switch.reads == 1
    switch.leave.set()
    reader.join()
    assert not cached.state().enabled


def test_greenlets_share_one_read_and_none_waits_for_it() -> None:
    program = """
from gevent import monkey
monkey.patch_all()
import gevent
from gevent.event import Event
from security.safe_mode.safe_mode import UNKNOWN, CachedSafeMode
from security.safe_mode.safe_mode_memory import MemorySafeMode

class SlowSwitch(MemorySafeMode):
    reads = 0
    answers = Event()
    def read(self):
        SlowSwitch.reads += 1
        assert SlowSwitch.answers.wait(30)
        return super().read()

cached = CachedSafeMode(SlowSwitch())
reader = gevent.spawn(cached.state)
gevent.sleep(0.01)
states = [job.value for job in gevent.joinall([gevent.spawn(cached.state) for _ in range(200)])]
SlowSwitch.answers.set()
assert all(state is UNKNOWN for state in states)
reader.join()
assert not cached.state().enabled
assert SlowSwitch.reads == 1, SlowSwitch.reads
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path.cwd(), capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


class SpoiltSwitch(MemorySafeMode):
    """A switch whose record a stranger can spoil; any change mends it."""

    def spoil(self, state: SafeModeState) -> None:
        self._state = state


SPOILT = {"missing": NEVER_SET, "altered": ALTERED, "older": SafeModeState(enabled=False, by="a", since="2026-01-01")}


@pytest.mark.parametrize("fault", SPOILT)
@pytest.mark.parametrize("enabled", [True, False])
def test_a_spoilt_record_switches_nothing_and_is_mended_loudly(
    fault: str, *, enabled: bool, caplog: pytest.LogCaptureFixture
) -> None:
    switch, faults = SpoiltSwitch(), []
    known = switch.enable("broken", "a") if enabled else switch.disable("a")
    process = CachedSafeMode(switch, refresh_seconds=0, name="score-1", on_fault=faults.append)
    assert process.state() == known
    switch.spoil(SPOILT[fault])
    with caplog.at_level("CRITICAL"):
        assert process.state() == known
    assert switch.read() == known
    newest = switch.events(1)[0]
    assert (newest.action, newest.by) == ("restored", "score-1")
    assert process.state() == known
    assert faults == [fault]
    assert [record.message for record in caplog.records if "not believed" in record.message]


def test_a_process_that_saw_no_record_mends_an_altered_one_as_off() -> None:
    switch = SpoiltSwitch()
    process = CachedSafeMode(switch, refresh_seconds=0)
    assert not process.state().enabled
    switch.spoil(ALTERED)
    assert not process.state().enabled
    assert not switch.read().enabled
    assert switch.read().since


def test_a_process_that_starts_on_an_altered_record_is_shut_until_somebody_who_knows_mends_it() -> None:
    switch = SpoiltSwitch()
    switch.enable("drill", "a")
    switch.disable("admin")
    old = CachedSafeMode(switch, refresh_seconds=0)
    old.state()
    switch.spoil(ALTERED)
    new = CachedSafeMode(switch, refresh_seconds=0)
    assert new.state() is ALTERED
    assert switch.read() is ALTERED  # it knows nothing that it could write
    assert "disable" in new.state().reason
    old.state()
    assert not new.state().enabled


def test_a_process_that_started_on_an_altered_record_takes_over_that_it_is_gone() -> None:
    switch, faults = SpoiltSwitch(), []
    switch.spoil(ALTERED)
    process = CachedSafeMode(switch, refresh_seconds=0, on_fault=faults.append)
    assert process.state().enabled
    switch.spoil(NEVER_SET)
    assert not process.state().enabled
    assert faults == ["altered"]
    switch.spoil(ALTERED)
    assert not process.state().enabled  # it knows better now, and puts it right
    assert not switch.read().enabled


def test_an_administrator_can_leave_what_an_altered_record_began() -> None:
    switch = SpoiltSwitch()
    switch.spoil(ALTERED)
    process = CachedSafeMode(switch, refresh_seconds=0)
    assert process.state().enabled
    assert process.state().enabled
    switch.disable("admin", after=process.newest_since)
    assert not process.state().enabled


def test_off_counts_though_the_administrators_clock_is_behind() -> None:
    switch = SpoiltSwitch()
    ahead = SafeModeState(enabled=True, reason="broken", by="a", since="2099-01-01T00:00:00.000000Z")
    switch.spoil(ahead)
    process = CachedSafeMode(switch, refresh_seconds=0)
    assert process.state().enabled
    switch.spoil(NEVER_SET)
    switch.disable("admin", after=process.newest_since)
    assert not process.state().enabled
