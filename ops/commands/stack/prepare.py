"""`python -m ops prepare`: makes development keys and a first model, so that the stack can start."""

import click

from ops.credentials.redis_users import ACCESS_LIST_NAME, FOLDER_NAME, make_redis_users
from ops.first_model.training import prepare
from settings import DEVELOPMENT_ENV_FILE, load_settings


@click.command()
def command() -> None:
    """Make keys, Redis users and a first model; existing ones stay."""
    prepare(load_settings())
    users = DEVELOPMENT_ENV_FILE.parent / FOLDER_NAME
    if not (users / ACCESS_LIST_NAME).exists():
        make_redis_users(users, replace=False)
