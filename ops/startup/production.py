"""Everything that production would refuse, at once: settings, keys, files, the servers, and the model."""

import re
import ssl
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ml.domain.errors import MlError
from ops.errors import OpsError
from ops.startup.champion import require_model
from ops.startup.key_origins import development_file, repeated_keys
from ops.startup.servers import server_problems
from security.artifacts.artifact_keys import ArtifactVerifier, accepted_signer
from security.client_certificates import check_map
from security.errors import SecurityError
from security.messages.message_signer import MessageSigner
from security.signatures.request_signatures import SignatureVerifier
from security.tokens.jwks_keys import key_source
from settings import Environment, Settings, environment_word
from settings.env_names import unknown_names
from settings.problems import SettingsRefusedError, settings_problems
from settings.production_connections import OPENED, PLATFORM, ROLES, opened_by, unset_addresses
from settings.production_rules import production_problems, role_problems

__all__ = ["PLATFORM", "ROLES", "refusals"]

_NEEDS: dict[str, tuple[Callable[[Settings], Any], ...]] = {
    "web": (key_source, SignatureVerifier.from_settings, MessageSigner.from_settings),
    "score": (MessageSigner.from_settings, ArtifactVerifier.from_settings),
    "explain": (MessageSigner.from_settings,),
    "publish": (MessageSigner.from_settings,),
    "labels": (MessageSigner.from_settings,),
    "retrain": (MessageSigner.from_settings, ArtifactVerifier.from_settings, accepted_signer),
    "beat": (MessageSigner.from_settings,),
    "flower": (),
}
"""What each kind of process makes of its keys when it starts."""

_SERVERS = frozenset({"redis_url", "broker_url", "feature_redis_url", "score_shard_urls"})
_ADDRESSES = {
    "shard": _SERVERS,
    "redis_credentials_file": _SERVERS,
    "redis_url": _SERVERS,
    "mongo_credentials_file": frozenset({"mongo_url"}),
    "mongo_database": frozenset({"mongo_url"}),
}
"""By setting, those whose servers cannot be asked while it is malformed."""

_FILES_OF = {"web": ("tls_", "hmac_", "jwt_", "artifact_"), "score": ("artifact_",), "retrain": ("artifact_",)}
"""By kind of process, the beginnings of the names of the files it reads; servers' files belong to who opens these."""


def refusals(role: str = PLATFORM, *, asks_servers: bool = True) -> list[str]:
    """Returns a sentence for everything that keeps a process from starting in production, empty if nothing does.

    Args:
        role: of the process; `platform` for all of them.
        asks_servers: whether the servers are asked and the model is opened; otherwise settings, keys and files count.
    """
    settings, problems, malformed = _read()
    problems += unknown_names()
    if (word := environment_word()) != Environment.PRODUCTION:
        problems.append(f"ENVIRONMENT is {word!r}, not 'production', so no process would check any of this; set it.")
    if settings is not None:
        production = settings.model_copy(update={"environment": Environment.PRODUCTION})
        problems += _true_of_given(_refused(production, role), malformed)
        if asks_servers:
            left_out = unset_addresses(settings).union(malformed, *(_ADDRESSES.get(name, ()) for name in malformed))
            problems += server_problems(production, role, left_out=left_out)
            problems += _model(production, role)
    return _once(problems)


def _refused(settings: Settings, role: str) -> Iterator[str]:
    yield from production_problems(settings)
    yield from role_problems(settings, role)
    yield from repeated_keys(settings)
    yield from development_file(settings)
    yield from _keys(settings, role)
    yield from _files(settings, role)


def _model(settings: Settings, role: str) -> Iterator[str]:
    """Yields a sentence if those that score would have no model; without its keys, which are named, none opens."""
    if role not in {PLATFORM, "score"} and not (role == "web" and settings.use_local_inference):
        return
    try:
        ArtifactVerifier.from_settings(settings)
    except SecurityError:
        return
    if find_spec("onnxruntime") is None:
        yield "Scoring needs onnxruntime, which is not installed here: `pip install -r requirements/scoring.txt`."
        return
    yield from _said(require_model, settings)


