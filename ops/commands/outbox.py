"""`python -m ops outbox`: shows what is owed to MongoDB and Kafka, and puts given-up entries back."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import click

from ml.stores.outbox_redis import RedisOutbox
from settings import load_settings
from tasks.queues import CONSUMER_GROUPS, SHARD_CONSUMER_GROUPS, outbox_lags
from tasks.wiring import connect_redis, outbox

_CONSUMER = "operator"
_GROUP = click.Choice(CONSUMER_GROUPS)


@click.group()
def command() -> None:
    """Look after the outbox: explain delivers to MongoDB, publish to Kafka, labels to the features.

    Where scoring is sharded, status shows every shard; SHARD=NAME in the environment chooses one for the others.
    """


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Show what each consumer group has not delivered."""
    lags = outbox_lags(_outboxes())
    if as_json:
        click.echo(json.dumps({group: asdict(lag) for group, lag in lags.items()}, indent=2))
        return
    width = max(10, *(len(group) + 2 for group in lags))
    click.echo(f"{'group':<{width}}{'waiting':>10}{'oldest':>12}{'dead letters':>15}")
    for group, lag in lags.items():
        row = f"{group:<{width}}{lag.entries:>10}{lag.oldest_seconds:>10.1f} s{lag.dead_letters:>15}"
        click.secho(row, fg="red" if lag.dead_letters else None)


@command.command("dead-letters")
@click.argument("group", type=_GROUP)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Most letters to show.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the entries' bodies.")
def dead_letters(group: str, limit: int, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """List the entries that GROUP gave up, oldest first, with the reason."""
    letters = _outbox(group).dead_letters(limit)
    if as_json:
        rows = [asdict(letter) | {"body": letter.body.decode(errors="replace")} for letter in letters]
        click.echo(json.dumps(rows, indent=2))
        return
    if not letters:
        click.echo(f"{group} has no dead letters.")
    for letter in letters:
        click.echo(f"{letter.letter_id:<20} {letter.transaction_id:<40} {letter.reason}")


@command.command()
@click.argument("group", type=_GROUP)
@click.argument("letters", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Put back every dead letter of the group.")
def redrive(group: str, letters: Sequence[str], everything: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Put LETTERS (ids as listed by dead-letters) back into the stream for GROUP alone."""
    if everything == bool(letters):
        raise click.UsageError("Name letters, or say --all.")
    view = _outbox(group)
    found = [letter for letter in view.dead_letters(10_000) if everything or letter.letter_id in letters]
    missing = sorted(set(letters) - {letter.letter_id for letter in found})
    if missing:
        raise click.ClickException(f"{group} has no dead letter {missing[0]}.")
    click.echo(f"{view.redrive(found)} put back; the {group} worker delivers them at its next ring.")


def _outbox(group: str) -> RedisOutbox:
    return outbox(load_settings(), group, consumer=_CONSUMER)


def _outboxes() -> dict[str, RedisOutbox]:
    settings = load_settings()
    names = settings.score_shard_urls if settings.shard is None else ()
    views = {group: outbox(settings, group, consumer=_CONSUMER) for group in CONSUMER_GROUPS}
    for name in names:
        own = settings.of_shard(name)
        client = connect_redis(own, url=own.delivery_url)
        for group in SHARD_CONSUMER_GROUPS:
            views[f"{name}/{group}"] = outbox(own, group, consumer=_CONSUMER, client=client)
    return views
