"""`python -m ops prepare`: makes development keys and a first model, so that the stack can start."""

import click

from ops.credentials.redis_users import FOLDER_NAME, make_redis_users
from ops.credentials.service_keys import hand_out_keys
from ops.first_model.training import prepare
from settings import DEVELOPMENT_ENV_FILE, load_settings


@click.command()
def command() -> None:
    """Make keys, Redis users and a first model; existing ones stay, Redis's access list is written anew."""
    prepare(load_settings())
    keys = DEVELOPMENT_ENV_FILE.parent
    # Always: a new version's grants stand in a new list alone.
    make_redis_users(keys / FOLDER_NAME, replace=False)
    if DEVELOPMENT_ENV_FILE.exists():
        hand_out_keys(keys)
