"""`python -m ops keys`: makes development keys."""

from pathlib import Path

import click

from ops.development_keys import make_development_keys
from settings import DEVELOPMENT_ENV_FILE


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEVELOPMENT_ENV_FILE.parent,
    show_default=True,
    help="Folder of the keys.",
)
@click.option("--force", is_flag=True, help="Replace existing keys; models they sealed can no longer be loaded.")
def command(out: Path, force: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Make every key a development machine needs, readable by this user alone."""
    env_file = make_development_keys(out, replace=force)
    click.echo(f"Development keys are in {env_file}.")
    if env_file != DEVELOPMENT_ENV_FILE:
        click.echo(f"Processes read {DEVELOPMENT_ENV_FILE} by themselves; export these values to use them instead.")
