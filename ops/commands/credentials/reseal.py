"""`python -m ops reseal`: ends a rotation of MESSAGE_KEY: seals anew what lasts, and says what still waits."""

import sys
from datetime import UTC, datetime, timedelta

import click

from ops.credentials.resealing import reseal
from ops.credentials.sealed_records_redis import MOST_RECORDS, RecordCount
from ops.errors import OpsError
from ops.stack.addresses import REDIS, joined_settings
from tasks.wiring.connections import Connections


@click.command()
def command() -> None:
    """Seal with MESSAGE_KEY what MESSAGE_PREVIOUS_KEY sealed; fails while entries of the previous key still wait."""
    with Connections(joined_settings(REDIS)) as connections:
        found = reseal(connections)
    click.echo(
        "No live worker signs with MESSAGE_PREVIOUS_KEY. The API and beat give no sign of life: make sure that they "
        "have been restarted with the new key."
    )
    for what in found.renewed:
        click.echo(f"Sealed anew: {what}.")
    if found.waiting:
        listed = ", ".join(f"{count:,} {place}" for place, count in found.waiting.items())
        raise OpsError(
            f"Still sealed with MESSAGE_PREVIOUS_KEY: {listed}. Keep that key; run this again when they are delivered, "
            "and re-drive what was given up (`python -m ops outbox redrive`)."
        )
    if found.strange:
        listed = ", ".join(f"{count:,} {place}" for place, count in found.strange.items())
        click.echo(
            f"Sealed by neither key, and given up by every drain: {listed}. If these are payments or labels of yours, "
            "MESSAGE_PREVIOUS_KEY is not the key that was used before.",
            err=True,
        )
        if any("given up" not in place for place in found.strange):
            sys.exit(1)
    if found.records:
        raise OpsError(" ".join(_sentence(place, count) for place, count in found.records.items()))
    click.echo("Nothing in Redis waits under MESSAGE_PREVIOUS_KEY: it may go.")


def _sentence(place: str, count: RecordCount) -> str:
    if not count.is_whole:
        return (
            f"Of {place} only {MOST_RECORDS:,} were looked at, {count.previous:,} of them sealed with "
            "MESSAGE_PREVIOUS_KEY: keep it until DECISION_TTL_SECONDS have passed since the last process changed keys."
        )
    end = datetime.now(UTC) + timedelta(seconds=count.seconds_left)
    return (
        f"{count.previous:,} {place} are still sealed with MESSAGE_PREVIOUS_KEY; the last one ends at "
        f"{end:%Y-%m-%d %H:%M:%S} UTC. Keep that key until then: without it, their retries are refused."
    )
