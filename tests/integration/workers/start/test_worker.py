import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.workers.conftest import Works

_KEYS = ("MESSAGE_KEY", "ARTIFACT_VERIFY_KEY_FILE", "ARTIFACT_ENCRYPTION_KEY")
_INSTEAD = {"ARTIFACT_VERIFY_KEY_FILE": "ARTIFACT_TRUST_FILE"}


def start(works: Works, *command: str, without: str) -> subprocess.CompletedProcess:
    absent = {without, _INSTEAD.get(without)}
    env = {name: value for name, value in (os.environ | works.env).items() if name not in absent}
    env["PYTHONPATH"] = str(Path.cwd())
    return subprocess.run(
        [sys.executable, "-m", *command],
        env=env,
        cwd=works.folder,  # away from any env file
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("key", _KEYS)
def test_a_worker_without_a_key_ends_with_one_sentence(works: Works, key: str) -> None:
    result = start(works, "ops", "worker", "score", without=key)
    assert result.returncode == 1
    assert key in result.stderr
    assert "Traceback" not in result.stderr


def test_a_worker_that_cannot_be_wired_never_consumes(works: Works) -> None:
    arguments = ("celery", "-A", "workers.score", "worker", "-Q", "score", "-P", "solo")
    result = start(works, *arguments, without="MESSAGE_KEY")
    assert result.returncode == 1
    assert "the worker cannot start" in result.stderr
    assert "ready" not in result.stderr


@pytest.mark.parametrize("command", [("web",), ("worker", "explain"), ("beat",), ("flower",)])
def test_production_refuses_in_one_sentence_and_shows_no_key(works: Works, command: tuple[str, ...]) -> None:
    production = Works(works.folder, works.env | {"ENVIRONMENT": "production"}, works.settings)
    result = start(production, "ops", *command, without="")
    assert result.returncode == 1
    assert "JWT_SECRET is a development key" in result.stderr
    assert "Traceback" not in result.stderr
    assert works.env["JWT_SECRET"] not in result.stderr + result.stdout
