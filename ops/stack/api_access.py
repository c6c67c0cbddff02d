"""How a command reaches an API: address, token, signature key and certificates, from options and this host's keys."""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from ops.client import Client
from ops.errors import OpsError, StackError
from ops.stack import state
from security.keys import check_secret
from security.roles import Role
from security.tokens.token_issuer import issue_token
from settings import Settings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """What the user said about the API: `--url`, `--ca`, `--cert`, `--key`."""

    url: str | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def access(self, settings: Settings) -> "ApiAccess":
        """Returns the way to the API.

        Raises:
            OpsError: it is nowhere, or a certificate cannot be used.
        """
        tls = _tls(self.ca, self.cert, self.key)
        return ApiAccess(_checked(self.url) if self.url else default_url(settings), settings, tls, self.cert is None)


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """The way to an API.

    Attributes:
        url: scheme, host and port.
        settings: hold the keys.
        tls: authorities and client certificate; None for the system's and none.
        needs_keys: whether nothing but token and signature says who calls.
    """

    url: str
    settings: Settings
    tls: ssl.SSLContext | None
    needs_keys: bool

    def token(self, subject: str, roles: Sequence[Role], *, lifetime_seconds: int) -> str | None:
        """Returns a new token; None beside a certificate where this machine has no keys."""
        if self._goes_by_certificate:
            return None
        return issue_token(self.settings, subject=subject, roles=roles, lifetime_seconds=lifetime_seconds)

    @property
    def hmac_key(self) -> bytes | None:
        """What signs requests; None beside a certificate where this machine has no keys."""
        return None if self._goes_by_certificate else check_secret("HMAC_KEY", self.settings.hmac_key)

    @property
    def _goes_by_certificate(self) -> bool:
        return not self.needs_keys and (self.settings.jwt_secret is None or self.settings.hmac_key is None)

    def client(self, token: str | None, *, timeout_seconds: float) -> Client:
        """Returns a client with this token."""
        return Client(self.url, hmac_key=self.hmac_key, token=token, timeout_seconds=timeout_seconds, tls=self.tls)


def api_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a click command the options that say where the API is, as its argument `api`."""

    @click.option("--url", help="Where the API is.  [default: the running stack, else a WEB_PORT that is set]")
    @click.option(
        "--ca", type=_FILE, help="PEM certificates that the API's is checked against.  [default: SSL_CERT_FILE]"
    )
    @click.option("--cert", type=_FILE, help="PEM client certificate; without keys here, it goes alone.")
    @click.option("--key", type=_FILE, help="PEM private key of --cert.  [default: in the same file]")
    @wraps(command)
    def with_options(*, url: str | None, ca: Path | None, cert: Path | None, key: Path | None, **rest: Any) -> None:
        command(api=ApiOptions(url, ca, cert, key), **rest)

    return with_options


def default_url(settings: Settings) -> str:
    """Returns the address of the running stack's API, else that of the settings.

    Raises:
        StackError: no stack runs, and the settings name none.
    """
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


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        is_usable = False
    if not is_usable or parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username:
        raise click.UsageError("--url is http://HOST:PORT or https://HOST:PORT, without a path.")
    return url.rstrip("/")


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
