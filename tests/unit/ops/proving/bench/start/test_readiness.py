import sys
from pathlib import Path

import pytest

from ops.proving.bench.start.readiness import time_start

WAITS = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_start_is_timed_until_it_is_ready(tmp_path: Path) -> None:
    looks = iter([False, False, True])
    seconds = time_start(WAITS, {}, tmp_path / "log", lambda: next(looks))
    assert 0.0 < seconds < 60.0


def test_a_process_that_ends_instead_is_reported(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="did not become ready"):
        time_start([sys.executable, "-c", "raise SystemExit(3)"], {}, tmp_path / "log", lambda: False)
