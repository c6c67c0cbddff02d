import os
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ops.errors import StackError
from ops.processes.ports import free_port, is_free
from ops.stack.plan.plan import Plan, make_plan
from ops.stack.plan.roles import ROLES, STOP_ORDER, Stage
from settings import Settings


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def plan_of(var_dir: Path, *, score_workers: int | None = None, **given: object) -> Plan:
    values = {"web_port": 0, "flower_port": 0, "metrics_port_base": 0, "var_dir": var_dir} | given
    return make_plan(Settings(_env_file=None, **values), score_workers=score_workers)


def test_every_role_and_every_server_is_in_the_plan(tmp_path: Path) -> None:
    names = [process.name for process in plan_of(tmp_path).processes]
    assert names[:3] == ["valkey", "mongo", "kafka"]
    assert names[3:] == ["score-1", "score-2", "explain", "publish", "labels", "retrain", "web", "beat", "flower"]


def test_scoring_workers_can_be_more(tmp_path: Path) -> None:
    names = [process.name for process in plan_of(tmp_path, score_workers=4).processes]
    assert [name for name in names if name.startswith("score")] == ["score-1", "score-2", "score-3", "score-4"]


def test_the_api_waits_for_no_balancer_unless_it_is_told_to(tmp_path: Path) -> None:
    assert plan_of(tmp_path).env["WEB_DRAIN_SECONDS"] == "0"
    assert "WEB_DRAIN_SECONDS" not in plan_of(tmp_path, web_drain_seconds=7).env


def test_each_shard_has_its_own_scoring_workers_drains_and_beat(tmp_path: Path) -> None:
    shards = {"a": "redis://127.0.0.1:1/0", "b": "redis://127.0.0.1:2/0"}
    processes = plan_of(tmp_path, score_shard_urls=shards).processes
    by_shard = {
        shard: [item.name for item in processes if item.env.get("SHARD") == shard] for shard in (None, "a", "b")
    }
    assert by_shard["a"] == ["score-a-1", "score-a-2", "explain-a", "publish-a", "beat-a"]
    assert by_shard["b"] == ["score-b-1", "score-b-2", "explain-b", "publish-b", "beat-b"]
    # What belongs to no shard serves all of them, and delivers what was answered before there were any.
    assert by_shard[None][3:] == ["explain", "publish", "labels", "retrain", "web", "beat", "flower"]


def test_a_server_that_the_user_names_is_not_embedded(tmp_path: Path, listener: int) -> None:
    plan = plan_of(tmp_path, redis_url=f"redis://:secret@127.0.0.1:{listener}/3")
    assert "valkey" not in [process.name for process in plan.processes]
    assert plan.env["REDIS_URL"] == f"redis://:secret@127.0.0.1:{listener}/3"
    assert plan.urls["redis"] == f"redis://127.0.0.1:{listener}/3"


