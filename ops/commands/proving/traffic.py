"""`python -m ops traffic`: sends a few synthetic transactions to a deployment and shows their decisions."""

import sys

import click

from ops.stack.api_access import ApiOptions, api_options
from settings import load_settings


@click.command()
@click.option("--count", type=click.IntRange(1, 100_000), default=10, show_default=True, help="How many.")
@click.option(
    "--sleep-ms", type=click.IntRange(0, 60_000), default=50, show_default=True, help="Pause after each, milliseconds."
)
@api_options
@click.option(
    "--timeout", type=click.FloatRange(0.1, 300), default=10.0, show_default=True, help="Longest wait for an answer, s."
)
@click.option("--seed", type=int, help="Amounts and customers of an earlier run with this seed.  [default: new ones]")
@click.option("--allow-production", is_flag=True, help="Send also to a deployment that says it is production.")
def command(
    *, count: int, sleep_ms: int, api: ApiOptions, timeout: float, seed: int | None, allow_production: bool
) -> None:
    """Send transactions one after the other, signed with this machine's keys; their ids begin with `synthetic-`.

    Exit code 0 if each got a decision, 1 otherwise.
    """
    from ops.proving.few import send_few

    access = api.access(load_settings())
    sent = send_few(
        access,
        count=count,
        pause_seconds=sleep_ms / 1000,
        timeout_seconds=timeout,
        seed=seed,
        allow_production=allow_production,
    )
    sys.exit(0 if sent.decided == count else 1)
