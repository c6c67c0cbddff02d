"""Repeated jobs that a process does beside its work, on one thread of their own."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from ml.domain.errors import RetryableError
from security.background_thread import BackgroundThread
from tasks.complaints import Complaints

_log = logging.getLogger(__name__)

Job = Callable[[], None]

_PAUSE_SECONDS = 0.5


def no_more_often(seconds: float, job: Job, *, clock: Callable[[], float] = time.monotonic) -> Job:
    """Returns a job that runs `job` at its first turn, and after that skips the turns that come too early."""
    due = float("-inf")

    def run_if_due() -> None:
        nonlocal due
        now = clock()
        if now >= due:
            due = now + seconds
            job()

    return run_if_due


def run_once(jobs: Sequence[Job], complaints: Complaints) -> list[Job]:
    """Runs each job and returns those that failed; one that fails is logged and keeps no other from its turn.

    A server that is away fails most jobs with the same words, which are logged once for all.
    """
    failed: list[Job] = []
    for job in jobs:
        try:
            job()
        except RetryableError as error:
            if complaints.is_due(str(error)):
                _log.warning("housekeeping: %s", error)
            failed.append(job)
        except Exception as error:  # noqa: BLE001 - the boundary of a job: one failed turn must not end the others
            if complaints.is_due(repr(error)):
                _log.exception("housekeeping failed")
            failed.append(job)
    return failed


def run_until_done(jobs: Sequence[Job], *, turns: int, sleep: Callable[[float], None] = time.sleep) -> None:
    """Runs jobs that must be done before anything else, those that fail again and again, at most so many times."""
    complaints = Complaints()
    left = run_once(jobs, complaints)
    for _ in range(turns - 1):
        if not left:
            return
        sleep(_PAUSE_SECONDS)
        left = run_once(left, complaints)


class Housekeeping:
    """Runs jobs in turn, again and again; a job that fails is logged and tried again at the next turn.

    Args:
        jobs: each short: one that hangs holds up the others.
        interval_seconds: pause between turns.
        name: of the thread.
    """

    def __init__(self, jobs: Sequence[Job], *, interval_seconds: float = 0.5, name: str = "housekeeping") -> None:
        self._jobs = list(jobs)
        self._interval_seconds = interval_seconds
        self._complaints = Complaints()
        self._stopped = threading.Event()
        self._thread = BackgroundThread(self._run, name=name)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the present turn; waits for it."""
        self._stopped.set()
        self._thread.join(timeout_seconds=10.0)

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_seconds):
            run_once(self._jobs, self._complaints)
