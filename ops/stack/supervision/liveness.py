"""Notices processes that run and do not answer: frozen, or reporting that they must be replaced."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from subprocess import Popen

from ops.processes.scheduling import seconds_kept_waiting
from ops.processes.spawn import kill_group

_PAUSE_SECONDS = 2.0
_MISSED_ANSWERS = 4
"""Questions without an answer in a row; each waits two seconds, so a short stall is not taken for a frozen process."""
_STARVED_SHARE = 0.5
"""A process that waited for a CPU for so much of the time is not at fault: its successor would wait as well."""
_LONGEST_STARVED_SECONDS = 300.0
"""Then it is killed all the same: a process in an endless loop waits for a CPU too while others want it."""


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


@dataclass(slots=True)
class _Silence:
    """A row of questions without an answer, and how long the process had waited for a CPU when it began."""

    since: float
    waited_before: float
    missed: int = 0
    is_excused: bool = False

    def is_starved(self, waited: float) -> bool:
        """Whether others have had the CPU for much of the silence."""
        seconds = time.monotonic() - self.since
        return seconds < _LONGEST_STARVED_SECONDS and waited - self.waited_before > _STARVED_SHARE * seconds


class LivenessWatch:
    """Asks all watched processes in turn, on a thread of its own, and kills those that do not answer.

    One that does not answer because others have the CPU is left alone for some minutes.

    Args:
        processes: returns those that run and have once been ready.
        say: called with a sentence about each process that is killed, or left alone though it does not answer.
        waited_seconds: how long a process has waited for a CPU so far.
    """

    def __init__(
        self,
        processes: Callable[[], Sequence[WatchedProcess]],
        say: Callable[[str], None],
        waited_seconds: Callable[[int], float] = seconds_kept_waiting,
    ) -> None:
        self._processes = processes
        self._say = say
        self._waited_seconds = waited_seconds
        self._silences: dict[int, _Silence] = {}
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
            self._silences.pop(pid, None)
            return
        if pid not in self._silences:
            self._silences[pid] = _Silence(time.monotonic(), self._waited_seconds(pid))
        silence = self._silences[pid]
        silence.missed += 1
        if silence.missed < _MISSED_ANSWERS or self._stopped.is_set() or watched.process.poll() is not None:
            return
        if silence.is_starved(self._waited_seconds(pid)):
            if not silence.is_excused:
                self._say(f"{watched.name} (pid {pid}) does not answer: other processes have the CPU; it goes on")
            silence.is_excused = True
            return
        del self._silences[pid]
        self._say(f"{watched.name} (pid {pid}) does not answer and is killed")
        kill_group(pid)
