"""`python -m ops token`: mints a token for a scraper or another caller, lists the minted ones, revokes one."""

import json
import secrets
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from getpass import getuser
from pathlib import Path
from socket import gethostname

import click

from ops.cli.reason import REASON
from ops.credentials.minting import mint
from ops.credentials.token_file import new_token_file
from ops.errors import OpsError
from ops.stack.addresses import MONGO, REDIS, joined_settings
from security.names import as_line, is_name
from security.revocations.revocation import RevokedKind, revocation
from security.revocations.revocation_list import RevocationList
from security.revocations.revocation_redis import RedisRevocations
from security.roles import Role
from security.tokens.minted_tokens import MintedToken, MintedTokens, TokenRequest
from settings import Settings
from tasks.wiring.connections import Connections
from tasks.wiring.stores import audit_log

_DAY_SECONDS = 86_400
_MOST_DAYS = 400
"""Bound of JWT_MAX_LIFETIME_SECONDS."""


@click.group(invoke_without_command=True)
@click.option(
    "--role",
    "roles",
    type=click.Choice([role.value for role in Role]),
    multiple=True,
    help="Role of the token; may be given several times. `metrics` opens /metrics alone.",
)
@click.option("--days", type=click.IntRange(1, _MOST_DAYS), default=30, show_default=True, help="How long it is good.")
@click.option("--subject", help="Subject of the token.  [default: its roles, such as `metrics`]")
@click.option("--reason", type=REASON, default="", help="What for; it goes into the audit.")
@click.option("--out", type=click.Path(path_type=Path), help="File for this user alone.  [default: standard output]")
@click.option(
    "--private-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM key of the issuer; needed by every JWT_ALGORITHM but HS256.",
)
@click.pass_context
def command(
    context: click.Context,
    roles: tuple[str, ...],
    days: int,
    subject: str | None,
    reason: str,
    out: Path | None,
    private_key: Path | None,
) -> None:
    """Mint a token that is good for days, audited before it is handed out; `list` and `revoke` look after them."""
    if context.invoked_subcommand is not None:
        if roles or out:
            raise click.UsageError(f"`{context.invoked_subcommand}` mints nothing; leave --role and --out out.")
        return
    if not roles:
        raise click.UsageError("Say what the token is for: --role metrics opens /metrics and nothing else.")
    held = sorted({Role(role) for role in roles})
    name = subject or "-".join(held)
    _check_name(name)
    settings = joined_settings(MONGO)
    _check_life(days, settings)
    now = int(time.time())
    wanted = TokenRequest(secrets.token_hex(16), name, held, now, now + days * _DAY_SECONDS)
    text = mint(settings, wanted, private_key=private_key)
    with Connections(settings) as connections:
        minted = MintedTokens(audit_log(connections))
        if out is None:
            minted.note(wanted, by=_account(), reason=reason)
            click.echo(text)
        else:
            with new_token_file(out, text):
                minted.note(wanted, by=_account(), reason=reason)
    place = f" It is in {out}, for this user alone." if out else ""
    click.echo(
        f"Token {wanted.token_id} of {name} ({', '.join(held)}) is good until {_time(wanted.expires_at)}.{place}",
        err=True,
    )


@command.command("list")
@click.option("--all", "with_dead", is_flag=True, help="Also those that were revoked.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(with_dead: bool, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Show the minted tokens that have not expired, the newest first."""
    settings = joined_settings(REDIS, MONGO)
    with Connections(settings) as connections:
        revoked = _revoked(connections, _live(connections))
    found = [(token, is_over) for token, is_over in revoked if with_dead or not is_over]
    if as_json:
        click.echo(json.dumps([asdict(token) | {"is_revoked": is_over} for token, is_over in found], indent=2))
        return
    if not found:
        click.echo("No minted token is good now.")
    for token, is_over in found:
        click.echo(shown(token, is_over=is_over))


@command.command()
@click.argument("token_id")
@click.option("--reason", type=REASON, default="", help="Why; the audit and `revoke list` show it.")
def revoke(token_id: str, reason: str) -> None:
    """Refuse the minted token of this id from now on; every web process obeys within a second."""
    _check_name(token_id)
    settings = joined_settings(REDIS, MONGO)
    with Connections(settings) as connections:
        token = next((token for token in _live(connections) if token.token_id == token_id), None)
        if token is None:
            raise OpsError(
                f"No token of the id {token_id} was minted here and is still good: `ops token list` shows them, and "
                "`ops revoke add token` refuses one that somebody else issued."
            )
        now = int(time.time())
        entry = revocation(
            RevokedKind.TOKEN,
            token_id,
            now=now,
            longest_life_seconds=token.expires_at - now + 2 * settings.jwt_leeway_seconds,
            reason=reason,
            by=getuser(),
        )
        RedisRevocations(connections.redis()).add(entry, now=now)
        MintedTokens(audit_log(connections)).note_revoked(token, by=_account(), reason=reason)
    click.echo(f"The token {token_id} of {token.subject} is refused from now on.")


def shown(token: MintedToken, *, is_over: bool) -> str:
    """Returns the line of a token; whoever writes to MongoDB may have written the text in it."""
    state = "revoked" if is_over else f"until {_time(token.expires_at)}"
    return as_line(
        f"{token.token_id}  {token.subject:<16} {','.join(token.roles):<16} {state}  "
        f"minted {_time(token.issued_at)} by {token.by}  {token.reason}"
    ).rstrip()


def _live(connections: Connections) -> list[MintedToken]:
    minted = MintedTokens(audit_log(connections)).minted_within(timedelta(days=_MOST_DAYS))
    return [token for token in minted if token.expires_at > time.time()]


def _revoked(connections: Connections, tokens: list[MintedToken]) -> list[tuple[MintedToken, bool]]:
    """Returns each token with whether it is refused, by its id or by its subject."""
    leeway = connections.settings.jwt_leeway_seconds
    known = RevocationList(RedisRevocations(connections.redis()), leeway_seconds=leeway)
    return [
        (token, known.covers(token_id=token.token_id, subject=token.subject, issued_at=token.issued_at))
        for token in tokens
    ]


def _check_life(days: int, settings: Settings) -> None:
    longest = settings.jwt_max_lifetime_seconds // _DAY_SECONDS
    if days > longest:
        raise OpsError(
            f"The API refuses a token of {days} days, as JWT_MAX_LIFETIME_SECONDS is {longest} days: "
            f"say --days {longest}, or raise it for the API and here."
            if longest
            else "The API refuses a token that is good for a day, as JWT_MAX_LIFETIME_SECONDS is shorter; raise it."
        )


def _check_name(name: str) -> None:
    if not is_name(name):
        raise click.UsageError("A subject or id is 1 to 128 printable ASCII characters without spaces.")


def _account() -> str:
    return f"{getuser()}@{gethostname()}"


def _time(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
