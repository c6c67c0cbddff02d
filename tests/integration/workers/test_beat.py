import os
import sys
import time
from pathlib import Path
from urllib.request import urlopen

from ops.processes.health import answers_ok
from ops.processes.ports import free_port
from ops.processes.spawn import spawn, stop
from tests.integration.workers.conftest import Works, wait_until

_SENT = "Sending due task"
_MEASURED = 'celery_queue_length{queue="explain"} 1.0'


def exposition(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def test_of_two_beats_one_is_idle(works: Works, tmp_path: Path) -> None:
    works.client.flushdb()
    env = os.environ | works.env | {"DRAIN_FALLBACK_SECONDS": "0.5", "LOG_LEVEL": "DEBUG"}
    logs = [tmp_path / f"beat-{number}.log" for number in range(2)]
    ports = [free_port() for _ in logs]
    beats = []
    try:
        for log, port in zip(logs, ports, strict=True):
            own = env | {"METRICS_PORT": str(port)}
            with log.open("wb") as output:
                beats.append(spawn([sys.executable, "-m", "ops", "beat"], env=own, output=output))
        wait_until(lambda: any(_SENT in log.read_text() for log in logs), what="a scheduled task")
        wait_until(lambda: all("beat: Starting" in log.read_text() for log in logs), what="both beats")
        time.sleep(3)  # six turns of the schedule, in which a second active beat would show itself
        active = [_SENT in log.read_text() for log in logs]
        assert sorted(active) == [False, True]
        # Six doorbells with nobody to drain: one waits.
        assert [works.client.llen(queue) for queue in ("explain", "publish", "labels")] == [1, 1, 1]
        wait_until(lambda: all(answers_ok(port, "/health/live") for port in ports), what="both beats' health")
        assert [answers_ok(port, "/health/ready") for port in ports] == active
        # Only the active one measures the queues, so that nobody counts them twice.
        wait_until(lambda: [_MEASURED in exposition(port) for port in ports] == active, what="the queues' lengths")
    finally:
        for beat in beats:
            stop(beat, grace_seconds=5)
        works.client.flushdb()
