import os
import sys
import time
from pathlib import Path

from ops.processes.spawn import spawn, stop
from tests.integration.workers.conftest import Works, wait_until

_SENT = "Sending due task"


def test_of_two_beats_one_is_idle(works: Works, tmp_path: Path) -> None:
    works.client.flushdb()
    env = os.environ | works.env | {"DRAIN_FALLBACK_SECONDS": "0.5", "LOG_LEVEL": "DEBUG"}
    logs = [tmp_path / f"beat-{number}.log" for number in range(2)]
    beats = []
    try:
        for log in logs:
            with log.open("wb") as output:
                beats.append(spawn([sys.executable, "-m", "ops", "beat"], env=env, output=output))
        wait_until(lambda: any(_SENT in log.read_text() for log in logs), what="a scheduled task")
        wait_until(lambda: all("beat: Starting" in log.read_text() for log in logs), what="both beats")
        time.sleep(3)  # six turns of the schedule, in which a second active beat would show itself
        active = [_SENT in log.read_text() for log in logs]
        assert sorted(active) == [False, True]
        # Six doorbells with nobody to drain: one waits.
        assert [works.client.llen(queue) for queue in ("explain", "publish", "labels")] == [1, 1, 1]
    finally:
        for beat in beats:
            stop(beat, grace_seconds=5)
        works.client.flushdb()
