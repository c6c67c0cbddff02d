"""`python -m ops revoke`: refuses a token, or all a subject holds, before they expire."""

import getpass
import json
import time
from dataclasses import asdict
from datetime import UTC, datetime

import click

from ops.cli.reason import REASON
from ops.stack.addresses import REDIS, joined_settings
from security.names import as_line, is_name
from security.revocations.revocation import Revocation, RevokedKind, revocation
from security.revocations.revocation_redis import RedisRevocations
from settings import Settings
from tasks.wiring.connections import Connections

_KIND = click.Choice([kind.value for kind in RevokedKind])


@click.group()
def command() -> None:
    """Refuse tokens before they expire; every web process obeys within a second."""


@command.command()
@click.argument("kind", type=_KIND)
@click.argument("name")
@click.option("--reason", type=REASON, default="", help="Why; the list shows it.")
def add(kind: str, name: str, reason: str) -> None:
    """Revoke the token whose `jti` is NAME, or every token that the subject NAME holds by now.

    Tokens issued to the subject later are good, those of the next JWT_LEEWAY_SECONDS excepted.
    """
    _check_name(name)
    settings = joined_settings(REDIS)
    now = int(time.time())
    # A token issued by now may bear a time of issue up to the leeway ahead, and is accepted up to the leeway too long.
    longest = settings.jwt_max_lifetime_seconds + 2 * settings.jwt_leeway_seconds
    entry = revocation(
        RevokedKind(kind), name, now=now, longest_life_seconds=longest, reason=reason, by=getpass.getuser()
    )
    _store(settings).add(entry, now=now)
    click.echo(f"The {kind} {name} is revoked until {_time(entry.expires_at)}, when the last such token has expired.")


@command.command()
@click.argument("kind", type=_KIND)
@click.argument("name")
def lift(kind: str, name: str) -> None:
    """Take a revocation back."""
    _check_name(name)
    if not _store(joined_settings(REDIS)).lift(RevokedKind(kind), name):
        raise click.ClickException(f"The {kind} {name} is not revoked; `revoke list` shows what is.")
    click.echo(f"The {kind} {name} is accepted again.")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Show what is revoked, the newest first."""
    now = time.time()
    entries = [entry for entry in _store(joined_settings(REDIS)).read().entries if entry.expires_at > now]
    entries.sort(key=lambda entry: entry.revoked_at, reverse=True)
    if as_json:
        click.echo(json.dumps([asdict(entry) for entry in entries], indent=2))
        return
    if not entries:
        click.echo("Nothing is revoked.")
    for entry in entries:
        click.echo(shown(entry))


def shown(entry: Revocation) -> str:
    """Returns the line of a revocation; whoever writes to Redis may have written the text in it."""
    return as_line(
        f"{entry.kind:<8} {entry.name:<36} {_time(entry.revoked_at)}  until {_time(entry.expires_at)}  "
        f"{entry.by}  {entry.reason}"
    ).rstrip()


def _store(settings: Settings) -> RedisRevocations:
    return RedisRevocations(Connections(settings).redis())


def _check_name(name: str) -> None:
    if not is_name(name):
        raise click.UsageError("NAME is 1 to 128 printable ASCII characters without spaces, as in the token.")


def _time(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
