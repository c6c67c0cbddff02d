"""`python -m ops keys`: makes development keys."""

from pathlib import Path

import click

from ops.credentials.development_keys import make_development_keys
from ops.credentials.redis_grants import USERS
from ops.credentials.redis_users import FOLDER_NAME, make_redis_users
from settings import DEVELOPMENT_ENV_FILE


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEVELOPMENT_ENV_FILE.parent,
    show_default=True,
    help="Folder of the keys.",
)
@click.option("--redis-users", is_flag=True, help="Make only the Redis users: an access list and their credentials.")
@click.option("--force", is_flag=True, help="Replace existing keys; models they encrypted can no longer be loaded.")
def command(out: Path, redis_users: bool, force: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Make every key a development machine needs, readable by this user alone."""
    if redis_users:
        path = make_redis_users(out / FOLDER_NAME, replace=force)
        click.echo(f"The access list is {path}; start Redis with --aclfile, or let it read the list by ACL LOAD.")
        click.echo(f"Each process gets REDIS_CREDENTIALS_FILE={path.parent}/USER, of: {', '.join(USERS)}.")
        return
    env_file = make_development_keys(out, replace=force)
    click.echo(f"Development keys are in {env_file}.")
    if env_file != DEVELOPMENT_ENV_FILE:
        click.echo(f"Processes read {DEVELOPMENT_ENV_FILE} by themselves; export these values to use them instead.")
