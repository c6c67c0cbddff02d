"""`python -m ops bench`: measures detection quality, latency, scale and starts.

The subcommands' modules import nothing but click before they run, so that `--help` needs no training packages.
"""

import click

from ops.proving.bench.latency.command import command as latency
from ops.proving.bench.quality.command import command as quality
from ops.proving.bench.scale.command import command as scale
from ops.proving.bench.start.command import command as start


@click.group()
def command() -> None:
    """Measure detection quality, latency, scale and starts."""


command.add_command(quality, "quality")
command.add_command(latency, "latency")
command.add_command(scale, "scale")
command.add_command(start, "start")
