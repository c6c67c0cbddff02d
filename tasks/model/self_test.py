"""The self-test that must pass before SAFE MODE ends: run where the models are, asked for where administrators are.

Every scoring process that is alive opens the champion anew, with every check and the golden vectors, and reaches the
stores that scoring needs; one that fails, or does not answer, is reason enough to stay.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ml.domain.errors import MlError, StoreUnavailableError
from security.errors import SecurityError

_POLL_SECONDS = 0.1
UNDER_WAY = "its test has not ended"
"""The failure of a process whose test has begun, until its result takes its place."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SelfTestResult:
    """The result of one process: its failure in one sentence, empty if there is none."""

    process: str
    failure: str


class SelfTestExchange(Protocol):
    """Where tests are asked for and answered; every method may raise StoreUnavailableError."""

    def ask(self) -> str:
        """Asks every scoring process for a test and returns its id."""
        ...

    def asked(self) -> str | None:
        """Returns the id of the test that is asked for now, None if there is none."""
        ...

    def answer(self, test_id: str, result: SelfTestResult) -> None:
        """Answers for one process."""
        ...

    def answers(self, test_id: str) -> list[SelfTestResult]:
        """Returns the answers so far."""
        ...


class SelfTester:
    """Answers for a scoring process.

    Args:
        exchange: where tests are asked for.
        test: raises what is wrong.
        name: this process.
    """

    def __init__(self, exchange: SelfTestExchange, test: Callable[[], None], *, name: str) -> None:
        self._exchange = exchange
        self._test = test
        self._name = name
        self._answered: str | None = None
        self._begun: str | None = None
        self._answering = threading.Lock()

    def acknowledge(self) -> None:
        """Says that this process has seen the test; to be called beside `run_if_asked`, which a load may hold up.

        Raises:
            StoreUnavailableError: nobody can be asked or answered now.
        """
        test_id = self._exchange.asked()
        with self._answering:
            if test_id is None or test_id in {self._begun, self._answered}:
                return
            self._exchange.answer(test_id, SelfTestResult(self._name, UNDER_WAY))
            self._begun = test_id

    def run_if_asked(self) -> None:
        """Runs the test once each time it is asked for; to be called again and again.

        Raises:
            StoreUnavailableError: nobody can be asked or answered now.
        """
        test_id = self._exchange.asked()
        if test_id is None or test_id == self._answered:
            return
        failure = failure_of(self._test)
        with self._answering:
            self._exchange.answer(test_id, SelfTestResult(self._name, failure))
            self._answered = test_id
        _log.log(
            logging.ERROR if failure else logging.INFO,
            "self-test failed" if failure else "self-test passed",
            extra={"reason": failure},
        )


def failure_of(test: Callable[[], None]) -> str:
    """Returns the failure in one sentence, empty if there is none."""
    try:
        test()
    except (MlError, SecurityError) as error:
        return str(error) or type(error).__name__
    return ""


class WorkersSelfTest:
    """Has every live scoring worker tested.

    Args:
        exchange: where workers look for tests.
        workers: returns the names of the scoring workers that are alive.
        patience_seconds: how long the first word of each is waited for.
        test_seconds: how long the tests may take.
        sleep: pauses between two looks.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        exchange: SelfTestExchange,
        workers: Callable[[], Sequence[str]],
        *,
        patience_seconds: float = 8.0,
        test_seconds: float = 25.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exchange = exchange
        self._workers = workers
        self._patience_seconds = patience_seconds
        self._test_seconds = test_seconds
        self._sleep = sleep
        self._clock = clock

    def failures(self) -> list[str]:
        """Returns the reasons against leaving SAFE MODE, none if there is none."""
        try:
            expected = set(self._workers())
            if not expected:
                return ["no scoring worker is alive"]
            answers = self._wait(expected)
        except StoreUnavailableError as error:
            return [str(error)]
        found = [f"{name}: {answers[name]}" for name in sorted(expected & answers.keys()) if answers[name]]
        return found + [f"{name} did not answer" for name in sorted(expected - answers.keys())]

    def _wait(self, expected: set[str]) -> dict[str, str]:
        test_id, asked_at = self._exchange.ask(), self._clock()
        while True:
            answers = {result.process: result.failure for result in self._exchange.answers(test_id)}
            waited = self._clock() - asked_at
            is_over = waited >= (self._test_seconds if expected <= answers.keys() else self._patience_seconds)
            if is_over or all(answers.get(name, UNDER_WAY) != UNDER_WAY for name in expected):
                return answers
            self._sleep(_POLL_SECONDS)


class OwnSelfTest:
    """Tests this process, which scores by itself."""

    def __init__(self, test: Callable[[], None]) -> None:
        self._test = test

    def failures(self) -> list[str]:
        """Returns the reasons against leaving SAFE MODE, none if there is none."""
        failure = failure_of(self._test)
        return [failure] if failure else []