@pytest.mark.parametrize(
    ("setting", "url"), [("redis_url", "redis://127.0.0.1:{}/0"), ("mongo_url", "mongodb://127.0.0.1:{}/"),
                         ("kafka_bootstrap", "127.0.0.1:{}")],
)  # fmt: skip
def test_a_named_server_that_is_absent_is_one_sentence(
    setting: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.stack.plan.servers._REACH_SECONDS", 0.1)
    with pytest.raises(StackError, match=f"does not answer; check {setting.upper()}"):
        plan_of(tmp_path, **{setting: url.format(free_port())})


def test_every_process_learns_where_its_servers_are(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    for process in plan.processes:
        if process.stage is not Stage.SERVERS:
            assert process.env["REDIS_URL"] == plan.urls["redis"], process.name
            assert process.env["VAR_DIR"] == str(tmp_path)


def test_every_worker_has_a_port_of_its_own_for_health_and_metrics(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    ports = {process.name: process.env["METRICS_PORT"] for process in plan.processes if "METRICS_PORT" in process.env}
    assert set(ports) == {"score-1", "score-2", "explain", "publish", "labels", "retrain", "beat"}
    assert len(set(ports.values())) == len(ports)


def test_a_chosen_base_fixes_the_metrics_port_of_each_process(tmp_path: Path) -> None:
    base = free_base()
    plan = plan_of(tmp_path, metrics_port_base=base)
    ports = {process.name: process.port for process in plan.processes if "METRICS_PORT" in process.env}
    offsets = {"score-1": 101, "score-2": 102, "explain": 201, "publish": 301, "labels": 401, "retrain": 501}
    assert ports == {name: base + offset for name, offset in (offsets | {"beat": 901}).items()}


def test_a_metrics_port_of_a_chosen_base_that_is_taken_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.stack.plan.ports._PATIENCE_SECONDS", 0)
    base = free_base()
    with socket.create_server(("127.0.0.1", base + 301)):
        expected = f"METRICS_PORT_BASE {base} gives publish the port {base + 301}, which another process has"
        with pytest.raises(StackError, match=expected):
            plan_of(tmp_path, metrics_port_base=base)


def test_a_metrics_port_of_a_chosen_base_that_the_api_has_is_refused_too(tmp_path: Path) -> None:
    base = free_base()
    with pytest.raises(StackError, match=rf"gives score-1 the port {base + 101}, which the API has"):
        plan_of(tmp_path, metrics_port_base=base, web_port=base + 101)


def test_usual_metrics_ports_that_are_taken_are_others_and_named(tmp_path: Path) -> None:
    base = free_base()
    settings = Settings(_env_file=None, web_port=0, flower_port=0, var_dir=tmp_path, metrics_port_base=base)
    settings.model_fields_set.discard("metrics_port_base")
    with socket.create_server(("127.0.0.1", base + 301)):
        plan = make_plan(settings)
    ports = {process.name: process.port for process in plan.processes if "METRICS_PORT" in process.env}
    assert ports["labels"] == base + 401
    assert ports["publish"] != base + 301
    assert [note for note in plan.notes if "metrics ports of publish are taken" in note]


def free_base() -> int:
    """Returns a base whose ports nobody listens on now, the one that a test takes among them."""
    offsets = (101, 102, 201, 301, 401, 501, 901)
    bases = range(20_000 + os.getpid() % 100 * 100, 31_000, 1_000)
    return next(base for base in bases if all(is_free(base + offset) for offset in offsets))


def test_background_work_steps_back_for_answers(tmp_path: Path) -> None:
    in_the_path = {"valkey", "score-1", "score-2", "web"}
    foreground = {process.name for process in plan_of(tmp_path).processes if not process.is_background}
    assert foreground == in_the_path | {"beat"}  # which sleeps all the time, and holds a lock by the clock


def test_stopping_covers_every_stage_and_begins_with_the_api() -> None:
    assert STOP_ORDER[0] is Stage.WEB
    assert STOP_ORDER[-1] is Stage.SERVERS
    assert set(STOP_ORDER) == set(Stage) >= {role.stage for role in ROLES}


def test_health_is_asked_where_each_process_listens(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, web_host="::1", flower_host="0.0.0.0", metrics_host="127.0.0.2")  # noqa: S104 - not listened on
    asked = {
        process.name: process.is_healthy.keywords.get("host")
        for process in plan.processes
        if isinstance(process.is_healthy, partial) and process.stage is not Stage.SERVERS
    }
    assert asked["web"] == "::1"
    assert asked["flower"] == "127.0.0.1"
    assert {asked[name] for name in ("score-1", "explain", "retrain")} == {"127.0.0.2"}
    assert plan.urls["api"].startswith("http://[::1]:")
    assert plan.urls["flower"].startswith("http://127.0.0.1:")


def test_the_plan_records_every_address_that_is_named(tmp_path: Path) -> None:
    """A command beside the stack works on these, whatever its own environment lacks."""
    plan = plan_of(tmp_path, feature_redis_url="redis://127.0.0.1:1/5", mongo_database="payments")
    assert plan.env.items() >= {"FEATURE_REDIS_URL": "redis://127.0.0.1:1/5", "MONGO_DATABASE": "payments"}.items()
    assert plan.env["REDIS_URL"] == plan.urls["redis"]


@pytest.mark.parametrize(("name", "server"), [("redis", "REDIS_URL"), ("mongo", "MONGO_URL")])
def test_an_embedded_server_knows_no_users(name: str, server: str, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("web:password\n")
    with pytest.raises(StackError, match=f"{name.upper()}_CREDENTIALS_FILE is set and {server} is not"):
        plan_of(tmp_path, **{f"{name}_credentials_file": file})
