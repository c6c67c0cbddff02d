"""What clients and probes see when Redis refuses writes, and when another server takes over its address."""

import json
from pathlib import Path

from tests.failover import failover_pair
from tests.integration.web.conftest import RunningApi, running_api
from tests.integration.web.requests import SCORE, transaction
from tests.integration.workers.conftest import Works, wait_until


def broker_check(api: RunningApi) -> tuple[int, bool]:
    connection = api.connect()
    connection.request("GET", "/health/ready")
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    return response.status, body["checks"]["broker"]["ok"]


def test_readiness_tells_of_refused_writes_and_a_failover_behind_the_address_heals_by_itself(
    works: Works, tmp_path: Path
) -> None:
    # Without a scoring worker a request that Redis takes ends at its deadline: 504.
    changes = {"SCORE_TIMEOUT_MS": "500", "CB_MAX_FAILURES": "100000"}
    with failover_pair(tmp_path) as pair, running_api(works, REDIS_URL=pair.address, **changes) as api:
        with api.client(timeout_seconds=60) as client:
            wait_until(lambda: client.post(SCORE, transaction()).status == 504, what="Redis to be used")
            assert broker_check(api) == (503, True)

            pair.old.config_set("min-replicas-to-write", 1)
            assert client.post(SCORE, transaction()).status == 503
            wait_until(lambda: broker_check(api) == (503, False), what="readiness to look again")
            pair.old.config_set("min-replicas-to-write", 0)
            wait_until(lambda: broker_check(api) == (503, True), what="writes to be taken again")

            pair.fail_over()
            wait_until(lambda: client.post(SCORE, transaction()).status == 504, what="the new master to be used")
            assert broker_check(api) == (503, True)
            assert pair.new.llen("score") > 0
        assert "Redis refuses commands" in api.log.read_text()


def test_a_server_busy_with_a_script_is_no_error_of_ours(works: Works, tmp_path: Path) -> None:
    with failover_pair(tmp_path) as pair, running_api(works, REDIS_URL=pair.address) as api:
        wait_until(lambda: broker_check(api) == (503, True), what="Redis to be used")
        with pair.busy():
            wait_until(lambda: broker_check(api) == (503, False), what="the refusal")
        wait_until(lambda: broker_check(api) == (503, True), what="the end of the script")
