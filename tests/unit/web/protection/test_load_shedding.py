from collections.abc import Callable

import pytest

from security.roles import Role
from tests.unit.web.world import World
from web.http.errors import OverloadedError
from web.protection.capacity import scoring_share
from web.protection.load_shedding import LoadShedder


def test_four_fifths_of_the_connections_are_for_scoring() -> None:
    assert [scoring_share(connections) for connections in (1, 2, 5, 10, 1000)] == [1, 1, 4, 8, 800]


def test_a_place_that_is_given_back_can_be_taken_again() -> None:
    shedder = LoadShedder(1)
    for _ in range(3):
        shedder.enter()
        with pytest.raises(OverloadedError):
            shedder.enter()
        shedder.leave()
    assert shedder.under_way == 0


def test_when_full_scoring_and_reading_are_refused_and_administrators_get_in(make_world: Callable[..., World]) -> None:
    world = make_world(changes={"web_connections": 1})
    world.services.shedder.enter()
    refused = world.post("/predictions/score", world.transaction())
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] in {"1", "2"}
    assert refused.get_json()["type"] == "/docs#problem-overloaded"
    assert world.get("/predictions/t-1").status_code == 503
    assert world.get("/admin/queues", role=Role.ADMIN).status_code == 200
    assert world.client.get("/health/live").status_code == 200
    world.services.shedder.leave()
    assert world.post("/predictions/score", world.transaction()).status_code == 200


def test_a_request_that_fails_gives_its_place_back(make_world: Callable[..., World]) -> None:
    world = make_world(changes={"web_connections": 1})
    for _ in range(3):
        assert world.post("/predictions/score", {}).status_code == 422
        assert world.client.post("/predictions/score").status_code == 401
    assert world.services.shedder.under_way == 0
