"""Runs the stack in this process: preconditions, supervisor, and the messages to the user."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ops.embedded import mongo
from ops.errors import StackError
from ops.stack import state
from ops.stack.data_folder import data_folder, take_over
from ops.stack.log_file import LogLimits
from ops.stack.plan.plan import Plan, make_plan
from ops.stack.plan.roles import Stage
from ops.stack.preconditions import ensure_keys
from ops.stack.start import own_log
from ops.stack.supervision.console import Console
from ops.stack.supervision.supervisor import Supervisor
from ops.startup.champion import require_model
from settings import Settings


def run_stack(
    settings: Settings, *, score_workers: int | None = None, web_processes: int | None = None, shows_logs: bool
) -> None:
    """Runs the stack until a signal ends it.

    Raises:
        ops.errors.OpsError: it runs already, no model is trained, or a process did not start.
    """
    running = state.read(settings.var_dir)
    if running is not None:
        raise StackError(already_running(running))
    limits = LogLimits.of(settings)
    console = Console(own_log(settings.var_dir), limits)
    settings = ensure_keys(settings, console.say)
    require_model(settings)
    with state.holding_lock(settings.var_dir):
        state.begin(settings.var_dir)
        plan = make_plan(settings, score_workers=score_workers, web_processes=web_processes)
        for note in plan.notes:
            console.say(note, level="WARNING")
        _make_folders(plan, settings.var_dir)
        Supervisor(plan, settings.var_dir, console, limits, shows_logs=shows_logs).run(
            on_ready=lambda missing: console.say(f"{ready_text(missing)}\n{addresses(plan.urls)}")
        )


def already_running(stack: state.StackState) -> str:
    """Returns the message of a second `up`."""
    text = f"The stack is {stack.phase} already (supervisor {stack.supervisor_pid}, since {stack.started_at})"
    if not stack.processes:
        return f"{text}; `python -m ops status` shows it."
    return f"{text}: {', '.join(process.name for process in stack.processes)}. The API is at {stack.urls['api']}."


def ready_text(missing: Sequence[str]) -> str:
    """Returns what a user reads once the stack is ready; what scoring does not need may be missing.

    >>> ready_text(["flower"])
    'everything runs but flower, which is tried again; Ctrl-C stops it'
    """
    but = f" but {', '.join(missing)}, which is tried again" if missing else ""
    return f"everything runs{but}; Ctrl-C stops it"


def addresses(urls: Mapping[str, str]) -> str:
    """Returns where everything is, a line each."""
    return "\n".join(f"    {name:<8}{url}" for name, url in urls.items())


def _make_folders(plan: Plan, var_dir: Path) -> None:
    take_over(var_dir)
    for process in plan.processes:
        if process.stage is Stage.SERVERS:
            folder = data_folder(var_dir) / process.name
            folder.mkdir(parents=True, exist_ok=True)
            # The supervisor's lock is held: what wrote this has ended.
            (folder / mongo.PID_FILE).unlink(missing_ok=True)
