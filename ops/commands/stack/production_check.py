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
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(role: str, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Check settings, keys, files and Redis as production does; exit code 0 if it would start, 1 if not."""
    problems = refusals(role)
    if as_json:
        click.echo(json.dumps({"role": role, "ready": not problems, "problems": problems}, indent=2))
    elif problems:
        click.echo("Production would refuse:")
        for problem in problems:
            click.echo(f"  - {problem}")
    else:
        click.echo("Production would start with these settings.")
    sys.exit(1 if problems else 0)
