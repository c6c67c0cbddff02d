"""Runs the stack in this process: preconditions, supervisor, and the messages to the user."""

from collections.abc import Mapping
from pathlib import Path

from ops.errors import StackError
from ops.stack import state
from ops.stack.plan.plan import Plan, make_plan
from ops.stack.plan.roles import Stage
from ops.stack.preconditions import ensure_keys, require_model
from ops.stack.supervision.console import Console
from ops.stack.supervision.supervisor import Supervisor
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
    console = Console()
    settings = ensure_keys(settings, console.say)
    require_model(settings)
    with state.holding_lock(settings.var_dir):
        plan = make_plan(settings, score_workers=score_workers, web_processes=web_processes)
        for note in plan.notes:
            console.say(note, level="WARNING")
        _make_folders(plan, settings.var_dir)
        Supervisor(plan, settings.var_dir, console, shows_logs=shows_logs).run(
            on_ready=lambda: console.say(ready_text(plan.urls))
        )


def already_running(stack: state.StackState) -> str:
    """Returns the message of a second `up`."""
    names = ", ".join(process.name for process in stack.processes)
    return (
        f"The stack is {stack.phase} already (supervisor {stack.supervisor_pid}, since {stack.started_at}): "
        f"{names}. The API is at {stack.urls['api']}."
    )


def ready_text(urls: Mapping[str, str]) -> str:
    """Returns the lines a user reads when everything runs."""
    rows = "\n".join(f"    {name:<8}{url}" for name, url in urls.items())
    return f"everything runs; Ctrl-C stops it\n{rows}"


def _make_folders(plan: Plan, var_dir: Path) -> None:
    for process in plan.processes:
        if process.stage is Stage.SERVERS:
            (var_dir / "data" / process.name).mkdir(parents=True, exist_ok=True)
