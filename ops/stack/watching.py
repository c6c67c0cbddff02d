"""`ops status --open` and `--watch`: the status page of a deployment, as a link and in the terminal."""

import time

import click

from ops.cli.status_text import status_text
from ops.client import Answer, Client, NoAnswerError
from ops.errors import OpsError
from ops.stack.api_access import ApiAccess
from security.roles import Role

_SUBJECT = "operator"
_TOKEN_SECONDS, _RENEW_SECONDS = 900, 600.0
_PAUSE_SECONDS = 2.0
_TIMEOUT_SECONDS = 10.0
_REFUSED = (401, 403)


def status_link(access: ApiAccess) -> str:
    """Returns a link that opens the status page once, within five minutes.

    Raises:
        OpsError: the API gives none; the message says why.
    """
    with _client(access) as client:
        answer = client.send("POST", "/admin/status/links")
    try:
        return access.url + str(answer.json()["path"])
    except (ValueError, KeyError, TypeError) as error:
        raise OpsError(_no_status(access, answer)) from error


def watch_status(access: ApiAccess) -> None:
    """Shows the status again and again until Ctrl-C, also while the API does not answer.

    Raises:
        OpsError: the API refuses this machine's credentials, or shows no status.
    """
    while True:
        with _client(access) as client:
            renewed_at = time.monotonic()
            while time.monotonic() - renewed_at < _RENEW_SECONDS:
                text = _look(access, client)
                click.clear()
                click.echo(text)
                time.sleep(_PAUSE_SECONDS)


def _client(access: ApiAccess) -> Client:
    token = access.token(_SUBJECT, [Role.ADMIN], lifetime_seconds=_TOKEN_SECONDS)
    return access.client(token, timeout_seconds=_TIMEOUT_SECONDS)


def _look(access: ApiAccess, client: Client) -> str:
    try:
        answer = client.send("GET", "/admin/status", is_signed=False)
    except NoAnswerError as error:
        return click.style(f"✕ {access.url} does not answer. ({error})", fg="red", bold=True)
    if answer.status >= 500:
        return click.style(f"✕ {_no_status(access, answer)}", fg="red", bold=True)
    try:
        return status_text(answer.json())
    except (ValueError, KeyError, TypeError) as error:
        raise OpsError(_no_status(access, answer)) from error


def _no_status(access: ApiAccess, answer: Answer) -> str:
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return f"{access.url} shows no status ({answer.status}): is it a Shrike, and of this version?"
    if answer.status in _REFUSED:
        return f"{access.url} refuses this machine's credentials ({answer.status}): {detail}"
    return f"{access.url} shows no status ({answer.status}): {detail}"
