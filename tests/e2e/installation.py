"""A user's folder with keys and a model, and the whole platform started in it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ml.registry.registry import ModelRegistry
from ml.registry.release import release
from ml.training.trained_model import TrainedModel
from ops.client import Client
from ops.processes.spawn import spawn
from ops.stack import state
from security.artifacts.artifact_keys import ArtifactSigner
from security.roles import Role
from security.tokens.token_issuer import issue_token
from settings import Settings

ROOT = Path(__file__).parents[2]
START_SECONDS = 500.0
"""Generous: a start that gets nowhere ends by itself, and the tests' machine is busy."""


@dataclass(frozen=True)
class Home:
    """A folder that a user works in: its own `var`, keys and model."""

    folder: Path
    env: Mapping[str, str]

    def ops(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Runs `python -m ops …` as this user."""
        command = [sys.executable, "-m", "ops", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env={**self.env, **more}, capture_output=True, text=True, check=False
        )

    def with_environment(self, **more: str) -> "Home":
        """Returns the same folder with further variables."""
        return Home(self.folder, {**self.env, **more})

    @property
    def settings(self) -> Settings:
        keys = self.folder / "var" / "keys"
        found = Settings(_env_file=keys / "dev.env", var_dir=self.folder / "var")
        # The files are named relative to the user's folder.
        return found.model_copy(
            update={
                "artifact_signing_key_file": keys / "artifact_signing.pem",
                "artifact_verify_key_file": keys / "artifact_verify.pem",
                "artifact_trust_file": keys / "artifact_trust.json",
            }
        )

    @property
    def state(self) -> state.StackState | None:
        return state.read(self.folder / "var")


@dataclass(frozen=True)
class Stack:
    """A running stack, and the ways to talk to it."""

    home: Home
    supervisor: subprocess.Popen[bytes]

    @property
    def state(self) -> state.StackState:
        found = self.home.state
        assert found is not None, "the stack is gone"
        return found

    @property
    def api(self) -> str:
        return self.state.urls["api"]

    def client(self, *roles: Role, subject: str = "e2e") -> Client:
        settings = self.home.settings
        assert settings.hmac_key is not None
        token = issue_token(settings, subject=subject, roles=roles or [Role.SERVICE, Role.READ])
        return Client(self.api, hmac_key=settings.hmac_key.get_secret_value().encode(), token=token)


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Waits until the condition holds, and fails the test if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def make_home(folder: Path, trained: TrainedModel | None) -> Home:
    """Makes a user's folder; with keys and a promoted model if a model is given."""
    limits = {"e2e": [0, 0], "limited": [3, 1]}
    home = Home(
        folder,
        {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "WEB_PORT": "0",
            "METRICS_PORT_BASE": "0",
            "FLOWER_PORT": "0",
            "RATE_LIMIT_OVERRIDES": json.dumps(limits),
            # Generous: the tests' machine is busy, and what is tested here is not speed.
            "SCORE_TIMEOUT_MS": "2000",
        },
    )
    if trained is not None:
        made = home.ops("keys")
        assert made.returncode == 0, made.stderr
        registry = ModelRegistry(folder / "var" / "models")
        signer = ArtifactSigner.from_settings(home.settings)
        version = release(trained.files(), registry=registry, signer=signer, metrics=trained.summary())
        registry.promote(version.model.version)
    return home


def start(home: Home) -> Stack:
    """Starts the stack as the user would, bound to this test process, and waits until everything runs."""
    terminal = home.folder / "terminal.log"
    with terminal.open("wb") as output:
        supervisor = spawn([sys.executable, "-m", "ops", "up"], env=home.env, output=output, directory=home.folder)

    def is_up() -> bool:
        assert supervisor.poll() is None, terminal.read_text()[-2000:]
        found = home.state
        return found is not None and found.phase == "running"

    wait_for(is_up, START_SECONDS)
    return Stack(home, supervisor)
