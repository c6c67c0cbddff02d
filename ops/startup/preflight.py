"""Checks settings and keys before a command becomes another program, where a refusal would be a traceback."""

from importlib.util import find_spec

from ops.errors import OpsError
from settings import Settings, load_settings
from settings.production_rules import refuse_unsafe
from settings.queues import SHARD_QUEUES


def check_web() -> Settings:
    """Returns the settings of a web process.

    Raises:
        pydantic.ValidationError: a setting is malformed, or production refuses it.
        settings.problems.SettingsRefusedError: production refuses them to this process.
        security.errors.KeyUnusableError: a key is missing or weak.
        OpsError: it should score by itself and cannot, or Redis cannot keep what is promised.
    """
    from ops.startup.promises_redis import check_promises
    from security.artifacts.artifact_keys import ArtifactVerifier
    from security.client_certificates import check_map
    from security.messages.message_signer import MessageSigner
    from security.signatures.request_signatures import SignatureVerifier
    from security.tokens.jwks_keys import key_source

    settings = load_settings()
    refuse_unsafe(settings, "web")
    if settings.shard is not None:
        raise OpsError("The API serves all shards and must not have one: leave SHARD out.")
    key_source(settings)
    for needed in (SignatureVerifier, MessageSigner):
        needed.from_settings(settings)
    if settings.use_local_inference:
        ArtifactVerifier.from_settings(settings)
        if find_spec("onnxruntime") is None:
            raise OpsError(
                "USE_LOCAL_INFERENCE needs onnxruntime beside the API; install it by "
                "`pip install -r requirements/scoring.txt`, or switch it off."
            )
    if settings.mtls_only:
        check_map(settings)
    check_promises(settings)
    return settings


def check_worker(queue: str) -> Settings:
    """Returns the settings of a queue's worker; raises like `check_web`.

    Raises:
        OpsError: the queue belongs to no shard, and SHARD names one.
    """
    from ops.startup.promises_redis import check_promises
    from security.artifacts.artifact_keys import ArtifactSigner, ArtifactVerifier
    from security.messages.message_signer import MessageSigner

    settings = load_settings()
    refuse_unsafe(settings, queue)
    if settings.shard is not None and queue not in SHARD_QUEUES:
        raise OpsError(f"The {queue} worker serves all shards and must not have one: leave SHARD out.")
    MessageSigner.from_settings(settings)
    if queue in {"score", "retrain"}:
        ArtifactVerifier.from_settings(settings)
    if queue == "retrain":
        ArtifactSigner.from_settings(settings)
    check_promises(settings)
    return settings


def check_beat() -> Settings:
    """Returns the settings of beat, which signs doorbells; raises like `check_web`."""
    from ops.startup.promises_redis import check_promises
    from security.messages.message_signer import MessageSigner

    settings = load_settings()
    refuse_unsafe(settings, "beat")
    MessageSigner.from_settings(settings)
    check_promises(settings)
    return settings
