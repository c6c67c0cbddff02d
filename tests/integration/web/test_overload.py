"""More than a process can take: scoring is refused at once, administrators and probes get in."""

import itertools
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack

import pytest

from ops.client import Answer
from security.roles import Role
from tests.integration.web.conftest import RunningApi, running_api
from tests.integration.web.requests import SCORE, transaction
from tests.integration.workers.conftest import Works, wait_until

CONNECTIONS = 20
FOR_SCORING = 16


@pytest.fixture(scope="module")
def small_api(works: Works) -> Iterator[RunningApi]:
    """The API in one process of twenty connections, sixteen of them for scoring."""
    changes = {"WEB_CONNECTIONS": str(CONNECTIONS), "SCORE_TIMEOUT_MS": "10000", "REQUEST_TIMEOUT_SECONDS": "5"}
    with running_api(works, **changes) as running:
        yield running


def test_under_overload_scoring_is_refused_at_once_and_administrators_get_in(small_api: RunningApi) -> None:
    def score(_number: int) -> Answer:
        with small_api.client(Role.SERVICE, timeout_seconds=40) as client:
            return client.post(SCORE, transaction())

    with ThreadPoolExecutor(FOR_SCORING + 2) as threads:
        # Nobody scores: sixteen requests wait for their deadline.
        sent = [threads.submit(score, number) for number in range(FOR_SCORING + 2)]
        refused = list(itertools.islice(as_completed(sent, timeout=9), 2))
        for answer in (request.result() for request in refused):
            assert answer.status == 503
            assert answer.json()["type"].endswith("overloaded")
            assert int(answer.headers["retry-after"]) >= 1
        assert small_api.status("/health/live") == 200
        with small_api.client(Role.ADMIN) as administrator:
            assert administrator.get("/admin/queues").status == 200
        assert {request.result().status for request in set(sent) - set(refused)} <= {503, 504}


def test_idle_connections_beyond_the_share_of_scoring_keep_nobody_out(small_api: RunningApi) -> None:
    with ExitStack() as open_connections:
        for _ in range(2 * CONNECTIONS):
            open_connections.enter_context(socket.create_connection(("127.0.0.1", small_api.port), timeout=5))
        # Each idle one beyond the sixteenth has half a second instead of five.
        wait_until(lambda: small_api.status("/health/live") == 200, seconds=45, what="an answer")
