"""The model that scoring needs before it starts."""

from ml.domain.errors import ArtifactError
from ml.registry.registry import ModelRegistry
from ops.errors import StackError
from security.artifacts.artifact_keys import ArtifactVerifier
from settings import Settings


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
