"""`python -m ops bench`: measures detection quality and latency, each beside what it is to be compared with.

The subcommands' modules import nothing but click before they run, so that `--help` needs no training packages.
"""

import click

from ops.bench.latency.command import command as latency
from ops.bench.quality.command import command as quality


@click.group()
def command() -> None:
    """Measure what the platform is judged by."""


command.add_command(quality, "quality")
command.add_command(latency, "latency")
