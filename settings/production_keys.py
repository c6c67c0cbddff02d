"""The keys that production refuses: those made for development, in settings or in files, shared, or too weak."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from settings.fields.process import DEVELOPMENT_MARK

if TYPE_CHECKING:
    from settings.settings import Settings

_PURPOSES = {
    "jwt_secret": "tokens",  # nosec B105
    "jwt_previous_secret": "tokens",  # nosec B105
    "hmac_key": "signatures",
    "hmac_previous_key": "signatures",
    "message_key": "messages",
    "message_previous_key": "messages",
    "artifact_encryption_key": "artifacts",
    "artifact_previous_encryption_key": "artifacts",
    "flower_password": "Flower",  # nosec B105
}
"""What each secret is for. A key and its predecessor may be equal, keys of two purposes may not."""

_KEY_IDS = ("jwt_key_id", "jwt_previous_key_id", "artifact_key_id")
_CERTIFICATES = ("_certificate_file", "_ca_file")
_PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)

_MIN_PASSWORD_CHARACTERS = 16
_MIN_DISTINCT_CHARACTERS = 8

_MAKE = "`python -m ops keys --production` makes one for production"


def key_problems(settings: "Settings") -> Iterator[str]:
    """Yields a sentence for each key that production refuses."""
    secrets = dict(_secrets(settings))
    for name, secret in secrets.items():
        if secret.startswith(DEVELOPMENT_MARK):
            yield f"{name.upper()} is a development key; {_MAKE}."
    for name in _KEY_IDS:
        if (getattr(settings, name) or "").startswith(DEVELOPMENT_MARK):
            yield f"{name.upper()} names a development key; {_MAKE}."
    yield from _shared(settings, secrets)
    yield from _weak_password(settings)
    yield from _development_keys_in_files(settings)
    yield from _development_certificates(settings)


def _secrets(settings: "Settings") -> Iterator[tuple[str, str]]:
    for name in _PURPOSES:
        secret = getattr(settings, name)
        if secret is not None:
            yield name, secret.get_secret_value().strip()


def _shared(settings: "Settings", secrets: dict[str, str]) -> Iterator[str]:
    """Yields a sentence for each key that serves two purposes: who may use one could then do the other's work."""
    names = list(secrets)
    for place, name in enumerate(names):
        equal = [other for other in names[:place] if secrets[name] == secrets[other]]
        if any(_PURPOSES[name] != _PURPOSES[other] for other in equal):
            yield f"{name.upper()} is the same as {equal[0].upper()}; each purpose needs a key of its own."
    clients = {str(key.get("secret")) for key in _keys_in(settings.hmac_keys_file)}
    for name in names:
        if secrets[name] in clients:
            yield f"HMAC_KEYS_FILE gives a client the same key as {name.upper()}; each client needs its own."


def _weak_password(settings: "Settings") -> Iterator[str]:
    if settings.flower_password is None:
        return
    password = settings.flower_password.get_secret_value()
    if len(password) < _MIN_PASSWORD_CHARACTERS or len(set(password)) < _MIN_DISTINCT_CHARACTERS:
        yield (
            f"FLOWER_PASSWORD can be guessed: it needs {_MIN_PASSWORD_CHARACTERS} characters, "
            f"{_MIN_DISTINCT_CHARACTERS} of them different."
        )


def _development_keys_in_files(settings: "Settings") -> Iterator[str]:
    for name, id_name in (("hmac_keys_file", "key_id"), ("jwt_jwks_file", "kid"), ("artifact_trust_file", "id")):
        for key in _keys_in(getattr(settings, name)):
            marked = (str(key.get(id_name, "")), str(key.get("secret", "")), _octets(key.get("k")))
            if any(text.startswith(DEVELOPMENT_MARK) for text in marked):
                yield f"{name.upper()} holds a development key; take it out."
                break


def _keys_in(path: Path | None) -> list[dict[str, Any]]:
    """Returns the keys in a JSON file; one that cannot be read is its user's to refuse."""
    try:
        content = json.loads(path.read_bytes()) if path is not None else {}
    except (OSError, ValueError, RecursionError):
        return []
    keys = content.get("keys") if isinstance(content, dict) else None
    return [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []


def _octets(key: object) -> str:
    """Returns what the `k` of a JSON Web Key stands for."""
    try:
        text = str(key or "")
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("latin-1")
    except ValueError:
        return ""


def _development_certificates(settings: "Settings") -> Iterator[str]:
    for name in type(settings).model_fields:
        path = getattr(settings, name) if name.endswith(_CERTIFICATES) else None
        if path is not None and _is_development_certificate(path):
            yield f"{name.upper()} is a development certificate; use one of your own."


def _is_development_certificate(path: Path) -> bool:
    """Whether a certificate in the file carries the development mark; an unreadable file is its user's to refuse."""
    try:
        blocks = _PEM_CERTIFICATE.findall(path.read_bytes())
        return any(DEVELOPMENT_MARK.encode() in base64.b64decode(block) for block in blocks)
    except (OSError, ValueError):
        return False
