"""The platform under test: the embedded stack, supervised as always, with its servers behind the suite's proxies."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, Signals

from redis import Redis

from ops.client import Client
from ops.embedded import kafka, mongo, valkey
from ops.errors import StackError
from ops.proving.chaos.platform.disk import release_disks, small_disk
from ops.proving.chaos.platform.servers import Servers, running_servers
from ops.stack.child import child_stack
from ops.stack.start import OnReady
from ops.stack.state import ProcessState, StackState, read
from security.roles import Role
from security.tokens.token_issuer import issue_token
from settings import Settings
from tasks.wiring.clients_redis import connect_redis

SUBJECT = "chaos"
SCORE_TIMEOUT_SECONDS = 1.0
_UNLIMITED = 10**9
_MODELS_MEGABYTES = 64
_POLL_SECONDS = 0.05


def environment(models: Path) -> dict[str, str]:
    """Returns the suite's settings of every process, beside the servers' addresses.

    The client's buckets never empty, the deadline is one that a busy machine can keep, the breaker asks again soon, a
    message holds half as many transactions, so that an overload needs fewer, a second instance of the API may share the
    port, and retraining is due every minute, which costs nothing while there is nothing to learn from. Other settings
    stay at their defaults.
    """
    return {
        "MODEL_DIR": str(models.absolute()),
        "RATE_LIMIT_OVERRIDES": json.dumps({SUBJECT: [_UNLIMITED, _UNLIMITED]}),
        "SCORE_TIMEOUT_MS": str(round(SCORE_TIMEOUT_SECONDS * 1000)),
        "CB_OPEN_SEC": "3",
        "INFER_BATCH_SIZE": "16",
        "WEB_REUSE_PORT": "true",
        "WEB_PORT": "0",
        "METRICS_PORT_BASE": "0",
        "FLOWER_PORT": "0",
        "RETRAIN_CRON": "* * * * *",
    }


@dataclass(frozen=True)
class ChaosStack:
    """A running platform and the ways to hurt it.

    Attributes:
        folder: its `VAR_DIR`.
        settings: lead to the servers directly, past the proxies, and to the platform's keys and models.
        env: the environment of its processes.
        directory: where they run; None for this process's own.
    """

    folder: Path
    settings: Settings
    servers: Servers
    redis: Redis
    env: Mapping[str, str]
    directory: Path | None

    @property
    def score_timeout_seconds(self) -> float:
        """How long a request waits for its decision, at most."""
        return int(self.env["SCORE_TIMEOUT_MS"]) / 1000

    @property
    def state(self) -> StackState:
        """What the supervisor says of its processes.

        Raises:
            StackError: it does not live.
        """
        found = read(self.folder)
        if found is None:
            raise StackError(f"The stack ended; {self.folder / 'log' / 'stack.log'} says more.")
        return found

    def process(self, name: str) -> ProcessState:
        """Returns one process."""
        return next(process for process in self.state.processes if process.name == name)

    def pid(self, name: str) -> int:
        """Returns the process id of a process; waits while the supervisor is about to start it."""
        wait_for(lambda: self.process(name).pid is not None, 60, f"{name} to be started")
        pid = self.process(name).pid
        assert pid is not None  # noqa: S101 - waited for
        return pid

    def signal(self, name: str, number: Signals) -> int:
        """Sends a signal to a process and returns its id."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    def kill_and_await_successor(self, name: str, number: Signals = SIGKILL) -> None:
        """Ends a process and returns once its successor does its work."""
        self.await_successor(name, self.signal(name, number))

    def await_successor(self, name: str, predecessor: int) -> None:
        """Returns once another process of this name does its work."""

        def is_replaced() -> bool:
            process = self.process(name)
            return process.state == "running" and process.pid not in {None, predecessor}

        wait_for(is_replaced, 90, f"a successor of {name}")

    def wait_ready(self, seconds: float = 180.0) -> None:
        """Returns once every process does its work and the API says that it is ready.

        Raises:
            StackError: they did not become ready in time.
        """
        wait_for(lambda: all(one.state == "running" for one in self.state.processes), seconds, "every process to run")
        with self.client() as client:
            wait_for(lambda: client.get("/health/ready").is_ok, seconds, "the API to be ready")

    def client(self, *roles: Role, timeout_seconds: float = 15.0) -> Client:
        """Returns a client of the API."""
        if self.settings.hmac_key is None:
            raise StackError("HMAC_KEY is missing.")
        token = issue_token(self.settings, subject=SUBJECT, roles=roles or [Role.SERVICE, Role.READ])
        key = self.settings.hmac_key.get_secret_value().encode()
        return Client(self.state.urls["api"], hmac_key=key, token=token, timeout_seconds=timeout_seconds)

    def log(self, name: str) -> str:
        """Returns what a process has logged over all its lives."""
        file = self.folder / "log" / f"{name}.log"
        return file.read_text(errors="replace") if file.exists() else ""


@contextmanager
def chaos_stack(
    settings: Settings,
    folder: Path,
    *,
    on_ready: OnReady = lambda _ready, _awaited: None,
    env: Mapping[str, str] | None = None,
    settings_changes: Mapping[str, str] | None = None,
    directory: Path | None = None,
    disk_megabytes: int = 384,
) -> Iterator[ChaosStack]:
    """Starts servers, proxies and the platform for the length of a block.

    Args:
        settings: keys, and the folder of a model; the model is copied, because some faults spoil it.
        folder: where everything is written.
        on_ready: called again and again while the stack starts.
        env: the environment of the processes; this process's own by default. What the suite needs is added to it.
        settings_changes: settings of the platform that differ from the suite's usual ones.
        directory: their working directory.
        disk_megabytes: size of each server's own disk.

    Raises:
        ops.errors.OpsError: something did not start; the message says what.
    """
    models = folder / "models"
    release_disks(folder)
    shutil.rmtree(folder, ignore_errors=True)
    models.mkdir(parents=True)
    with (
        small_disk(models, _MODELS_MEGABYTES),
        running_servers(folder, settings, disk_megabytes=disk_megabytes) as servers,
    ):
        shutil.copytree(settings.models_path, models, dirs_exist_ok=True)
        own = environment(models) | servers.urls() | dict(settings_changes or {})
        direct = settings.model_copy(
            update={
                "var_dir": folder,
                "model_dir": models,
                "redis_url": valkey.url(servers.valkey.port),
                "mongo_url": mongo.url(servers.mongo.port),
                "kafka_bootstrap": kafka.bootstrap(servers.kafka.proxy.port),
            }
        )
        environ = dict(os.environ if env is None else env) | own
        with (
            connect_redis(direct) as redis,
            child_stack(
                folder, env=environ, on_ready=on_ready, options=("--web-processes", "2"), directory=directory
            ) as running,
        ):
            yield ChaosStack(folder, direct, servers, redis, {**environ, **running.env}, directory)


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Waits until a condition holds.

    Raises:
        StackError: it did not in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise StackError(f"Waited {seconds:.0f} s in vain for {what}.")
        time.sleep(_POLL_SECONDS)
