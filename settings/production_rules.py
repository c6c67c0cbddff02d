"""The settings that production refuses: development keys and certificates, plain connections, missing checks.

What every process shares is refused when the settings are read; what one kind of process does, when it starts.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from settings.fields.process import Environment
from settings.problems import SettingsRefusedError
from settings.production_connections import PLATFORM, connection_problems, opened_by
from settings.production_keys import key_problems

if TYPE_CHECKING:
    from settings.settings import Settings

_OF_ALL = frozenset({"redis_url", "broker_url"})
"""The connections that every process opens."""


def production_problems(settings: "Settings") -> list[str]:
    """Returns a sentence for each setting that production refuses to every process."""
    return [
        *key_problems(settings),
        *connection_problems(settings, _OF_ALL),
        *_missing_checks(settings),
    ]


def role_problems(settings: "Settings", role: str) -> Iterator[str]:
    """Yields a sentence for each setting that production refuses to one kind of process, beyond those of every one."""
    yield from connection_problems(settings, opened_by(settings, role) - _OF_ALL)
    if role in {PLATFORM, "web"}:
        yield from _api_problems(settings)


def refuse_unsafe(settings: "Settings", role: str) -> None:
    """Refuses what production does not want of this kind of process.

    Not a rule of `Settings`: a process is asked for what it serves and for the connections it opens, and no other.

    Raises:
        SettingsRefusedError: it would speak without TLS, or see no client certificates.
    """
    if settings.environment is Environment.PRODUCTION and (problems := list(role_problems(settings, role))):
        raise SettingsRefusedError(problems)


def _api_problems(settings: "Settings") -> Iterator[str]:
    """Yields a sentence for each setting that production refuses to the process that serves the API."""
    if settings.mtls_only and settings.tls_terminated_by_proxy:
        yield "MTLS_ONLY sees no certificate behind TLS_TERMINATED_BY_PROXY; choose one of them."
    if settings.tls_certificate_file is None and not settings.tls_terminated_by_proxy:
        yield "TLS is missing; set TLS_CERTIFICATE_FILE and TLS_KEY_FILE, or TLS_TERMINATED_BY_PROXY."


def _missing_checks(settings: "Settings") -> Iterator[str]:
    if settings.perf_mode:
        yield "PERF_MODE keeps no decision and checks neither replays nor request rates; switch it off."
    for name in type(settings).model_fields:
        if name.endswith("rate_limit_capacity") and getattr(settings, name) == 0:
            yield f"{name.upper()} is 0; the limit cannot be switched off for everyone."
    if settings.hmac_accept_legacy_hex:
        yield "HMAC_ACCEPT_LEGACY_HEX accepts the legacy signature form; switch it off."
