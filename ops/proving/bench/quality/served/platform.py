"""A platform of its own for a replay: an empty folder, fresh keys and servers, one model, every process.

Nothing of this machine's settings reaches it: neither the environment nor an env file of the working directory, which
could lead it to servers that are in use.
"""

import json
import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from ml.registry.registry import ModelRegistry
from ml.registry.release import release
from ml.training.trained_model import TrainedModel
from ops.client import Client
from ops.credentials.development_keys import make_development_keys
from ops.embedded.kafka import kafka
from ops.embedded.mongo import mongo
from ops.embedded.valkey import valkey
from ops.errors import OpsError
from ops.stack.child import child_stack
from ops.stack.start import OnReady
from security.artifacts.artifact_keys import ArtifactSigner
from security.keys import check_secret
from security.roles import Role
from security.tokens.token_issuer import issue_token
from settings import DEVELOPMENT_ENV_FILE, Settings
from tasks.wiring.connections import Connections
from tasks.wiring.stores import outbox

_SUBJECT = "replay"
_CODE = Path(__file__).parents[5]
_TOKEN_SECONDS = 86_400
_CLIENT_TIMEOUT_SECONDS = 150.0
_POLL_SECONDS = 0.05
_STALL_SECONDS = 60.0
_CHOICES = {
    "WEB_PORT": "0",
    "METRICS_PORT_BASE": "0",
    "FLOWER_PORT": "0",
    # This one subject sends as fast as it is answered.
    "RATE_LIMIT_OVERRIDES": json.dumps({_SUBJECT: [0, 0]}),
    "DEVICE_RATE_LIMIT_CAPACITY": "0",
    # A batch may wait for its turn on a busy machine; what is measured here is not speed.
    "SCORE_TIMEOUT_MS": "60000",
    # Once a year: a retraining would swap the model, and the replay accepts the answers of one model only.
    "RETRAIN_CRON": "0 0 1 1 *",
    "DRIFT_CRON": "0 0 1 1 *",
}


class ReplayError(OpsError):
    """The platform did not keep a promise that a replay checks."""


class _OwnSettings(Settings):
    """Settings that come from the given env file and arguments alone."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's signature, as are the other unused sources
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """See pydantic-settings."""
        return init_settings, dotenv_settings


@dataclass(frozen=True, slots=True)
class ServedPlatform:
    """A running platform.

    Attributes:
        settings: its keys and servers.
        url: where its API listens.
        model_version: the version it serves.
    """

    settings: Settings
    url: str
    model_version: str

    def client(self) -> Client:
        """Returns a client that may score, post labels and read the queues, for one thread."""
        token = issue_token(self.settings, subject=_SUBJECT, roles=list(Role), lifetime_seconds=_TOKEN_SECONDS)
        key = check_secret("HMAC_KEY", self.settings.hmac_key)
        return Client(self.url, hmac_key=key, token=token, timeout_seconds=_CLIENT_TIMEOUT_SECONDS)

    def wait_until_drained(self, group: str) -> None:
        """Waits until a consumer group has delivered everything in its stream.

        Raises:
            ReplayError: it gave an entry up, or stopped.
        """
        stream = outbox(Connections(self.settings), group, consumer=_SUBJECT)
        fewest, progress_at = math.inf, time.monotonic()
        while (lag := stream.lag()).entries and not lag.dead_letters:
            if lag.entries < fewest:
                fewest, progress_at = lag.entries, time.monotonic()
            if time.monotonic() - progress_at > _STALL_SECONDS:
                raise ReplayError(f"{lag.entries} entries are stuck before {group}.")
            time.sleep(_POLL_SECONDS)
        if lag.dead_letters:
            raise ReplayError(f"{group} gave {lag.dead_letters} entries up.")


@contextmanager
def served_platform(trained: TrainedModel, *, on_ready: OnReady) -> Iterator[ServedPlatform]:
    """Runs a platform that serves the model for the length of a block; nothing of it is left afterwards.

    Raises:
        ml.domain.errors.ArtifactError: the model cannot be served.
        ops.errors.OpsError: the platform did not start.
    """
    with _unwinding_at_sigterm(), TemporaryDirectory(prefix="shrike-replay-") as name:
        home = Path(name).resolve()
        # Where a process whose working directory is the home looks for its keys.
        env_file = make_development_keys(home / DEVELOPMENT_ENV_FILE.parent, replace=False)
        with _servers(home) as servers:
            settings = _OwnSettings(
                _env_file=env_file,
                var_dir=home / "var",
                redis_url=servers["REDIS_URL"],
                mongo_url=servers["MONGO_URL"],
                kafka_bootstrap=servers["KAFKA_BOOTSTRAP"],
            )
            version = _install(trained, settings)
            env = _environment() | _CHOICES | servers
            with child_stack(settings.var_dir, env=env, directory=home, on_ready=on_ready) as stack:
                yield ServedPlatform(settings, stack.urls["api"], version)


@contextmanager
def _unwinding_at_sigterm() -> Iterator[None]:
    """Lets SIGTERM end the block as Ctrl-C does: by default it would leave the folder behind. For the main thread."""

    def end(_number: int, _frame: FrameType | None) -> None:
        # A second one must not interrupt what the first one set off.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _servers(home: Path) -> Iterator[dict[str, str]]:
    """Runs empty servers on free ports and yields the settings that lead to them."""
    folders = {name: home / name for name in ("valkey", "mongo", "kafka")}
    for folder in folders.values():
        folder.mkdir()
    topics = [str(Settings.model_fields[name].default) for name in ("kafka_topic_scored", "kafka_topic_raw")]
    with (
        valkey(folders["valkey"]) as redis_url,
        mongo(folders["mongo"]) as mongo_url,
        kafka(folders["kafka"], topics=topics) as bootstrap,
    ):
        yield {"REDIS_URL": redis_url, "MONGO_URL": mongo_url, "KAFKA_BOOTSTRAP": bootstrap}


def _install(trained: TrainedModel, settings: Settings) -> str:
    """Makes the model the champion, signed and checked as every model is, and returns its version."""
    registry = ModelRegistry(settings.models_path)
    signer = ArtifactSigner.from_settings(settings)
    version = release(trained.files(), registry=registry, signer=signer, metrics=trained.summary()).model.version
    registry.promote(version)
    return version


def _environment() -> dict[str, str]:
    """Returns this process's environment without any setting of the platform, and the way to its code."""
    settings = {name.upper() for name in Settings.model_fields}
    inherited = {name: value for name, value in os.environ.items() if name.upper() not in settings}
    return inherited | {"PYTHONPATH": str(_CODE)}
