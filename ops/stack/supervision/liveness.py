"""Notices processes that run and do not answer: frozen, or reporting that they must be replaced."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from subprocess import Popen

from ops.processes.spawn import kill_group

_PAUSE_SECONDS = 2.0
_MISSED_ANSWERS = 4
"""Questions without an answer in a row; each waits two seconds, so a busy machine is not taken for a frozen process."""


@dataclass(frozen=True, slots=True)
class WatchedProcess:
    """A running process and how to ask it.

    Attributes:
        name: for people.
        process: the very process that is asked: its successor is another watched process.
        is_alive: asks; takes a few seconds at most.
    """

    name: str
    process: "Popen[bytes]"
    is_alive: Callable[[], bool]


class LivenessWatch:
    """Asks all watched processes in turn, on a thread of its own, and kills those that do not answer.

    Args:
        processes: returns those that run and have once been ready.
        say: called with a sentence about each process that is killed.
    """

    def __init__(self, processes: Callable[[], Sequence[WatchedProcess]], say: Callable[[str], None]) -> None:
        self._processes = processes
        self._say = say
        self._missed: dict[int, int] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="liveness", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Kills no process from now on."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(_PAUSE_SECONDS):
            for watched in self._processes():
                self.ask(watched)

    def ask(self, watched: WatchedProcess) -> None:
        """Asks one, and kills it after too many failures in a row; the supervisor notices its death."""
        pid = watched.process.pid
        if watched.is_alive():
            self._missed.pop(pid, None)
            return
        self._missed[pid] = self._missed.get(pid, 0) + 1
        if self._missed[pid] < _MISSED_ANSWERS or self._stopped.is_set() or watched.process.poll() is not None:
            return
        del self._missed[pid]
        self._say(f"{watched.name} (pid {pid}) does not answer and is killed")
        kill_group(pid)
