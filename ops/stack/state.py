"""The state of the stack for other commands: `VAR_DIR/run/stack.json`, and a lock that shows whether it is current.

The supervisor holds the lock for as long as it lives; the kernel releases it at any death. So a state file without
the lock is stale, whatever process ids it names.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from ops.errors import StackError

# A command that reads the state holds the lock for a moment; a supervisor waits for it.
_LOCK_SECONDS = 0.5
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One process as `status` shows it; `state` is starting, running, restarting or stopped."""

    name: str
    state: str
    pid: int | None
    port: int | None
    restarts: int
    log: str


@dataclass(frozen=True, slots=True)
class StackState:
    """The whole stack; `phase` is starting, running or stopping."""

    phase: str
    supervisor_pid: int
    started_at: str
    urls: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    processes: tuple[ProcessState, ...] = ()


def run_directory(var_dir: Path) -> Path:
    """Returns the folder of the state file and the lock."""
    return var_dir / "run"


@contextlib.contextmanager
def holding_lock(var_dir: Path) -> Iterator[None]:
    """Marks this process as the one supervisor of the folder; what a dead one said about its stack is gone then.

    Raises:
        ops.errors.StackError: another supervisor lives.
    """
    path = run_directory(var_dir) / "stack.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not _locks(lock, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise StackError("The stack runs already; `python -m ops status` shows it.")
            time.sleep(_POLL_SECONDS)
        remove(var_dir)
        yield


def _locks(lock: IO[str], kind: int) -> bool:
    """Takes the lock if it is free, and says whether it did."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_running(var_dir: Path) -> bool:
    """Whether a supervisor of this folder lives."""
    path = run_directory(var_dir) / "stack.lock"
    if not path.exists():
        return False
    with path.open() as lock:
        # Shared, so that two commands that read at the same time do not take each other for a supervisor.
        return not _locks(lock, fcntl.LOCK_SH)


def begin(var_dir: Path) -> None:
    """Writes that this process starts a stack whose processes are not known yet, so that `down` finds it.

    Raises:
        ops.errors.StackError: the folder cannot be written; what would run there could keep nothing.
    """
    try:
        write(var_dir, StackState("starting", os.getpid(), moment()))
    except OSError as error:
        raise StackError(f"{run_directory(var_dir)} cannot be written: {error.strerror}; make room there.") from error


def moment() -> str:
    """Returns the present time as the state holds it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write(var_dir: Path, state: StackState) -> None:
    """Replaces the state file in one step; it can hold the user's server URLs, so only the owner reads it.

    Raises:
        OSError: it cannot be written; the old one stays.
    """
    path = run_directory(var_dir) / "stack.json"
    draft = path.with_suffix(".new")
    try:
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(state), indent=2))
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def read(var_dir: Path) -> StackState | None:
    """Returns the state of the living stack, None if none lives."""
    if not is_running(var_dir):
        return None
    try:
        content = json.loads((run_directory(var_dir) / "stack.json").read_text())
    except FileNotFoundError:
        return None
    processes = tuple(ProcessState(**process) for process in content.pop("processes"))
    return StackState(**content | {"processes": processes, "notes": tuple(content["notes"])})


def remove(var_dir: Path) -> None:
    """Deletes the state file, if the folder lets it."""
    with contextlib.suppress(OSError):
        (run_directory(var_dir) / "stack.json").unlink(missing_ok=True)
