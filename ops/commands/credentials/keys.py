"""`python -m ops keys`: makes development keys; --production: keys that production accepts."""

from pathlib import Path

import click

from ops.credentials.development_keys import (
    PRODUCTION_ENV_NAME,
    make_development_keys,
    make_production_keys,
    refuse_in_production,
)
from ops.credentials.redis_grants import USER_OF_ROLE, USERS
from ops.credentials.redis_users import ACCESS_LIST_NAME, FOLDER_NAME, make_redis_users
from ops.credentials.service_keys import NEEDS, hand_out_production_keys, names_of_nobody, refuse_to_hand_out
from settings import DEVELOPMENT_ENV_FILE, Environment, asked_environment


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
    if redis_users:
        production = production or asked_environment() is Environment.PRODUCTION
    out = out or (DEVELOPMENT_ENV_FILE.parent / "production" if production else DEVELOPMENT_ENV_FILE.parent)
    if redis_users:
        _make_redis_users(out, production=production, force=force)
        return
    if production:
        env_file = make_production_keys(out, replace=force)
        click.echo(f"Production keys are in {env_file}. Keep that folder off the machines that serve.")
        click.echo(f"Redis starts with --aclfile {env_file.parent / FOLDER_NAME / ACCESS_LIST_NAME}.")
        _tell_who_gets_what(hand_out_production_keys(out))
        return
    refuse_in_production("keys for development", "say --production")
    env_file = make_development_keys(out, replace=force)
    click.echo(f"Development keys are in {env_file}.")
    if env_file != DEVELOPMENT_ENV_FILE:
        click.echo(f"Processes read {DEVELOPMENT_ENV_FILE} by themselves; export these values to use them instead.")


def _make_redis_users(out: Path, *, production: bool, force: bool) -> None:
    hands_out = production and (out / PRODUCTION_ENV_NAME).exists()
    if hands_out:
        refuse_to_hand_out(out.absolute(), env_name=PRODUCTION_ENV_NAME, renews_redis=force)
    path = make_redis_users((out.absolute() if production else out) / FOLDER_NAME, replace=force)
    click.echo(f"The access list is {path}; start Redis with --aclfile, or let it read the list by ACL LOAD.")
    click.echo(f"Each process gets REDIS_CREDENTIALS_FILE={path.parent}/USER, of: {', '.join(USERS)}.")
    if hands_out:
        _tell_who_gets_what(hand_out_production_keys(out))


def _tell_who_gets_what(folder: Path) -> None:
    """Says how the files reach the processes; paths in them are absolute."""
    click.echo(f"Each process gets {folder}/USER/{PRODUCTION_ENV_NAME} and no other; USER is")
    for user in NEEDS:
        roles = ", ".join(role for role, own in USER_OF_ROLE.items() if own == user)
        click.echo(f"  {user:<8} for {roles}")
    click.echo(
        "as EnvironmentFile= of a systemd unit, as env_file of a compose service that mounts the folder at the same"
    )
    click.echo("path, or in a shell by `set -a; . FILE; set +a`. docs/production.md says what else each one needs.")
    env_file = folder.parent / PRODUCTION_ENV_NAME
    if names := names_of_nobody(env_file):
        click.echo(f"No process gets {', '.join(names)} of {env_file}; give it to its processes in another way.")
