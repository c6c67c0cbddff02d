"""Starts the plan's processes stage by stage, restarts those that die, and stops all in order.

No process outlives the supervisor: at a signal it stops them in order, and if it is killed itself the kernel ends
them (`ops.processes.spawn`).
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from ops.errors import ServerStartError
from ops.processes.ports import last_line
from ops.processes.scheduling import run_idle, seconds_kept_waiting
from ops.processes.spawn import kill_group, spawn
from ops.stack import state
from ops.stack.plan.plan import Plan, Process
from ops.stack.plan.roles import STOP_ORDER, Stage
from ops.stack.supervision.console import Console, follow
from ops.stack.supervision.liveness import LivenessWatch, WatchedProcess

_POLL_SECONDS = 0.1
_START_SECONDS = {Stage.SERVERS: 30.0, Stage.WORKERS: 90.0, Stage.WEB: 60.0, Stage.OPERATIONS: 60.0}
"""How long a process may take to become healthy, without the time that it waits for a CPU that others have."""
_LONGEST_START_SECONDS = 900.0
_STOP_SECONDS = 15.0
_FIRST_BACKOFF_SECONDS = 0.5
_LONGEST_BACKOFF_SECONDS = 30.0
_STEADY_SECONDS = 60.0


@dataclass
class _Child:
    """A process of the plan and its present life; `restart_at` is set while it waits for its next start."""

    process: Process
    log: Path
    running: subprocess.Popen[bytes] | None = None
    copying: threading.Thread | None = None
    started_at: float = 0.0
    restart_at: float | None = None
    restarts: int = 0
    backoff_seconds: float = _FIRST_BACKOFF_SECONDS
    is_ready: bool = False

    @property
    def is_late(self) -> bool:
        """Whether it should have become healthy by now; a busy machine gives it more time."""
        seconds, patience = time.monotonic() - self.started_at, _START_SECONDS[self.process.stage]
        if seconds <= patience or self.running is None:
            return False
        return seconds > _LONGEST_START_SECONDS or seconds - seconds_kept_waiting(self.running.pid) > patience

    def state(self) -> state.ProcessState:
        word = "restarting" if self.restart_at is not None else "stopped"
        if self.running is not None:
            word = "running" if self.is_ready else "starting"
        pid = self.running.pid if self.running is not None else None
        return state.ProcessState(self.process.name, word, pid, self.process.port, self.restarts, str(self.log))


@dataclass
class Supervisor:
    """Runs one stack until a signal ends it.

    Attributes:
        shows_logs: whether the processes' lines go to the console; their log files get them in any case.
    """

    plan: Plan
    var_dir: Path
    console: Console
    shows_logs: bool = True
    _children: list[_Child] = field(default_factory=list)
    # Plain flags: a signal handler that takes an Event's lock while the main thread holds it never returns.
    _is_stopping: bool = False
    _is_impatient: bool = False
    _phase: str = "starting"
    _started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def run(self, on_ready: Callable[[], None]) -> None:
        """Starts everything, calls `on_ready`, and returns once a signal came and everything has stopped.

        Raises:
            ops.errors.ServerStartError: a process did not become healthy; everything has been stopped again.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        logs = self.var_dir / "log"
        logs.mkdir(parents=True, exist_ok=True)
        self._children = [_Child(process, logs / f"{process.name}.log") for process in self.plan.processes]
        watch = LivenessWatch(self._watched, lambda text: self.console.say(text, level="ERROR"))
        try:
            for stage in Stage:
                self._start_stage(stage)
            if not self._is_stopping:
                self._enter("running")
                on_ready()
            watch.start()
            while not self._stops_within(_POLL_SECONDS):
                self._restart_the_dead()
        finally:
            watch.stop()
            self._stop_all()

    def _watched(self) -> list[WatchedProcess]:
        return [
            WatchedProcess(child.process.name, child.running, child.process.is_alive)
            for child in self._children
            if child.is_ready and child.running is not None and child.process.is_alive is not None
        ]

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        # A second signal ends the patience with processes that finish their work.
        self._is_impatient = self._is_stopping
        self._is_stopping = True

    def _stops_within(self, seconds: float) -> bool:
        if not self._is_stopping:
            time.sleep(seconds)
        return self._is_stopping

    def _enter(self, phase: str) -> None:
        self._phase = phase
        self._write_state()

    def _write_state(self) -> None:
        state.write(
            self.var_dir,
            state.StackState(
                self._phase,
                os.getpid(),
                self._started_at,
                self.plan.urls,
                self.plan.env,
                self.plan.notes,
                tuple(child.state() for child in self._children),
            ),
        )

    def _start_stage(self, stage: Stage) -> None:
        """Starts the processes of a stage together and waits until all are healthy."""
        waiting = [child for child in self._children if child.process.stage is stage]
        for child in waiting:
            self._start(child)
        self._write_state()
        while waiting and not self._stops_within(_POLL_SECONDS):
            for child in waiting:
                self._check_alive(child)
                if not self._becomes_ready(child) and child.is_late:
                    seconds = time.monotonic() - child.started_at
                    raise ServerStartError(
                        f"{child.process.name} was not healthy after {seconds:.0f} s: {_last_word(child)}"
                    )
            waiting = [child for child in waiting if not child.is_ready]
        self._write_state()

    def _becomes_ready(self, child: _Child) -> bool:
        """Notes and returns whether a process is healthy; a background process takes the CPU last from then on.

        Its start takes its share: under SCHED_IDLE it would not end while the machine is busy.
        """
        child.is_ready = child.process.is_healthy is None or child.process.is_healthy()
        if child.is_ready and child.process.is_background and child.running is not None:
            run_idle(child.running.pid)
        return child.is_ready

    def _start(self, child: _Child) -> None:
        pipe_reader, pipe_writer = os.pipe()
        child.running = spawn(
            child.process.argv,
            env=os.environ | dict(child.process.env),
            output=pipe_writer,
        )
        os.close(pipe_writer)
        child.copying = follow(
            child.process.name,
            os.fdopen(pipe_reader, "rb"),
            child.log,
            self.console if self.shows_logs else None,
        )
        child.started_at, child.restart_at = time.monotonic(), None
        port = f" on port {child.process.port}" if child.process.port else ""
        self.console.say(f"started {child.process.name}{port} (pid {child.running.pid})")

    def _check_alive(self, child: _Child) -> None:
        if child.running is not None and child.running.poll() is not None:
            raise ServerStartError(
                f"{child.process.name} ended at start with code {child.running.returncode}: {_last_word(child)}"
            )

    def _restart_the_dead(self) -> None:
        """Notices ended processes and starts each again after its backoff."""
        now = time.monotonic()
        for child in self._children:
            if child.running is not None and child.running.poll() is not None:
                self._note_death(child, now)
            elif child.restart_at is not None and now >= child.restart_at:
                child.restarts += 1
                self._start(child)
                self._write_state()
            elif child.running is not None and not child.is_ready and self._becomes_ready(child):
                self._write_state()

    def _note_death(self, child: _Child, now: float) -> None:
        assert child.running is not None  # noqa: S101 - the caller looked
        if now - child.started_at > _STEADY_SECONDS:
            child.backoff_seconds = _FIRST_BACKOFF_SECONDS
        # Its own children, if any, hold its port or its pipe.
        kill_group(child.running.pid)
        self.console.say(
            f"{child.process.name} ended with {_describe(child.running.returncode)}; "
            f"it starts again in {child.backoff_seconds:g} s",
            level="ERROR",
        )
        child.restart_at = now + child.backoff_seconds
        child.backoff_seconds = min(child.backoff_seconds * 2, _LONGEST_BACKOFF_SECONDS)
        child.running, child.is_ready = None, False
        self._write_state()

    def _stop_all(self) -> None:
        """Stops stage after stage and removes the state file."""
        self._is_stopping = True
        self._enter("stopping")
        for stage in STOP_ORDER:
            self._stop(child for child in self._children if child.process.stage is stage)
        state.remove(self.var_dir)

    def _stop(self, children: Iterable[_Child]) -> None:
        """Ends processes together: SIGTERM, patience, then SIGKILL for their whole groups."""
        running = [(child, child.running) for child in children if child.running is not None]
        for _, process in running:
            process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        while any(process.poll() is None for _, process in running) and time.monotonic() < deadline:
            if self._is_impatient:
                break
            time.sleep(_POLL_SECONDS / 2)
        for child, process in running:
            if process.poll() is None:
                self.console.say(f"{child.process.name} did not end in time and is killed", level="WARNING")
            kill_group(process.pid)
            process.wait()
            if child.copying is not None:
                child.copying.join(timeout=1.0)
            child.running = None
            self.console.say(f"stopped {child.process.name}")


def _last_word(child: _Child) -> str:
    if child.copying is not None:
        child.copying.join(timeout=0.5)
    return last_line(child.log)


def _describe(code: int) -> str:
    return f"code {code}" if code >= 0 else signal.Signals(-code).name
