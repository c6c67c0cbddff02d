"""`python -m ops keys`: makes development keys; --production: keys that production accepts."""

from pathlib import Path

import click

from ops.credentials.development_keys import make_development_keys, make_production_keys, refuse_in_production
from ops.credentials.redis_grants import USERS
from ops.credentials.redis_users import FOLDER_NAME, make_redis_users
from settings import DEVELOPMENT_ENV_FILE


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the keys.  [default: var/keys, with --production var/keys/production]",
)
@click.option("--production", is_flag=True, help="Make keys that production accepts.")
@click.option("--redis-users", is_flag=True, help="Write Redis's access list, and credentials that are missing.")
@click.option(
    "--force", is_flag=True, help="Replace keys and passwords that are there; models they encrypted cannot be loaded."
)
def command(out: Path | None, production: bool, redis_users: bool, force: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Make every key that the platform needs, readable by this user alone."""
    out = out or (DEVELOPMENT_ENV_FILE.parent / "production" if production else DEVELOPMENT_ENV_FILE.parent)
    if redis_users:
        path = make_redis_users(out / FOLDER_NAME, replace=force)
        click.echo(f"The access list is {path}; start Redis with --aclfile, or let it read the list by ACL LOAD.")
        click.echo(f"Each process gets REDIS_CREDENTIALS_FILE={path.parent}/USER, of: {', '.join(USERS)}.")
        return
    if production:
        env_file = make_production_keys(out, replace=force)
        click.echo(f"Production keys are in {env_file}; docs/production.md says which process gets which of them.")
        return
    refuse_in_production("keys for development", "say --production")
    env_file = make_development_keys(out, replace=force)
    click.echo(f"Development keys are in {env_file}.")
    if env_file != DEVELOPMENT_ENV_FILE:
        click.echo(f"Processes read {DEVELOPMENT_ENV_FILE} by themselves; export these values to use them instead.")
