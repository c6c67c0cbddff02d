"""`python -m ops status`: shows the running processes, their ports and restarts."""

import json
import sys
from dataclasses import asdict

import click

from ops.stack import state
from settings import load_settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the whole state as JSON.")
def command(as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Show the stack; exit code 0 if everything runs, 3 if a part does not, 4 if no stack runs."""
    stack = state.read(load_settings().var_dir)
    if as_json:
        click.echo(json.dumps(asdict(stack) if stack else {"phase": "stopped"}, indent=2))
    elif stack is None:
        click.echo("No stack runs.")
    else:
        _print_table(stack)
    if stack is None:
        sys.exit(4)
    healthy = stack.phase == "running" and all(process.state == "running" for process in stack.processes)
    sys.exit(0 if healthy else 3)


def _print_table(stack: state.StackState) -> None:
    click.echo(f"The stack has been {stack.phase} since {stack.started_at} (supervisor {stack.supervisor_pid}).")
    click.echo(f"{'process':<12}{'state':<12}{'pid':>8}{'port':>8}{'restarts':>10}")
    for process in stack.processes:
        colour = "green" if process.state == "running" else "yellow"
        click.echo(
            f"{process.name:<12}"
            + click.style(f"{process.state:<12}", fg=colour)
            + f"{process.pid or '-':>8}{process.port or '-':>8}{process.restarts:>10}"
        )
    for name, url in stack.urls.items():
        click.echo(f"  {name:<8}{url}")
