"""USE_LOCAL_INFERENCE and PERF_MODE on real servers; for the first no scoring worker runs here."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson
import pytest

from ml.registry.registry import ModelRegistry
from ml.registry.release import release
from ml.stores.decisions.keys_redis import decision_key
from ml.stores.outbox.keys_redis import OUTBOX, awaiting_key
from ml.training.trained_model import TrainedModel
from security.artifacts.artifact_keys import ArtifactSigner
from security.roles import Role
from settings import Settings
from tasks.losses.dataset_name_redis import DATASET_ID
from tasks.wiring.clients_redis import connect_redis
from tasks.wiring.connections import Connections
from tasks.wiring.stores import safe_mode_store
from tests.integration.web.conftest import RunningApi, running_api
from tests.integration.web.requests import SCORE, transaction
from tests.integration.workers.conftest import Works, wait_until

_STORE_AND_BROKER = (9, 10)
_AGAIN = (11, 12)  # for one test at a time, while the module's own API goes on
_PATIENT = {"SCORE_TIMEOUT_MS": "3000"}  # a deadline that a busy machine can keep


def place_apart(works: Works, name: str, databases: tuple[int, int] = _AGAIN, **changes: str) -> Works:
    """Returns a place with the same servers and keys, but with an empty store, broker and registry of its own."""
    server = works.env["REDIS_URL"].rsplit("/", 1)[0]
    store, broker = (f"{server}/{number}" for number in databases)
    env = works.env | {
        "REDIS_URL": store,
        "BROKER_URL": broker,
        "MODEL_DIR": str(works.folder / name / "models"),
        **changes,
    }
    apart = Works(works.folder, env, Settings(_env_file=None, **{key.lower(): value for key, value in env.items()}))
    for url in (store, broker):
        with connect_redis(apart.settings, url=url) as client:
            # An emptied Redis that an earlier test has named would enter SAFE MODE: it keeps its name.
            names = {key: client.get(key) for key in client.scan_iter(match=f"{DATASET_ID}*")}
            client.flushdb()
            if names:
                client.mset(names)
    return apart


def promote_another(works: Works, trained: TrainedModel) -> str:
    registry = ModelRegistry(works.settings.models_path)
    signer = ArtifactSigner.from_settings(works.settings)
    version = release(trained.files(), registry=registry, signer=signer, metrics={}).model.version
    registry.promote(version)
    return version


def keys(works: Works) -> set[str]:
    return {key.decode() for key in works.client.scan_iter()}


@dataclass
class LocalPlace:
    works: Works
    api: RunningApi
    version: str


@pytest.fixture(scope="module")
def local(works: Works, trained: TrainedModel) -> Iterator[LocalPlace]:
    """An API that scores by itself."""
    apart = place_apart(works, "local", _STORE_AND_BROKER, USE_LOCAL_INFERENCE="true", MODEL_POLL_SECONDS="0.1")
    version = promote_another(apart, trained)
    with running_api(apart, **_PATIENT) as api:
        yield LocalPlace(apart, api, version)


def test_scores_in_the_web_process_with_the_same_record_and_outbox_entry(local: LocalPlace) -> None:
    item = transaction()
    with local.api.client() as client:
        answer = client.post(SCORE, item)
        assert answer.status == 200, answer.body
        body = answer.json()
        assert set(body["timings"]) == {"queue_ms", "features_ms", "model_ms", "total_ms"}
        assert body["model_version"] == local.version
        again = client.post(SCORE, item)
        split = b',"correlation_id"'
        assert again.body.partition(split)[0] == answer.body.partition(split)[0]
        assert client.post(SCORE, item | {"amount": 13}).status == 409
        assert "x-perf-mode" not in answer.headers
    store = local.works.client
    assert store.exists(decision_key(item["transaction_id"]))
    assert store.zscore(awaiting_key("explain"), item["transaction_id"]) is not None
    entries = [fields for _, fields in store.xrange(OUTBOX) if fields[b"id"] == item["transaction_id"].encode()]
    assert len(entries) == 1
    assert orjson.loads(entries[0][b"event"])["decision"]["score"] == body["score"]
    assert not [key for key in keys(local.works) if "reply" in key]


def test_the_drains_are_rung(local: LocalPlace) -> None:
    with local.api.client() as client:
        assert client.post(SCORE, transaction()).status == 200
    with connect_redis(local.works.settings, url=local.works.settings.celery_broker_url) as broker:
        wait_until(lambda: bool(broker.llen("explain") and broker.llen("publish")), what="the doorbells")


def test_a_batch_is_answered_in_order(local: LocalPlace) -> None:
    items = [transaction(customer_id=f"c-{number % 7}") for number in range(100)]
    with local.api.client() as client:
        results = client.post(f"{SCORE}/batch", {"transactions": items}).json()["results"]
    assert [result["transaction_id"] for result in results] == [item["transaction_id"] for item in items]
    assert all("decision" in result for result in results)


def test_it_is_ready_by_its_own_model(local: LocalPlace) -> None:
    with local.api.client() as client:
        answer = client.get("/health/ready")
    assert answer.status == 200
    checks = answer.json()["checks"]
    assert checks["scoring_worker"]["detail"] == "this process"
    assert checks["model"]["ok"]


def test_it_obeys_safe_mode(local: LocalPlace) -> None:
    switch = safe_mode_store(Connections(local.works.settings))
    with local.api.client() as client:
        switch.enable("drill", by="test")
        try:
            wait_until(lambda: client.post(SCORE, transaction()).status == 503, what="SAFE MODE")
            answer = client.post(SCORE, transaction())
            assert answer.json()["reason"] == "drill"
            assert local.api.status("/health/ready") == 503
        finally:
            switch.disable(by="test")
        wait_until(lambda: client.post(SCORE, transaction()).status == 200, what="the end of SAFE MODE")


def test_it_swaps_to_a_new_champion_without_a_failed_request(local: LocalPlace, trained: TrainedModel) -> None:
    answers: list[tuple[int, str]] = []
    stop = threading.Event()

    def keep_asking() -> None:
        with local.api.client() as client:
            while not stop.is_set():
                answer = client.post(SCORE, transaction())
                answers.append((answer.status, answer.json().get("model_version", "")))

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        wait_until(lambda: bool(answers), what="the first answer")
        version = promote_another(local.works, trained)
        wait_until(lambda: answers[-1][1] == version, what="the new model")
    finally:
        stop.set()
        asking.join(30)
    assert {status for status, _ in answers} == {200}


def test_a_refused_champion_leaves_the_serving_model_in_place(local: LocalPlace, trained: TrainedModel) -> None:
    with local.api.client() as client:
        serving = client.post(SCORE, transaction()).json()["model_version"]
        version = promote_another(local.works, trained)
        graph = next((local.works.settings.models_path / version).glob("model.onnx*"))
        graph.write_bytes(graph.read_bytes()[:-1])
        wait_until(lambda: b"model refused" in local.api.log.read_bytes(), what="the refusal")
        answer = client.post(SCORE, transaction())
    assert (answer.status, answer.json()["model_version"]) == (200, serving)


def test_without_a_model_it_is_not_ready_and_refuses(works: Works) -> None:
    apart = place_apart(works, "empty", USE_LOCAL_INFERENCE="true")
    with running_api(apart, **_PATIENT) as api, api.client() as client:
        answer = client.get("/health/ready")
        assert answer.status == 503
        assert not answer.json()["checks"]["model"]["ok"]
        assert client.post(SCORE, transaction()).status == 503


@dataclass
class Traces:
    """What scoring left in Redis."""

    works: Works
    before: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.before = keys(self.works)

    def left(self) -> set[str]:
        return keys(self.works) - self.before


def check_perf_mode(works: Works, api: RunningApi) -> None:
    """Scores, and finds features in Redis and nothing else."""
    assert "PERF_MODE is on" in api.log.read_text()
    with api.client(Role.SERVICE) as client:
        wait_until(lambda: client.get("/health/ready").status == 200, what="readiness")
        assert client.get("/health/ready").json()["perf_mode"] is True
        traces, item = Traces(works), transaction(customer_id="c-perf", terminal_id="p-perf", device_id="d-perf")
        answers = [client.post(SCORE, item), client.post(SCORE, item), client.post(SCORE, item | {"amount": 13})]
        assert [answer.status for answer in answers] == [200, 200, 200]
        assert {answer.headers["x-perf-mode"] for answer in answers} == {"on"}
        assert client.send("POST", SCORE, orjson.dumps(item), is_signed=False).status == 401
        unknown = {"Authorization": "Bearer nobody"}
        assert client.send("POST", SCORE, orjson.dumps(item), headers=unknown).status == 401
    assert traces.left() == {"shrike:customer:{c-perf}", "shrike:terminal:{p-perf}"}


def perf_works(works: Works, trained: TrainedModel, name: str, **changes: str) -> Works:
    apart = place_apart(works, name, PERF_MODE="true", **changes)
    promote_another(apart, trained)
    return apart


def test_perf_mode_with_local_inference_leaves_nothing_but_features(works: Works, trained: TrainedModel) -> None:
    apart = perf_works(works, trained, "perf-local", USE_LOCAL_INFERENCE="true")
    with running_api(apart, **_PATIENT, RATE_LIMIT_CAPACITY="1", DEVICE_RATE_LIMIT_CAPACITY="1") as api:
        check_perf_mode(apart, api)


def test_perf_mode_through_the_queue_leaves_nothing_but_features_and_both_sides_must_want_it(
    works: Works, trained: TrainedModel
) -> None:
    apart = perf_works(works, trained, "perf-queue")
    with apart.worker("score") as worker:
        assert "PERF_MODE is on" in worker.log.read_text()
        with running_api(apart, **_PATIENT, RATE_LIMIT_CAPACITY="1") as api:
            check_perf_mode(apart, api)
        with running_api(apart, **_PATIENT, PERF_MODE="false") as api, api.client() as client:
            item = transaction()
            assert client.post(SCORE, item).status == 200
            assert client.post(SCORE, item | {"amount": 13}).status == 409
        assert apart.client.exists(decision_key(item["transaction_id"]))
        assert apart.client.xlen(OUTBOX) == 1
