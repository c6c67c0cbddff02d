"""The preconditions of a stack: keys and a model."""

from collections.abc import Callable

from ml.domain.errors import ArtifactError
from ml.registry.registry import ModelRegistry
from ops.credentials.development_keys import make_development_keys
from ops.errors import StackError
from security.artifacts.artifact_keys import ArtifactVerifier
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


def require_model(settings: Settings) -> None:
    """Checks that there is a model that the scoring workers will accept.

    Raises:
        ops.errors.StackError: none was promoted, or the promoted one fails a check.
    """
    registry = ModelRegistry(settings.models_path)
    champion = registry.champion()
    if champion is None:
        raise StackError(
            f"No model is trained yet in {settings.models_path}: run `python -m ops prepare`, "
            "which trains a first one on simulated data, `python -m ops train --data PATH`, or `make demo`."
        )
    # onnxruntime takes its time to load, and only this check needs it.
    from ml.registry.release import open_version

    try:
        open_version(champion, registry=registry, verifier=ArtifactVerifier.from_settings(settings))
    except ArtifactError as error:
        raise StackError(
            f"Model {champion} cannot be served ({error.check}: {error}); "
            "`python -m ops train --data PATH` makes another."
        ) from error
