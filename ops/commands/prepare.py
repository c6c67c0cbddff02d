"""`python -m ops prepare`: makes what a first start needs: development keys and a first model."""

import click

from ops.demo.training import prepare
from settings import load_settings


@click.command()
def command() -> None:
    """Make keys and a first model; whatever is there already stays."""
    prepare(load_settings())
