"""Which exceptions a person at the terminal can act on, and the sentence each becomes."""

import sys

from pydantic import ValidationError

from ml.domain.errors import ArtifactError, MlError, StoreUnavailableError
from ops.errors import OpsError
from security.errors import SecurityError
from settings.problems import SettingsRefusedError, UnreadableFileError, settings_problems


def sentence(error: BaseException) -> str | None:
    """Returns one sentence for an expected failure, None for a defect that deserves its traceback."""
    if refused := _refused_by_redis(error):
        return refused
    if isinstance(error, StoreUnavailableError | SecurityError) and (away := _server_behind(error)):
        return away
    if isinstance(error, OpsError | MlError | SecurityError | SettingsRefusedError | UnreadableFileError):
        return _own_sentence(error)
    if isinstance(error, ValidationError) and error.title == "Settings":
        return _settings_sentence(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename} cannot be used: {error.strerror}; check the path and its permissions."
    return _server_sentence(error)


def _own_sentence(error: Exception) -> str:
    """Returns what an exception of ours says, with its full stop, and what to do about a model."""
    if isinstance(error, ArtifactError):
        return (
            f"The model version is not accepted, its {error.check} check fails: {error}; `python -m ops models list` "
            "shows the others, and `python -m ops train --data FILE` makes another."
        )
    text = str(error)
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _server_behind(error: BaseException) -> str | None:
    """Returns the sentence of the server whose silence is the cause of an error."""
    cause = error.__cause__
    while cause is not None:
        if text := _server_sentence(cause):
            return text
        cause = cause.__cause__
    return None


def _settings_sentence(error: ValidationError) -> str:
    """Names each problem of the settings; values may be secret and are left out."""
    refused = any(isinstance(problem.get("ctx", {}).get("error"), SettingsRefusedError) for problem in error.errors())
    beginning = "production refuses to start" if refused else "The settings are unusable"
    return f"{beginning}: {' '.join(settings_problems(error))}"


def _server_sentence(error: BaseException) -> str | None:
    """Recognises a client's connection failure without importing a client that the command did not."""
    for module, name, server, setting in (
        ("redis.exceptions", "ConnectionError", "Redis", "REDIS_URL"),
        ("redis.exceptions", "TimeoutError", "Redis", "REDIS_URL"),
        ("kombu.exceptions", "OperationalError", "The broker", "REDIS_URL"),
        ("pymongo.errors", "ConnectionFailure", "MongoDB", "MONGO_URL"),
        ("confluent_kafka", "KafkaException", "Kafka", "KAFKA_BOOTSTRAP"),
    ):
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return f"{server} did not answer; is it running, and is {setting} right?"
    return None


def _refused_by_redis(error: BaseException) -> str | None:
    """Recognises that Redis knows its users and this one is none, or may not do this."""
    from ops.cli.redis_refusals import refusal_sentence

    return refusal_sentence(error) if "redis.exceptions" in sys.modules else None
