import logging
from collections.abc import Callable

import pytest

from security.admission.admission import AdmissionRequest
from settings import Settings
from tasks.wiring.perf_mode import warn_of_perf_mode
from tests.unit.web.world import World
from web.entrance.batcher import AdmissionCall
from web.entrance.open_admission import OpenAdmission

HEADER = "X-Perf-Mode"


def test_every_answer_and_the_readiness_say_so(make_world: Callable[..., World]) -> None:
    world = make_world(changes={"perf_mode": True})
    for answer in (world.post("/predictions/score", world.transaction()), world.client.get("/nowhere")):
        assert answer.headers[HEADER] == "on"
    assert world.client.get("/health/ready").get_json()["perf_mode"] is True


def test_nothing_says_so_otherwise(world: World) -> None:
    assert HEADER not in world.post("/predictions/score", world.transaction()).headers
    assert world.client.get("/health/ready").get_json()["perf_mode"] is False


def test_open_admission_admits_everything_again_and_again() -> None:
    admission, call = OpenAdmission(), AdmissionCall(AdmissionRequest("somebody", "digest"), ("t-1",))
    for _ in range(2):
        result = admission.admit(call)
        assert result.admission.admitted
        assert result.admission.limit is None
        assert result.records == {}
    admission.close(1.0)


def test_a_start_warns_of_it(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    # Whatever an earlier test of this process has set: levels, and the switch of all logging.
    with caplog.at_level(logging.WARNING, logger=warn_of_perf_mode.__module__):
        warn_of_perf_mode(settings)
        assert caplog.records == []
        warn_of_perf_mode(settings.model_copy(update={"perf_mode": True}))
    [warning] = caplog.records
    assert warning.levelno == logging.WARNING
    assert "PERF_MODE is on" in warning.getMessage()
