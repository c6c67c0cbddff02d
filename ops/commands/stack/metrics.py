"""`python -m ops metrics`: prints every metric with type, unit, labels and meaning, as docs/metrics.md holds it."""

import click

from observability.metrics_document import document


@click.command()
def command() -> None:
    """Print every metric with type, unit, labels and meaning."""
    click.echo(document(), nl=False)
