"""The precondition of a stack that it may make itself: keys."""

from collections.abc import Callable

from ops.credentials.development_keys import make_development_keys
from ops.errors import StackError
from settings import DEVELOPMENT_ENV_FILE, Environment, Settings, load_settings

_KEYS = ("hmac_key", "message_key", "artifact_encryption_key", "artifact_verify_key_file", "flower_password")


def ensure_keys(settings: Settings, say: Callable[[str], None]) -> Settings:
    """Returns settings that hold every key; development keys are made where there are none at all.

    Raises:
        ops.errors.OpsError: a key is missing and may not be made.
    """
    missing = [name.upper() for name in _KEYS if getattr(settings, name) is None]
    if not missing:
        return settings
    if settings.environment is Environment.PRODUCTION:
        raise StackError(
            f"Production needs {', '.join(missing)}: `python -m ops keys --production` makes them, and "
            "`python -m ops production-check` names all else that is missing."
        )
    make_development_keys(DEVELOPMENT_ENV_FILE.parent, replace=False)
    say(f"made development keys in {DEVELOPMENT_ENV_FILE.parent}")
    return load_settings()
