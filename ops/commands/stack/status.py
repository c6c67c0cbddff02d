"""`python -m ops status`: shows the running processes; --watch: how well the platform does; --open: its page."""

import json
import sys
from dataclasses import asdict

import click

from ops.stack import state
from ops.stack.api_access import ApiOptions, api_options
from ops.stack.watching import status_link, watch_status
from settings import load_settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the whole state as JSON.")
@click.option("--watch", is_flag=True, help="Show how well the platform does, again and again, until Ctrl-C.")
@click.option("--open", "opens", is_flag=True, help="Print a link that opens the page /status once, within 5 minutes.")
@api_options
def command(*, as_json: bool, watch: bool, opens: bool, api: ApiOptions) -> None:
    """Show the stack; exit code 0 if everything runs, 3 if a part does not, 4 if no stack runs.

    --watch and --open ask an API, the running stack's by default, with this machine's keys; exit code 1 if it refuses.
    """
    if as_json + watch + opens > 1:
        raise click.UsageError("Choose one of --json, --watch and --open.")
    if watch or opens:
        access = api.access(load_settings())
        if opens:
            click.echo(status_link(access))
        else:
            watch_status(access)
        return
    if api != ApiOptions():
        raise click.UsageError("--url, --ca, --cert and --key say which API --watch and --open ask.")
    _show_stack(as_json=as_json)


def _show_stack(*, as_json: bool) -> None:
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
