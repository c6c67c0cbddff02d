"""Starts the plan's processes stage by stage, restarts those that die, and stops all in order.

No process outlives the supervisor: at a signal it stops them in order, and if it is killed itself the kernel ends
them (`ops.processes.spawn`). A start that fails ends the stack only if scoring needs the process; any other one is
tried again, with growing pauses, while the rest works. Its own state file and its messages are best effort: a full
disk ends nothing, and what could not be written is written once there is room.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from ops.errors import ServerStartError
from ops.processes.scheduling import is_crowded_beside, run_idle
from ops.processes.spawn import kill_group
from ops.stack import state
from ops.stack.log_file import LogFile, LogLimits
from ops.stack.plan.plan import Plan
from ops.stack.plan.roles import STOP_ORDER, Stage
from ops.stack.supervision.child import Child
from ops.stack.supervision.console import Console
from ops.stack.supervision.liveness import LivenessWatch, WatchedProcess

_POLL_SECONDS = 0.1
_STOP_SECONDS = 15.0
_UNWRITTEN_STATE_SECONDS = 1.0
"""How often a state that could not be written is tried again."""
_CROWD_SECONDS = 5.0
"""How often a ready background process is looked at again that could not be put under SCHED_IDLE yet."""


@dataclass
class Supervisor:
    """Runs one stack until a signal ends it.

    Attributes:
        limits: of the processes' log files.
        shows_logs: whether the processes' lines go to the console; their log files get them in any case.
        is_crowded: whether others keep the CPUs busy; called with the process groups that are the stack's own.
    """

    plan: Plan
    var_dir: Path
    console: Console
    limits: LogLimits
    shows_logs: bool = True
    is_crowded: Callable[[Iterable[int]], bool] = is_crowded_beside
    _children: list[Child] = field(default_factory=list)
    # Plain flags: a signal handler that takes an Event's lock while the main thread holds it never returns.
    _is_stopping: bool = False
    _is_impatient: bool = False
    _phase: str = "starting"
    _started_at: str = field(default_factory=state.moment)
    _state_due_at: float | None = None
    _crowd_due_at: float = 0.0

    def run(self, on_ready: Callable[[Sequence[str]], None]) -> None:
        """Starts everything, runs until a signal comes, and stops everything; `on_ready` gets what is not ready yet.

        Raises:
            ops.errors.ServerStartError: a process that scoring needs did not become healthy; everything has been
                stopped again.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        logs = self.var_dir / "log"
        self._children = [
            Child(process, LogFile(logs / f"{process.name}.log", self.limits)) for process in self.plan.processes
        ]
        watch = LivenessWatch(self._watched, lambda text: self.console.say(text, level="ERROR"))
        try:
            for stage in Stage:
                self._start_stage(stage)
            if not self._is_stopping:
                self._enter("running")
                on_ready([child.name for child in self._children if not child.is_ready])
            watch.start()
            while not self._stops_within(_POLL_SECONDS):
                self._tend()
        finally:
            watch.stop()
            self._stop_all()

    def _watched(self) -> list[WatchedProcess]:
        # The main thread changes a child meanwhile: each attribute is read once.
        return [
            WatchedProcess(child.name, running, child.process.is_alive)
            for child in self._children
            if child.is_ready and (running := child.running) is not None and child.process.is_alive is not None
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
        current = state.StackState(
            self._phase,
            os.getpid(),
            self._started_at,
            self.plan.urls,
            self.plan.env,
            self.plan.notes,
            tuple(child.state() for child in self._children),
        )
        try:
            state.write(self.var_dir, current)
        except OSError as error:
            if self._state_due_at is None:
                self.console.say(f"the state cannot be written, `status` shows an old one: {error}", level="ERROR")
            self._state_due_at = time.monotonic() + _UNWRITTEN_STATE_SECONDS
        else:
            if self._state_due_at is not None:
                self.console.say("the state is written again")
            self._state_due_at = None

    def _start_stage(self, stage: Stage) -> None:
        """Starts the processes of a stage together and waits until all are healthy, or have failed and can wait."""
        children = [child for child in self._children if child.process.stage is stage]
        for child in children:
            if self._is_stopping:
                return
            self._start(child)
        self._write_state()
        while any(not child.is_ready and not child.has_failed for child in children):
            if self._stops_within(_POLL_SECONDS):
                return
            self._tend()

    def _start(self, child: Child) -> None:
        try:
            child.start(self.console if self.shows_logs else None)
        except (OSError, RuntimeError) as error:
            self._fail(child, f"{child.name} cannot be started: {error}")
            return
        port = f" on port {child.process.port}" if child.process.port else ""
        self.console.say(f"started {child.name}{port} (pid {child.running.pid if child.running else '-'})")

    def _tend(self) -> None:
        """Notices what became of each process, and starts ended ones again after their pause."""
        for child in self._children:
            if child.has_ended:
                is_start = self._phase == "starting" and not child.is_ready
                self._fail(child, child.failure() if is_start else f"{child.name} ended with {child.ending()}")
            elif child.restart_at is not None and time.monotonic() >= child.restart_at:
                child.restarts += 1
                self._start(child)
                self._write_state()
            elif child.running is not None and not child.is_ready:
                if child.look():
                    self._write_state()
                elif child.is_late:
                    self._fail(child, child.failure())
        self._make_idle()
        if self._state_due_at is not None and time.monotonic() >= self._state_due_at:
            self._write_state()

    def _make_idle(self) -> None:
        """Lets ready background processes take the CPU last, unless others would then leave them none.

        Their start takes its share: under SCHED_IDLE it would not end while the machine is busy. Nor would what they
        deliver, and the kernel lets only root take the policy back; so as long as others want every CPU twice over,
        background processes share alike.
        """
        due = [
            child for child in self._children if child.process.is_background and child.is_ready and not child.is_idle
        ]
        if not due or time.monotonic() < self._crowd_due_at:
            return
        if self.is_crowded([os.getpid(), *(child.running.pid for child in self._children if child.running)]):
            self._crowd_due_at = time.monotonic() + _CROWD_SECONDS
            return
        for child in due:
            if child.running is not None:
                run_idle(child.running.pid)
                child.is_idle = True

    def _fail(self, child: Child, text: str) -> None:
        """Ends a failed life and plans the next one.

        Raises:
            ops.errors.ServerStartError: scoring needs the process, and the stack is still starting.
        """
        is_needed = child.process.is_essential and self._phase == "starting" and not child.was_ready
        if is_needed and not self._is_stopping:
            raise ServerStartError(text)
        child.bury()
        self.console.say(f"{text}; it starts again in {child.pause_seconds:g} s", level="ERROR")
        self._write_state()

    def _stop_all(self) -> None:
        """Stops stage after stage, whatever fails, and removes the state file."""
        self._is_stopping = True
        self._enter("stopping")
        for stage in STOP_ORDER:
            self._stop(child for child in self._children if child.process.stage is stage)
        state.remove(self.var_dir)

    def _stop(self, children: Iterable[Child]) -> None:
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
                self.console.say(f"{child.name} did not end in time and is killed", level="WARNING")
            kill_group(process.pid)
            process.wait()
            child.finish_copying(1.0)
            child.running = None
            self.console.say(f"stopped {child.name}")
