import ast
import os
import subprocess
import sys
from pathlib import Path

OWN_PACKAGES = {"web", "workers", "tasks", "ml", "security", "observability", "ops"}


def imported_names(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    plain = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    return {name.split(".")[0] for name in plain} | {
        (node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    }


def test_celeryconfig_stands_on_the_settings_alone() -> None:
    assert imported_names(Path("celeryconfig.py")) & OWN_PACKAGES == set()
    assert "settings" in imported_names(Path("celeryconfig.py"))


def test_the_settings_stand_on_nothing_of_ours() -> None:
    modules = list(Path("settings").glob("*.py"))
    assert modules
    for module in modules:
        assert imported_names(module) & (OWN_PACKAGES | {"celeryconfig"}) == set()


def test_every_task_has_a_queue_and_every_queue_a_route() -> None:
    import celeryconfig

    queues = {queue.name for queue in celeryconfig.task_queues}
    assert {route["queue"] for route in celeryconfig.task_routes.values()} == queues
    assert {entry["task"] for entry in celeryconfig.beat_schedule.values()} <= set(celeryconfig.task_routes)


def test_messages_are_text_and_never_pickle() -> None:
    import celeryconfig

    assert celeryconfig.accept_content == ["json"]
    assert celeryconfig.task_serializer == "json"


def test_a_shard_s_beat_schedules_its_drains_and_nothing_that_serves_all() -> None:
    script = "import celeryconfig as c; print(c.broker_url, sorted(e['task'] for e in c.beat_schedule.values()))"
    shard = {"SCORE_SHARD_URLS": '{"s1": "redis://one:6379/0"}', "SHARD": "s1"}
    run = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | shard, capture_output=True, check=True, text=True
    )
    assert run.stdout.strip() == "redis://one:6379/0 ['explanations.drain', 'publishing.drain']"
