"""A process that is told a taken port says so in one sentence, and becomes no other program."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[5]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    made = ops(folder, "keys")
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture
def listener() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield str(server.getsockname()[1])


def ops(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    # Named, because no stack runs there; none of the commands comes to ask them.
    servers = {
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "MONGO_URL": "mongodb://127.0.0.1:1/",
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",
    }
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **servers, **more}
    command = [sys.executable, "-m", "ops", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("command", "setting"),
    [("web", "WEB_PORT"), ("flower", "FLOWER_PORT"), ("worker labels", "METRICS_PORT"), ("beat", "METRICS_PORT")],
)
def test_a_taken_port_is_one_sentence(command: str, setting: str, home: Path, listener: str) -> None:
    refused = ops(home, *command.split(), **{setting: listener})
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"{setting} {listener} is taken by another process")
    assert refused.stderr.count("\n") == 1


def test_a_worker_s_own_port_is_fixed_by_its_number_and_refused_by_name(home: Path, listener: str) -> None:
    number = int(listener) % 100 or 1
    base = int(listener) - 400 - number
    refused = ops(home, "worker", "labels", "--number", str(number), METRICS_PORT_BASE=str(base))
    assert refused.stderr.startswith(f"METRICS_PORT {base + 400 + number} is taken by another process")
    beyond = ops(home, "worker", "labels", "--number", "100", METRICS_PORT_BASE=str(base))
    assert (beyond.returncode, beyond.stderr.count("\n")) == (1, 1)
    assert "set METRICS_PORT" in beyond.stderr


def test_the_embedded_kafka_says_it_too(home: Path, listener: str) -> None:
    refused = ops(home, "kafka-mock", "--port", listener)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"--port {listener} is taken by another process")
