"""One process of the plan, through all its lives: started, ready, late, ended, waiting for its next start."""

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field

from ops.processes.ports import is_stuck, last_line, listens
from ops.processes.spawn import kill_group, spawn
from ops.stack import state
from ops.stack.log_file import LogFile
from ops.stack.plan.plan import Process
from ops.stack.plan.roles import Stage
from ops.stack.supervision.console import Console, follow

_START_SECONDS = {Stage.SERVERS: 30.0, Stage.WORKERS: 90.0, Stage.WEB: 60.0, Stage.OPERATIONS: 60.0}
"""How long a process may do nothing before it is healthy: what it works, or waits for a CPU, does not count."""
_FIRST_BACKOFF_SECONDS = 0.5
_LONGEST_BACKOFF_SECONDS = 30.0
_STEADY_SECONDS = 60.0


@dataclass
class Child:
    """A process of the plan and its present life.

    Attributes:
        restart_at: set while it waits for its next start, for `pause_seconds`.
        is_idle: whether it has been put under SCHED_IDLE.
        is_ready: whether it was healthy in this life.
        was_ready: whether it was healthy in any life.
        has_failed: whether a life of it ended, or ended its patience, before it was ever ready.
    """

    process: Process
    log: LogFile
    running: subprocess.Popen[bytes] | None = None
    restart_at: float | None = None
    restarts: int = 0
    is_ready: bool = False
    is_idle: bool = False
    has_failed: bool = False
    pause_seconds: float = 0.0
    was_ready: bool = False
    _started_at: float = 0.0
    _backoff_seconds: float = _FIRST_BACKOFF_SECONDS
    _copying: threading.Thread | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Its name in logs and status."""
        return self.process.name

    @property
    def is_late(self) -> bool:
        """Whether it should have become healthy by now; work and a busy machine give it more time."""
        if self.running is None or self.is_ready:
            return False
        seconds, patience = time.monotonic() - self._started_at, _START_SECONDS[self.process.stage]
        return seconds > patience and is_stuck(self.running.pid, seconds, patience)

    @property
    def has_ended(self) -> bool:
        """Whether its process is no more, unnoticed so far."""
        return self.running is not None and self.running.poll() is not None

    def start(self, console: Console | None) -> None:
        """Begins a life; a console is given its log lines.

        Raises:
            OSError, RuntimeError: the machine has no process, pipe or thread left for it.
        """
        self.restart_at, self.is_ready, self.is_idle = None, False, False
        self._started_at = time.monotonic()
        reader, writer = os.pipe()
        try:
            self.running = spawn(self.process.argv, env=os.environ | dict(self.process.env), output=writer)
            self._copying = follow(self.name, os.fdopen(reader, "rb"), self.log, console)
        except BaseException:
            if self.running is None:
                os.close(reader)
            self.kill()
            raise
        finally:
            os.close(writer)

    def look(self) -> bool:
        """Notes and returns whether it is healthy; an answer counts only if it is this process that listens."""
        self.is_ready = (self.process.is_healthy is None or self.process.is_healthy()) and self._listens()
        self.was_ready |= self.is_ready
        return self.is_ready

    def _listens(self) -> bool:
        port = self.process.port
        return port is None or self.running is None or listens(self.running.pid, port)

    def kill(self) -> None:
        """Ends its whole process group, if it runs."""
        if self.running is not None:
            kill_group(self.running.pid)
            self.running.wait()

    def bury(self) -> None:
        """Ends a life that is over, and sets the moment of the next one."""
        now = time.monotonic()
        if self.is_ready and now - self._started_at > _STEADY_SECONDS:
            self._backoff_seconds = _FIRST_BACKOFF_SECONDS
        # Its own children, if any, hold its port or its pipe.
        self.kill()
        self.restart_at = now + self._backoff_seconds
        self.pause_seconds = self._backoff_seconds
        self._backoff_seconds = min(self._backoff_seconds * 2, _LONGEST_BACKOFF_SECONDS)
        self.running, self.is_ready, self.has_failed = None, False, not self.was_ready

    def ending(self) -> str:
        """Returns how its process ended."""
        return "nothing" if self.running is None else _describe(self.running.returncode)

    def failure(self) -> str:
        """Returns how its start failed, with its last line and the file that says more."""
        if self.has_ended:
            how = f"ended at start with {self.ending()}"
        else:
            how = f"was not healthy after {time.monotonic() - self._started_at:.0f} s"
        self.finish_copying(0.5)
        return f"{self.name} {how}: {last_line(self.log.path)} ({self.log.path} says more)"

    def finish_copying(self, patience_seconds: float) -> None:
        """Waits until what it wrote stands in its log file."""
        if self._copying is not None:
            self._copying.join(timeout=patience_seconds)

    def state(self) -> state.ProcessState:
        """Returns what `status` shows."""
        word = "restarting" if self.restart_at is not None else "stopped"
        if self.running is not None:
            word = "running" if self.is_ready else "starting"
        pid = self.running.pid if self.running is not None else None
        return state.ProcessState(self.name, word, pid, self.process.port, self.restarts, str(self.log.path))


def _describe(code: int) -> str:
    return f"code {code}" if code >= 0 else signal.Signals(-code).name
