"""`python -m ops sign`: signs one request without sending it, and prints it as a curl command."""

import json
import shlex
import time
from urllib.parse import urlsplit

import click

from ops.cli.request_body import read_body
from ops.errors import OpsError
from security.keys import check_secret
from security.roles import Role
from security.signatures.client_keys import SHARED_KEY_ID
from security.signatures.http_message_signatures import HttpMessage
from security.signatures.http_message_verifier import sign_message
from security.signatures.request_signatures import sign
from security.tokens.token_issuer import issue_token
from settings import Settings, load_settings

_SUBJECT = "operator"
_TOKEN_SECONDS = 300
_DEFAULT_PORTS = {"http": 80, "https": 443}


@click.command()
@click.argument("method", type=click.Choice(["GET", "POST"], case_sensitive=False))
@click.argument("url")
@click.option("--data", help="JSON body of a POST; @FILE reads it from a file, @- from standard input.")
@click.option(
    "--role",
    "roles",
    type=click.Choice([role.value for role in Role]),
    multiple=True,
    help="Role of the token; may be given several times.  [default: all roles]",
)
@click.option("--subject", default=_SUBJECT, show_default=True, help="Subject of the token.")
@click.option("--token", help="A bearer token to send instead of one made from JWT_SECRET; @FILE reads it from a file.")
@click.option("--key-id", help="Name of the key, for X-Key-Id or keyid.  [default: the shared key]")
@click.option("--key-file", type=click.Path(dir_okay=False), help="File with the client's secret.  [default: HMAC_KEY]")
@click.option("--rfc9421", is_flag=True, help="Sign by Signature-Input and Signature instead of X-Request-Signature.")
@click.option("--json", "as_json", is_flag=True, help="Print the headers as JSON.")
def command(  # noqa: PLR0913, PLR0917 - click passes one argument per option
    method: str,
    url: str,
    data: str | None,
    roles: tuple[str, ...],
    subject: str,
    token: str | None,
    key_id: str | None,
    key_file: str | None,
    rfc9421: bool,  # noqa: FBT001 - click passes options by name
    as_json: bool,  # noqa: FBT001
) -> None:
    """Sign METHOD URL now and print a curl command that sends it; the API takes it once, within two minutes."""
    target, authority, scheme = _parts(url)
    settings, body, method = load_settings(), read_body(data), method.upper()
    bearer = _text(token) if token else _issue(settings, subject, roles)
    headers = {"Authorization": f"Bearer {bearer}"} | ({"Content-Type": "application/json"} if body else {})
    secret = _secret(settings, key_file)
    signed_at = int(time.time())
    if rfc9421:
        message = HttpMessage(method, scheme, authority, target, lambda _name: None)
        headers |= sign_message(secret, message, key_id=key_id or SHARED_KEY_ID, created=signed_at, body=body)
    else:
        headers["X-Request-Timestamp"] = str(signed_at)
        headers["X-Request-Signature"] = sign(secret, method=method, path=target, timestamp=signed_at, body=body)
        headers |= {"X-Key-Id": key_id} if key_id else {}
    click.echo(json.dumps(headers, indent=2) if as_json else _curl(method, url, headers, body))


def _parts(url: str) -> tuple[str, str, str]:
    """Returns path with query, authority and scheme; the path is signed as it stands in the URL."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it checks it
    except ValueError as error:
        raise click.UsageError(f"URL cannot be read: {error}; it is http://host:port/path.") from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.fragment:
        raise click.UsageError("URL is http://host/path or https://host/path, without a fragment.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or not target.isprintable() or " " in target or "|" in target:
        raise click.UsageError("URL has characters that must be percent-encoded.")
    return target, parts.netloc.rpartition("@")[2], parts.scheme


def _issue(settings: Settings, subject: str, roles: tuple[str, ...]) -> str:
    return issue_token(
        settings,
        subject=subject,
        roles=[Role(role) for role in roles] or list(Role),
        lifetime_seconds=_TOKEN_SECONDS,
    )


def _secret(settings: Settings, key_file: str | None) -> bytes:
    if key_file is None:
        return check_secret("HMAC_KEY", settings.hmac_key)
    return check_secret(key_file, _text(f"@{key_file}"))


def _text(value: str) -> str:
    if not value.startswith("@"):
        return value
    try:
        with click.open_file(value[1:], encoding="utf-8") as file:
            return str(file.read()).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OpsError(f"{value[1:]} cannot be read as text.") from error


def _curl(method: str, url: str, headers: dict[str, str], body: bytes) -> str:
    """Returns a command for a POSIX shell, which sends the body byte for byte."""
    # Without --path-as-is, curl would tidy the path that was signed.
    lines = [f"curl --silent --show-error --path-as-is --request {method} {shlex.quote(url)}"]
    lines += [f"--header {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    if body:
        try:
            lines.append(f"--data-raw {shlex.quote(body.decode())}")
        except UnicodeDecodeError as error:
            raise OpsError("The body is not UTF-8 text; --json prints the headers alone.") from error
    return " \\\n  ".join(lines)
