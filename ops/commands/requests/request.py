"""`python -m ops request`: sends one signed request to the API and prints its answer."""

import json
import sys

import click

from ops.cli.request_body import read_body
from ops.stack.api_access import ApiOptions, api_options
from security.roles import Role
from settings import load_settings

_SUBJECT = "operator"
_TOKEN_SECONDS = 60
_TIMEOUT_SECONDS = 40.0  # longer than leaving SAFE MODE may take, which tests every worker first


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
@api_options
@click.option("--include", "-i", is_flag=True, help="Print status and headers, too.")
def command(
    *,
    method: str,
    path: str,
    data: str | None,
    roles: tuple[str, ...],
    api: ApiOptions,
    include: bool,
) -> None:
    """Send METHOD PATH to the API, with a token and a signature made from this machine's keys.

    Exit code 0 for an answer below 400, 1 otherwise.
    """
    if not path.startswith("/"):
        raise click.UsageError("PATH starts with a slash.")
    access = api.access(load_settings())
    token = access.token(_SUBJECT, [Role(role) for role in roles] or list(Role), lifetime_seconds=_TOKEN_SECONDS)
    with access.client(token, timeout_seconds=_TIMEOUT_SECONDS) as client:
        answer = client.send(method.upper(), path, read_body(data))
    if include:
        click.echo(f"{answer.status}")
        for name, value in answer.headers.items():
            click.echo(f"{name}: {value}")
        click.echo()
    click.echo(_readable(answer.body))
    sys.exit(0 if answer.status < 400 else 1)


def _readable(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body.decode(errors="replace")
