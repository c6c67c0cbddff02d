from datetime import UTC, datetime

from tasks.clock import SharedClock


class Clocks:
    """A machine: its monotonic clock, and a wall clock that somebody may set."""

    def __init__(self, wall: float = 1_000_000.0) -> None:
        self.monotonic = 50.0
        self.wall = wall

    def pass_by(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds

    def shared(self) -> SharedClock:
        return SharedClock(monotonic=lambda: self.monotonic, wall=lambda: self.wall)


def read(clock: SharedClock, machine: Clocks, server: float, *, round_trip: float = 0.002) -> None:
    """Redis answers half-way through the round trip."""
    clock.take(server, asked_at=machine.monotonic - round_trip, answered_at=machine.monotonic)


def test_before_the_first_reading_the_machine_s_own_clock_counts() -> None:
    clock = Clocks(wall=1234.5).shared()
    assert clock.now() == 1234.5
    assert clock.now_ms() == 1_234_500
    assert clock.offset() == 0.0


def test_a_machine_that_is_a_day_off_tells_redis_s_time() -> None:
    machine = Clocks(wall=1_000_000.0 + 86_400)
    clock = machine.shared()
    read(clock, machine, 1_000_000.0)
    machine.pass_by(10.0)
    assert abs(clock.now() - 1_000_010.001) < 1e-6
    assert abs(clock.offset() - 86_400) < 0.01
    assert abs(clock.utc() - datetime.fromtimestamp(1_000_010.001, UTC)).total_seconds() < 1e-3


def test_setting_the_machine_s_clock_between_two_readings_changes_nothing() -> None:
    machine = Clocks()
    clock = machine.shared()
    read(clock, machine, 2_000_000.0)
    machine.wall -= 3600.0
    machine.pass_by(1.0)
    assert abs(clock.now() - 2_000_001.001) < 1e-6


def test_a_slow_reading_does_not_replace_a_better_one() -> None:
    machine = Clocks()
    clock = machine.shared()
    read(clock, machine, 2_000_000.0)
    machine.pass_by(2.0)
    # Answered at once and held up on its way back for a second: its middle is half a second wrong.
    read(clock, machine, 2_000_001.001, round_trip=1.0)
    assert abs(clock.now() - 2_000_002.001) < 0.01


def test_a_reading_as_good_as_the_old_one_replaces_it_and_so_does_one_after_a_long_time() -> None:
    machine = Clocks()
    clock = machine.shared()
    read(clock, machine, 2_000_000.0, round_trip=0.004)
    machine.pass_by(2.0)
    read(clock, machine, 2_000_002.010, round_trip=0.002)
    assert abs(clock.now() - 2_000_002.011) < 1e-6
    machine.pass_by(3600.0)
    read(clock, machine, 2_003_602.5, round_trip=1.0)
    assert abs(clock.now() - 2_003_603.0) < 1e-6


def test_another_server_s_clock_is_taken_over_at_once() -> None:
    machine = Clocks()
    clock = machine.shared()
    read(clock, machine, 2_000_000.0)
    machine.pass_by(1.0)
    read(clock, machine, 2_000_006.0, round_trip=0.1)
    assert abs(clock.now() - 2_000_006.05) < 1e-6
