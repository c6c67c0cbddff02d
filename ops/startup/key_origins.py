"""What a key's value alone does not show: that a rotation changed nothing, and that a key is from the development file.

`production-check` alone says both: a process whose predecessor key repeats its key is as safe as one without.
"""

from collections.abc import Iterator

from dotenv import dotenv_values
from pydantic import SecretStr

from settings import DEVELOPMENT_ENV_FILE, DEVELOPMENT_MARK, Settings

PREDECESSORS = {
    "jwt_previous_secret": "jwt_secret",  # nosec B105 - names of settings
    "jwt_previous_public_key_file": "jwt_public_key_file",
    "hmac_previous_key": "hmac_key",
    "message_previous_key": "message_key",
    "artifact_previous_encryption_key": "artifact_encryption_key",
}
"""By the setting of a key that is still accepted, that of the current one."""


def repeated_keys(settings: Settings) -> Iterator[str]:
    """Yields a sentence for each key that stands as its own predecessor too."""
    for previous, current in PREDECESSORS.items():
        before, now = _text(settings, previous), _text(settings, current)
        if before is not None and before == now:
            yield (
                f"{previous.upper()} is the same as {current.upper()}, so that the key before it is not accepted; "
                "set the other one, or take it out."
            )


def development_file(settings: Settings) -> Iterator[str]:
    """Yields a sentence if development keys came from the file that every process reads in its working directory."""
    try:
        values = dotenv_values(DEVELOPMENT_ENV_FILE) if DEVELOPMENT_ENV_FILE.is_file() else {}
    except (OSError, UnicodeDecodeError):
        return  # reading the settings says so
    names = [
        name
        for name, value in values.items()
        if value and value.startswith(DEVELOPMENT_MARK) and _text(settings, name.lower()) == value
    ]
    if names:
        yield (
            f"{DEVELOPMENT_ENV_FILE.absolute()} gives {', '.join(names)}; "
            "every process that starts in this folder reads it: remove it, or start elsewhere."
        )


def _text(settings: Settings, name: str) -> str | None:
    value = getattr(settings, name, None)
    if value is None:
        return None
    return value.get_secret_value().strip() if isinstance(value, SecretStr) else str(value)
