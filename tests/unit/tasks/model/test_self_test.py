from collections.abc import Callable

import pytest

from ml.domain.errors import ArtifactError, StoreUnavailableError
from ml.registry.registry import RegistryError
from security.safe_mode.safe_mode import SafeModeUnavailableError
from tasks.model.self_test import OwnSelfTest, SelfTester, SelfTestResult, WorkersSelfTest
from tasks.model.self_test_memory import MemorySelfTestExchange
from tests.contracts.self_test_exchange import SelfTestExchangeContract


class TestMemorySelfTestExchange(SelfTestExchangeContract):
    @pytest.fixture
    def exchange(self) -> MemorySelfTestExchange:
        return MemorySelfTestExchange()


def well() -> None:
    """Finds nothing."""


def ill() -> None:
    raise ArtifactError("hash", "model.onnx is not the file that the manifest names")


class Hall:
    """A web process's test over workers that look at the exchange while it waits."""

    def __init__(self, **tests: Callable[[], None]) -> None:
        self.exchange = MemorySelfTestExchange()
        self.testers = [SelfTester(self.exchange, test, name=name) for name, test in tests.items()]
        self.now = 0.0

    def failures(self, *alive: str) -> list[str]:
        def wait(seconds: float) -> None:
            self.now += seconds
            for tester in self.testers:
                tester.run_if_asked()

        test = WorkersSelfTest(self.exchange, lambda: alive, patience_seconds=5, sleep=wait, clock=lambda: self.now)
        return test.failures()


def test_it_passes_once_every_living_worker_is_well() -> None:
    hall = Hall(a=well, b=well)
    assert hall.failures("a", "b") == []
    assert hall.now < 1


def test_each_failure_is_reported_with_its_worker() -> None:
    assert Hall(a=well, b=ill).failures("a", "b") == ["b: model.onnx is not the file that the manifest names"]


def test_a_worker_that_does_not_answer_is_a_failure_after_a_while() -> None:
    hall = Hall(a=well)
    assert hall.failures("a", "b") == ["b did not answer"]
    assert 5 <= hall.now < 6


class SlowHall(Hall):
    """Workers that say at once that they have begun, and end their tests at a moment of the hall's clock."""

    def __init__(self, ends_at: float) -> None:
        super().__init__(a=well)
        self.ends_at = ends_at

    def failures(self, *alive: str) -> list[str]:
        def wait(seconds: float) -> None:
            self.now += seconds
            for tester in self.testers:
                tester.acknowledge()
                if self.now >= self.ends_at:
                    tester.run_if_asked()
                tester.acknowledge()

        return WorkersSelfTest(self.exchange, lambda: alive, sleep=wait, clock=lambda: self.now).failures()


def test_a_load_that_takes_long_is_waited_for() -> None:
    hall = SlowHall(ends_at=20.0)
    assert hall.failures("a") == []
    assert 20 <= hall.now < 21


def test_a_test_that_never_ends_is_a_failure() -> None:
    hall = SlowHall(ends_at=1000.0)
    assert hall.failures("a") == ["a: its test has not ended"]
    assert 25 <= hall.now < 26


def test_without_a_worker_nothing_passes() -> None:
    assert Hall().failures() == ["no scoring worker is alive"]


def test_every_test_is_run_anew_and_once() -> None:
    runs: list[int] = []
    hall = Hall(a=lambda: runs.append(1))
    for _ in range(2):
        hall.failures("a")
        for tester in hall.testers:
            tester.run_if_asked()
    assert len(runs) == 2


def test_an_exchange_that_cannot_be_reached_is_a_failure() -> None:
    class Unreachable(MemorySelfTestExchange):
        def ask(self) -> str:
            raise StoreUnavailableError("Redis is unavailable")

    assert WorkersSelfTest(Unreachable(), lambda: ["a"]).failures() == ["Redis is unavailable"]


@pytest.mark.parametrize(
    "error", [RegistryError("no champion"), StoreUnavailableError("no Redis"), SafeModeUnavailableError("no switch")]
)
def test_a_process_that_scores_by_itself_tests_itself(error: Exception) -> None:
    def test() -> None:
        raise error

    assert OwnSelfTest(test).failures() == [str(error)]
    assert OwnSelfTest(well).failures() == []


def test_a_defect_is_not_taken_for_a_finding() -> None:
    exchange = MemorySelfTestExchange()
    test_id = exchange.ask()
    with pytest.raises(ZeroDivisionError):
        SelfTester(exchange, lambda: print(1 / 0), name="a").run_if_asked()
    assert SelfTestResult("a", "") not in exchange.answers(test_id)
