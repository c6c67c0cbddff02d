"""`python -m ops outbox`: shows undelivered entries, puts dead letters back, repairs gaps in the sinks."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import click

from ml.stores.outbox.outbox_redis import RedisOutbox
from ops.cli.outbox_lags import OutboxLags
from ops.stack.addresses import KAFKA, MONGO, REDIS, joined_settings
from security.names import as_line
from settings import ScoringTopology
from settings.queues import CONSUMER_GROUPS, SHARD_CONSUMER_GROUPS
from tasks.wiring.connections import Connections
from tasks.wiring.stores import outbox

_CONSUMER = "operator"
_MOST_LETTERS = 10_000
_GROUP = click.Choice(CONSUMER_GROUPS)


@click.group()
def command() -> None:
    """Look after the outbox: explain delivers to MongoDB, publish to Kafka, labels to the features.

    Where scoring is sharded, status shows every shard; SHARD=NAME in the environment chooses one for the others.
    """


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Show how many entries each consumer group has not delivered.

    The exit code is 1 if a shard does not answer; the others are shown all the same.
    """
    lags = OutboxLags.measure(_outboxes())
    if as_json:
        click.echo(json.dumps(lags.as_json(), indent=2))
    else:
        for line, is_trouble in lags.table():
            click.secho(line, fg="red" if is_trouble else None)
    context.exit(1 if lags.unavailable else 0)


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
        click.echo(as_line(f"{letter.letter_id:<20} {letter.transaction_id:<40} {letter.reason}"))


@command.command()
@click.argument("group", type=_GROUP)
@click.argument("letters", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Put back every dead letter of the group.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def redrive(group: str, letters: Sequence[str], everything: bool, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Put LETTERS back into the stream for GROUP alone: ids of letters or of transactions, as dead-letters lists them.

    If one of them is unknown, none is put back.
    """
    if everything == bool(letters):
        raise click.UsageError("Name letters, or say --all.")
    view = _outbox(group)
    known = view.dead_letters(_MOST_LETTERS)
    found = [letter for letter in known if everything or {letter.letter_id, letter.transaction_id} & set(letters)]
    named = {name for letter in found for name in (letter.letter_id, letter.transaction_id)}
    missing = sorted(set(letters) - named)
    if missing:
        raise click.ClickException(
            f"{group} has no dead letter {missing[0]}; `python -m ops outbox dead-letters {group}` lists those it has."
        )
    if everything and not known and not as_json:
        click.echo(f"{group} has no dead letters, so nothing is put back.")
        return
    number = view.redrive(found)
    if as_json:
        click.echo(json.dumps({"group": group, "put_back": number}))
        return
    click.echo(f"{number} put back; the {group} worker delivers them at its next doorbell.")
    if everything and len(known) == _MOST_LETTERS:
        click.echo("There may be more; say it again.")


@command.command()
@click.option(
    "--window",
    "minutes",
    type=click.IntRange(1, 55),
    metavar="MINUTES",
    help="How far back answers are looked for; default: RECONCILE_WINDOW_MINUTES.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def reconcile(context: click.Context, minutes: int | None, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Look in MongoDB and Kafka for every answered transaction, and put back into the outbox those they lack.

    The exit code is 0 if nothing was missing, 3 if something was and is repaired, 4 if something is lost, and else 1 if
    a server did not answer; what the others hold is compared and repaired all the same.
    """
    # Needs the clients of MongoDB and Kafka, which an image that only looks at Redis may lack.
    from ops.cli.outbox_reconciliation import exit_code, reconcile_now, table

    reports, uncompared = reconcile_now(joined_settings(REDIS, MONGO, KAFKA), minutes=minutes)
    if as_json:
        rows = [*map(asdict, reports), *map(asdict, uncompared)]
        click.echo(json.dumps(rows, indent=2))
    else:
        for line in table(reports) if reports else ():
            click.echo(line)
        for item in uncompared:
            click.secho(f"{item.sink} was not compared: {item.unavailable}", fg="red")
    context.exit(exit_code(reports, uncompared))


def _outbox(group: str) -> RedisOutbox:
    return outbox(Connections(joined_settings(REDIS)), group, consumer=_CONSUMER)


def _outboxes() -> dict[str | None, dict[str, RedisOutbox]]:
    connections = Connections(joined_settings(REDIS))
    views: dict[str | None, dict[str, RedisOutbox]] = {None: _views(connections, CONSUMER_GROUPS)}
    for name, own in ScoringTopology.from_settings(connections.settings).shards.items():
        views[name] = _views(connections.of(own), SHARD_CONSUMER_GROUPS)
    return views


def _views(connections: Connections, groups: Sequence[str]) -> dict[str, RedisOutbox]:
    return {group: outbox(connections, group, consumer=_CONSUMER) for group in groups}
