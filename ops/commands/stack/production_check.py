"""`python -m ops production-check`: names everything that production would refuse, at once."""

import json
import sys

import click

from ops.startup.production import PLATFORM, ROLES, refusals


@click.command()
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default=PLATFORM,
    show_default=True,
    help="Kind of process whose keys must be there; platform asks for those of all.",
)
@click.option(
    "--settings-only",
    is_flag=True,
    help="Check settings, keys and files alone; ask no server and open no model, as in a pipeline.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(role: str, settings_only: bool, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Check settings, keys, files, servers and the model; exit code 0 if production would start, 1 if not.

    Servers are asked at the same time, read alone, and for 15 seconds at most.
    """
    problems = refusals(role, asks_servers=not settings_only)
    if as_json:
        click.echo(
            json.dumps(
                {"role": role, "servers_asked": not settings_only, "ready": not problems, "problems": problems},
                indent=2,
            )
        )
    elif problems:
        click.echo("Production would refuse:")
        for problem in problems:
            click.echo(f"  - {problem}")
    elif settings_only:
        click.echo("Production accepts these settings; no server was asked and no model opened.")
    else:
        click.echo("Production would start.")
    sys.exit(1 if problems else 0)
