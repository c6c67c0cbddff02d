import os
import signal
import threading

import orjson
import pymongo

from ml.stores.explanations.explanations_mongo import MongoExplanationStore
from ops.proving.demo.arrivals import Patience, wait_for_published, wait_for_stored
from ops.proving.traffic import Shot, fire
from ops.stack.state import StackState
from tests.e2e.installation import Stack, wait_for
from tests.e2e.transactions import transaction


def pid_of(stack: StackState, name: str) -> int | None:
    return next(process.pid for process in stack.processes if process.name == name)


def test_service_goes_on_when_a_scoring_worker_is_killed_under_traffic(stack: Stack) -> None:
    sent = [transaction(customer_id=f"C{number:06d}") for number in range(300)]
    shots = [Shot("valid", "/predictions/score", orjson.dumps(item)) for item in sent]
    victim = pid_of(stack.state, "score-1")
    assert victim is not None
    killer = threading.Timer(2.0, os.kill, (victim, signal.SIGKILL))
    killer.start()
    outcomes = fire(shots, rate=50, make_client=stack.client, max_retries=5)
    killer.join()
    assert all(outcome.answer is not None and outcome.answer.is_ok for outcome in outcomes)
    # One batch at most was in that worker's hands; its callers asked again.
    assert sum(outcome.retries > 0 for outcome in outcomes) <= 32

    wait_for(lambda: pid_of(stack.state, "score-1") not in {None, victim})
    wait_for(lambda: all(process.state == "running" for process in stack.state.processes), 60)
    assert "score-1 ended with SIGKILL" in (stack.home.folder / "terminal.log").read_text()

    ids = [item["transaction_id"] for item in sent]
    env = stack.state.env
    with pymongo.MongoClient(env["MONGO_URL"]) as client:
        store = MongoExplanationStore(client["shrike"]["explanations"])
        stored = wait_for_stored(store, ids, patience=Patience(60), on_count=lambda _: None)
    published = wait_for_published(
        env["KAFKA_BOOTSTRAP"], "transactions.scored", ids, patience=Patience(60), on_count=lambda _: None
    )
    assert (stored.distinct, published.distinct) == (300, 300)


def test_a_frozen_worker_is_replaced_and_the_other_one_is_left_alone(stack: Stack) -> None:
    wait_for(lambda: all(process.state == "running" for process in stack.state.processes), 60)
    frozen, other = pid_of(stack.state, "score-1"), pid_of(stack.state, "score-2")
    assert frozen is not None
    os.kill(frozen, signal.SIGSTOP)
    wait_for(lambda: pid_of(stack.state, "score-1") not in {None, frozen}, 60)
    wait_for(lambda: all(process.state == "running" for process in stack.state.processes), 60)
    assert pid_of(stack.state, "score-2") == other
    assert f"score-1 (pid {frozen}) does not answer and is killed" in (stack.home.folder / "terminal.log").read_text()
    with stack.client() as client:
        assert client.post("/predictions/score", transaction()).is_ok
