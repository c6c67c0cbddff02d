"""What each route does while replay and rate limits cannot be checked: stated here, route by route."""

from collections.abc import Callable, Sequence

import pytest

from security.admission.admission import Admission, AdmissionRequest
from security.errors import AdmissionUnavailableError
from tests.unit.web.world import World
from web.routing.operations import Operation, endpoints_of

CLOSED = {
    "POST /predictions/score",
    "POST /predictions/score/batch",
    "GET /predictions/{transaction_id}",
    "GET /explanations/{transaction_id}",
    "GET /explanations",
    "POST /labels",
    "GET /admin/safe-mode",
    "POST /admin/safe-mode/enable",
    "POST /admin/safe-mode/disable",
    "GET /admin/queues",
    "GET /admin/models",
    "POST /admin/status/links",
}
"""Refused with 503: a replay looks like a first request."""

OPEN = {
    "GET /metrics",
    "GET /admin/status",
    "POST /status/session",
    "GET /health/live",
    "GET /health/ready",
    "GET /openapi.json",
    "GET /docs",
}
"""Answered: they take no signature, so there is nothing to replay, and an operator needs them most in an outage."""


OTHER_ANSWERS = {"GET /health/ready": {200, 503}, "POST /status/session": {403}}
"""Of open routes that do not answer 200: the link of the example is no real one."""


class Unavailable:
    def admit(self, _requests: Sequence[AdmissionRequest]) -> list[Admission]:
        raise AdmissionUnavailableError("no Redis")


def test_every_route_fails_as_it_says(make_world: Callable[..., World]) -> None:
    world = make_world(admission=Unavailable())
    declared = [endpoint.declared for endpoint in endpoints_of(world.app)]
    for operation in declared:
        name = f"{operation.method} {operation.path}"
        status = _status(world, operation)
        if operation.role is not None and operation.signed:
            assert status == 503, name
        else:
            assert name in OPEN, name
            assert status in OTHER_ANSWERS.get(name, {200}), name
    signed = {f"{item.method} {item.path}" for item in declared if item.role is not None and item.signed}
    assert signed >= CLOSED


def _status(world: World, operation: Operation) -> int:
    path = operation.path.replace("{transaction_id}", "t-1").replace("{version}", "v20260101T000000-abcdef")
    if operation.method == "POST":
        body = operation.body_example if operation.body is not None else b""
        return world.post(path, body, role=operation.role).status_code
    if operation.role is None:
        return world.client.get(path).status_code
    return world.get(path, role=operation.role).status_code


@pytest.mark.parametrize("name", sorted(OPEN - OTHER_ANSWERS.keys()))
def test_open_routes_exist(make_world: Callable[..., World], name: str) -> None:
    method, path = name.split()
    assert method == "GET"
    assert make_world().client.get(path).status_code in {200, 401}
