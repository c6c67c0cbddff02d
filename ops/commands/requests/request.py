"""`python -m ops request`: sends one signed request to the API and prints its answer."""

import json
import sys

import click

from ops.cli.request_body import read_body
from ops.client import Client
from ops.errors import StackError
from ops.stack import state
from security.keys import check_secret
from security.roles import Role
from security.tokens.token_issuer import issue_token
from settings import Settings, load_settings

_SUBJECT = "operator"
_TOKEN_SECONDS = 60
_TIMEOUT_SECONDS = 10.0


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
@click.option("--include", "-i", is_flag=True, help="Print status and headers, too.")
def command(
    method: str,
    path: str,
    data: str | None,
    roles: tuple[str, ...],
    url: str | None,
    include: bool,  # noqa: FBT001 - click passes options by name
) -> None:
    """Send METHOD PATH to the API, with a token and a signature made from this machine's keys.

    Exit code 0 for an answer below 400, 1 otherwise.
    """
    if not path.startswith("/"):
        raise click.UsageError("PATH starts with a slash.")
    settings = load_settings()
    token = issue_token(
        settings,
        subject=_SUBJECT,
        roles=[Role(role) for role in roles] or list(Role),
        lifetime_seconds=_TOKEN_SECONDS,
    )
    key = check_secret("HMAC_KEY", settings.hmac_key)
    with Client(url or _default_url(settings), hmac_key=key, token=token, timeout_seconds=_TIMEOUT_SECONDS) as client:
        answer = client.send(method.upper(), path, read_body(data))
    if include:
        click.echo(f"{answer.status}")
        for name, value in answer.headers.items():
            click.echo(f"{name}: {value}")
        click.echo()
    click.echo(_readable(answer.body))
    sys.exit(0 if answer.status < 400 else 1)


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
