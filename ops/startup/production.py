"""Everything that production would refuse, at once: settings, keys, files, and what Redis is configured to keep."""

import re
import ssl
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ops.errors import OpsError
from ops.startup.promises_redis import check_promises
from security.artifacts.artifact_keys import ArtifactSigner, ArtifactVerifier
from security.client_certificates import check_map
from security.errors import SecurityError
from security.messages.message_signer import MessageSigner
from security.signatures.request_signatures import SignatureVerifier
from security.tokens.jwks_keys import key_source
from settings import Environment, Settings, asked_environment
from settings.env_names import unknown_names
from settings.problems import settings_problems
from settings.production_rules import api_problems, production_problems

PLATFORM = "platform"

_NEEDS: dict[str, tuple[Callable[[Settings], Any], ...]] = {
    "web": (key_source, SignatureVerifier.from_settings, MessageSigner.from_settings),
    "score": (MessageSigner.from_settings, ArtifactVerifier.from_settings),
    "explain": (MessageSigner.from_settings,),
    "publish": (MessageSigner.from_settings,),
    "labels": (MessageSigner.from_settings,),
    "retrain": (MessageSigner.from_settings, ArtifactVerifier.from_settings, ArtifactSigner.from_settings),
    "beat": (MessageSigner.from_settings,),
    "flower": (),
}
"""What each kind of process makes of its keys when it starts."""

_REDIS_ADDRESS = frozenset({"redis_url", "shard", "score_shard_urls"})
"""The settings that say which server the process asks for what it keeps."""

ROLES = (PLATFORM, *_NEEDS)


def refusals(role: str = PLATFORM) -> list[str]:
    """Returns a sentence for everything that keeps a process from starting in production, empty if nothing does.

    Args:
        role: of the process; `platform` for all of them.
    """
    settings, problems, malformed = _read()
    problems += unknown_names()
    if asked_environment() is not Environment.PRODUCTION:
        problems.append("ENVIRONMENT is not production, so no process would check any of this; set it.")
    if settings is not None:
        production = settings.model_copy(update={"environment": Environment.PRODUCTION})
        problems += _true_of_given(_refused(production, role), malformed)
        if role != "flower" and not malformed & _REDIS_ADDRESS:
            problems += _said(check_promises, production)
    return _once(problems)


def _refused(settings: Settings, role: str) -> Iterator[str]:
    yield from production_problems(settings)
    if role in {PLATFORM, "web"}:
        yield from api_problems(settings)
    yield from _keys(settings, role)
    yield from _files(settings)


def _true_of_given(problems: Iterable[str], malformed: Iterable[str]) -> list[str]:
    """Returns the sentences that name no malformed setting; the others are about its default, which nobody chose."""
    names = {name.upper() for name in malformed}
    return [problem for problem in problems if names.isdisjoint(re.findall(r"\w+", problem))]


def _once(problems: list[str]) -> list[str]:
    """Returns the sentences, the first one alone of those that miss the same setting."""
    kept: dict[str, str] = {}
    for problem in problems:
        name, missing, _ = problem.partition(" is not set;")
        kept.setdefault(name if missing else problem, problem)
    return list(kept.values())


def _read() -> tuple[Settings | None, list[str], set[str]]:
    """Returns the settings, a sentence for each problem, and what is malformed: its default is in its place.

    There are no settings where two contradict each other: what else is wrong depends on which one is meant.
    """
    problems: list[str] = []
    replaced: set[str] = set()
    instead: dict[str, Any] = {"environment": Environment.DEVELOPMENT}
    while True:
        try:
            return Settings(**instead), problems, replaced
        except ValidationError as error:
            problems += _true_of_given(settings_problems(error), replaced)
            malformed = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
            if not malformed - instead.keys():
                return None, problems, replaced
            replaced |= malformed
            for name in malformed:
                instead[name] = Settings.model_fields[name].get_default(call_default_factory=True, validated_data={})


def _keys(settings: Settings, role: str) -> Iterator[str]:
    roles = list(_NEEDS) if role == PLATFORM else [role]
    if {"score", "retrain"} & set(roles):
        # The checks below end at the first of these.
        for name in ("artifact_key_id", "artifact_encryption_key"):
            if getattr(settings, name) is None:
                yield f"{name.upper()} is not set; `python -m ops keys --production` makes it."
    for need in dict.fromkeys(need for name in roles for need in _NEEDS[name]):
        yield from _said(need, settings)
    if "web" in roles and settings.mtls_only:
        yield from _said(check_map, settings)
    if "flower" in roles and settings.flower_password is None:
        yield "FLOWER_PASSWORD is not set; Flower shows every task and does not run without."


def _files(settings: Settings) -> Iterator[str]:
    for name in type(settings).model_fields:
        path = getattr(settings, name)
        if not name.endswith("_file") or path is None:
            continue
        try:
            path.read_bytes()
        except OSError as error:
            yield f"{name.upper()}: {path} cannot be read ({error.strerror})."
    certificate, key = settings.tls_certificate_file, settings.tls_key_file
    if certificate is not None and certificate.is_file():
        yield from _pair("TLS_CERTIFICATE_FILE", certificate, key)
    for server in ("redis", "kafka"):
        certificate, key = getattr(settings, f"{server}_certificate_file"), getattr(settings, f"{server}_key_file")
        if certificate is not None and certificate.is_file():
            yield from _pair(f"{server.upper()}_CERTIFICATE_FILE", certificate, key)


def _pair(name: str, certificate: Path, key: Path | None) -> Iterator[str]:
    """Yields a sentence if a certificate and its key do not belong together."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError):
        yield f"{name} and its key are no readable pair; check both files."


def _said(check: Callable[[Settings], Any], settings: Settings) -> Iterator[str]:
    try:
        check(settings)
    except (SecurityError, OpsError) as error:
        yield str(error).removeprefix("production refuses to start: ")
