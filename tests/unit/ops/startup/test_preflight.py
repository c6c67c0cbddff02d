import pytest

from ops.credentials.development_keys import make_development_keys
from ops.errors import OpsError
from ops.startup import preflight
from settings import Environment, load_settings
from settings.problems import SettingsRefusedError


@pytest.fixture(autouse=True)
def _keys(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in make_development_keys(tmp_path, replace=False).read_text().splitlines():
        name, _, value = line.partition("=")
        if value and not name.startswith("#"):
            monkeypatch.setenv(name, value.strip("'\""))
    monkeypatch.setenv("USE_LOCAL_INFERENCE", "true")


def test_a_web_process_that_scores_by_itself_starts_with_what_it_needs() -> None:
    assert preflight.check_web().use_local_inference


def test_without_onnxruntime_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "find_spec", lambda _name: None)
    with pytest.raises(OpsError, match=r"pip install -r requirements/scoring\.txt"):
        preflight.check_web()


def test_what_serves_all_shards_must_not_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("USE_LOCAL_INFERENCE")
    monkeypatch.setenv("SCORE_SHARD_URLS", '{"s1": "redis://127.0.0.1:1/0"}')
    monkeypatch.setenv("SHARD", "s1")
    assert preflight.check_worker("score").shard == "s1"
    for queue in ("labels", "retrain"):
        with pytest.raises(OpsError, match=f"The {queue} worker serves all shards"):
            preflight.check_worker(queue)
    with pytest.raises(OpsError, match="The API serves all shards"):
        preflight.check_web()


def test_in_production_only_the_api_is_asked_for_its_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {
        "environment": Environment.PRODUCTION,
        "redis_url": "rediss://127.0.0.1:1/0",
        "mongo_url": "mongodb://127.0.0.1:1/?tls=true",
    }
    settings = load_settings().model_copy(update=changes)
    monkeypatch.setattr(preflight, "load_settings", lambda: settings)
    assert preflight.check_worker("explain") is preflight.check_beat() is settings
    with pytest.raises(SettingsRefusedError, match="TLS is missing; set TLS_CERTIFICATE_FILE"):
        preflight.check_web()


def test_in_production_a_process_is_asked_for_the_connections_that_it_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"environment": Environment.PRODUCTION, "redis_url": "rediss://127.0.0.1:1/0"}
    settings = load_settings().model_copy(update=changes)
    monkeypatch.setattr(preflight, "load_settings", lambda: settings)
    assert preflight.check_worker("score") is preflight.check_beat() is settings
    for queue, missing in (
        ("explain", "MONGO_URL is not set"),
        ("publish", "KAFKA_BOOTSTRAP is not set.* KAFKA_SECURITY_PROTOCOL is PLAIN"),
    ):
        with pytest.raises(SettingsRefusedError, match=missing):
            preflight.check_worker(queue)