def _true_of_given(problems: Iterable[str], malformed: Iterable[str]) -> list[str]:
    """Returns the sentences that name no malformed setting; the others are about its default, which nobody chose."""
    names = {name.upper() for name in malformed}
    return [problem for problem in problems if names.isdisjoint(re.findall(r"\w+", problem))]


def _once(problems: list[str]) -> list[str]:
    """Returns the sentences, the first one alone of those that miss the same setting or file."""
    kept: dict[str, str] = {}
    for problem in problems:
        name, missing, _ = problem.partition(" is not set;")
        file, unread, _ = problem.partition(" cannot be read")
        kept.setdefault(name if missing else file if unread else problem, problem)
    return list(kept.values())


def _read() -> tuple[Settings | None, list[str], set[str]]:
    """Returns the settings, a sentence for each problem, and what is malformed: its default is in its place.

    Of two settings that contradict each other the one that the sentence begins with counts as malformed. There are no
    settings where it begins with none.
    """
    problems: list[str] = []
    replaced: set[str] = set()
    instead: dict[str, Any] = {"environment": Environment.DEVELOPMENT}
    while True:
        try:
            return Settings(**instead), problems, replaced
        except ValidationError as error:
            problems += _true_of_given(settings_problems(error), replaced)
            malformed = set(_malformed(error))
            if not malformed - instead.keys():
                return None, problems, replaced
            replaced |= malformed
            for name in malformed:
                instead[name] = Settings.model_fields[name].get_default(call_default_factory=True, validated_data={})


def _malformed(error: ValidationError) -> Iterator[str]:
    """Yields the settings that an error is about; a sentence about several, or about a file, begins with its name."""
    yield from (str(problem["loc"][0]) for problem in error.errors() if problem["loc"])
    for sentence in settings_problems(error):
        name = re.split(r"\W", sentence, maxsplit=1)[0].lower()
        if name in Settings.model_fields:
            yield name


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


def _files(settings: Settings, role: str) -> Iterator[str]:
    servers = {name.partition("_")[0] for name in opened_by(settings, role)}
    roles = list(OPENED) if role == PLATFORM else [role]
    beginnings = tuple(beginning for each in roles for beginning in _FILES_OF.get(each, ()))
    for name in type(settings).model_fields:
        path = getattr(settings, name)
        is_of_role = name.startswith(beginnings) or name.partition("_")[0] in servers
        if not name.endswith("_file") or path is None or not is_of_role:
            continue
        try:
            path.read_bytes()
        except OSError as error:
            yield f"{name.upper()}: {path} cannot be read ({error.strerror})."
            continue
        if name.endswith("_ca_file") and not _holds_certificate(path):
            yield f"{name.upper()}: {path} holds no certificate in PEM form; name the file of the server's authority."
    certificate, key = settings.tls_certificate_file, settings.tls_key_file
    if "web" in roles and certificate is not None and certificate.is_file():
        yield from _pair("TLS_CERTIFICATE_FILE", certificate, key)
    for server in sorted(servers & {"redis", "kafka"}):
        certificate, key = getattr(settings, f"{server}_certificate_file"), getattr(settings, f"{server}_key_file")
        if certificate is not None and certificate.is_file():
            yield from _pair(f"{server.upper()}_CERTIFICATE_FILE", certificate, key)


def _holds_certificate(path: Path) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        return False
    return context.cert_store_stats()["x509"] > 0


def _pair(name: str, certificate: Path, key: Path | None) -> Iterator[str]:
    """Yields a sentence if a certificate and its key do not belong together."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError):
        yield f"{name} and its key are no readable pair; check both files."


def _said(check: Callable[[Settings], Any], settings: Settings) -> Iterator[str]:
    try:
        check(settings)
    except (SecurityError, MlError, OpsError, SettingsRefusedError) as error:
        yield str(error).removeprefix("production refuses to start: ")
