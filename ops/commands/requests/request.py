"""`python -m ops request`: sends one signed request to the API and prints its answer."""

import json
import ssl
import sys
from pathlib import Path

import click

from ops.cli.request_body import read_body
from ops.client import Client
from ops.errors import OpsError, StackError
from ops.stack import state
from security.keys import check_secret
from security.roles import Role
from security.tokens.token_issuer import issue_token
from settings import Settings, load_settings

_SUBJECT = "operator"
_TOKEN_SECONDS = 60
_TIMEOUT_SECONDS = 40.0  # longer than leaving SAFE MODE may take, which tests every worker first
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("method", type=click.Choice(["GET", "POST"], case_sensitive=False))
@click.argument("path")
@click.option("--data", help="JSON body of a POST; @FILE reads it from a file, @- from standard input.")
@click.option(
    "--role",
    "roles",
    type=click.Choice([role.value for role in Role]),
    multiple=True,
    help="Role of the token; may be given several times.  [default: all roles]",
)
@click.option("--url", help="Where the API is.  [default: the running stack, else a WEB_PORT that is set]")
@click.option("--ca", type=_FILE, help="PEM certificates that the API's is checked against.  [default: SSL_CERT_FILE]")
@click.option("--cert", type=_FILE, help="PEM client certificate; without keys here, it goes alone.")
@click.option("--key", type=_FILE, help="PEM private key of --cert.  [default: in the same file]")
@click.option("--include", "-i", is_flag=True, help="Print status and headers, too.")
def command(  # noqa: PLR0913, PLR0917 - click passes one argument per option
    method: str,
    path: str,
    data: str | None,
    roles: tuple[str, ...],
    url: str | None,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    include: bool,  # noqa: FBT001 - click passes options by name
) -> None:
    """Send METHOD PATH to the API, with a token and a signature made from this machine's keys.

    Exit code 0 for an answer below 400, 1 otherwise.
    """
    if not path.startswith("/"):
        raise click.UsageError("PATH starts with a slash.")
    settings = load_settings()
    address, tls = url or _default_url(settings), _tls(ca, cert, key)
    token, secret = _credentials(settings, roles, is_needed=cert is None)
    with Client(address, hmac_key=secret, token=token, timeout_seconds=_TIMEOUT_SECONDS, tls=tls) as client:
        answer = client.send(method.upper(), path, read_body(data))
    if include:
        click.echo(f"{answer.status}")
        for name, value in answer.headers.items():
            click.echo(f"{name}: {value}")
        click.echo()
    click.echo(_readable(answer.body))
    sys.exit(0 if answer.status < 400 else 1)


def _tls(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Returns authorities and client certificate, None for the system's and none."""
    if key is not None and cert is None:
        raise click.UsageError("--key is the private key of --cert.")
    if ca is None and cert is None:
        return None
    try:
        context = ssl.create_default_context(cafile=ca)
        if cert is not None:
            context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise OpsError(f"{cert or ca} cannot be used: it holds no PEM certificate, or not with this key.") from error
    return context


def _credentials(settings: Settings, roles: tuple[str, ...], *, is_needed: bool) -> tuple[str | None, bytes | None]:
    """Returns token and signature key; nothing beside a certificate where this machine has no keys."""
    if not is_needed and (settings.jwt_secret is None or settings.hmac_key is None):
        return None, None
    token = issue_token(
        settings,
        subject=_SUBJECT,
        roles=[Role(role) for role in roles] or list(Role),
        lifetime_seconds=_TOKEN_SECONDS,
    )
    return token, check_secret("HMAC_KEY", settings.hmac_key)


def _default_url(settings: Settings) -> str:
    stack = state.read(settings.var_dir)
    if stack is not None and "api" in stack.urls:
        return stack.urls["api"]
    if "web_port" not in settings.model_fields_set:
        raise StackError(
            f"No stack runs in {settings.var_dir}, and no API is named: start a stack by `python -m ops up`, or say "
            "--url or WEB_PORT."
        )
    scheme = "https" if settings.tls_certificate_file is not None else "http"
    return f"{scheme}://{settings.web_host}:{settings.web_port}"


def _readable(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body.decode(errors="replace")
