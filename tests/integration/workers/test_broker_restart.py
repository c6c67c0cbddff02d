from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from ml.domain.errors import StoreUnavailableError
from ml.domain.transaction import Transaction
from ops.embedded.valkey import valkey
from ops.processes.ports import free_port
from tests.integration.workers.conftest import Works, wait_until

MakeTransaction = Callable[..., Transaction]


def test_a_worker_serves_on_after_its_broker_was_restarted(
    works: Works, tmp_path: Path, make_transaction: MakeTransaction
) -> None:
    port = free_port()
    with ExitStack() as server, ExitStack() as others:
        url = server.enter_context(valkey(tmp_path, port=port))
        settings = works.settings.model_copy(update={"redis_url": url})
        own = Works(tmp_path, works.env | {"REDIS_URL": url}, settings)
        others.enter_context(own.worker("score"))
        before = make_transaction()
        first = own.score(before)[0]
        server.close()

        def is_scored_again() -> bool:
            try:
                return own.score(make_transaction(), seconds=1.0)[0]["status"] == "scored"
            except (StoreUnavailableError, AssertionError):
                return False

        server.enter_context(valkey(tmp_path, port=port))
        wait_until(is_scored_again, seconds=30, what="scoring after the restart")
        # The append-only file kept the decision: the retry is answered, not decided anew.
        assert own.score(before)[0]["decision"] == first["decision"]
