import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from ops.credentials.development_certificates import make_development_certificates
from ops.startup.servers import server_problems
from settings import Settings

DEAD = {
    "redis_url": "redis://127.0.0.1:1/0",
    "feature_redis_url": "redis+cluster://127.0.0.1:1,127.0.0.1:2",
    "mongo_url": "mongodb://127.0.0.1:1/",
    "kafka_bootstrap": "127.0.0.1:1",
    "mlflow_tracking_uri": "http://127.0.0.1:1",
    "jwt_jwks_url": "http://127.0.0.1:1/keys",
    "jwt_algorithm": "ES256",
}


@pytest.fixture
def settings(valkey_url: str, mongo_url: str, kafka_bootstrap: str) -> Settings:
    return Settings(_env_file=None, redis_url=valkey_url, mongo_url=mongo_url, kafka_bootstrap=kafka_bootstrap)


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield listener.getsockname()[1]


def changed(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update=changes)


def test_servers_that_are_well_lack_nothing_but_what_the_stand_ins_are_not(settings: Settings) -> None:
    [problem] = server_problems(settings, "platform")
    assert problem.startswith("MONGO_URL: MongoDB at mongodb://127.0.0.1:")
    assert problem.endswith("is one server's word; start mongod with --replSet, then rs.initiate().")
    for role in ("score", "publish", "beat", "flower"):
        assert server_problems(settings, role) == []


def test_every_server_that_does_not_answer_is_named_with_its_setting() -> None:
    problems = server_problems(Settings(_env_file=None, **DEAD), "platform")
    assert [problem.split()[0].rstrip(":") for problem in problems] == [
        "REDIS_URL",
        "FEATURE_REDIS_URL",
        "MONGO_URL",
        "KAFKA_BOOTSTRAP",
        "JWT_JWKS_URL",
        "MLFLOW_TRACKING_URI",
    ]


def test_one_bound_holds_for_servers_that_take_connections_and_say_nothing(silent: int) -> None:
    there = f"127.0.0.1:{silent}"
    addresses = {"redis_url": f"redis://{there}/0", "mongo_url": f"mongodb://{there}/", "kafka_bootstrap": there}
    problems = server_problems(Settings(_env_file=None, **addresses), "platform", patience_seconds=0.2)
    assert problems == [
        f"{name} leads to a server that has not answered in 0.2 seconds."
        for name in ("REDIS_URL", "MONGO_URL", "KAFKA_BOOTSTRAP")
    ]


def test_what_a_shard_lacks_is_said_of_that_shard(settings: Settings) -> None:
    shards = {"s1": settings.redis_url, "s2": "redis://127.0.0.1:1/0"}
    [problem] = server_problems(changed(settings, score_shard_urls=shards), "score")
    assert problem.startswith("SCORE_SHARD_URLS, shard s2: Redis at redis://127.0.0.1:1/0 does not answer")
    assert server_problems(changed(settings, score_shard_urls=shards, shard="s1"), "score") == []


def test_a_redis_that_would_lose_answers_is_named(settings: Settings, redis_client: redis.Redis) -> None:
    redis_client.config_set("appendonly", "no")
    try:
        [problem] = server_problems(settings, "score")
        assert server_problems(settings, "flower") == []
    finally:
        redis_client.config_set("appendonly", "yes")
    assert problem.startswith("REDIS_URL: Redis keeps no append-only file")
    [problem] = server_problems(changed(settings, durability_replicas=2), "score")
    assert "DURABILITY_REPLICAS is 2" in problem


def test_a_wrong_user_is_told_apart_from_a_server_that_does_not_answer(settings: Settings) -> None:
    stranger = settings.redis_url.replace("://", "://stranger:s3cr3t@")
    [problem] = server_problems(changed(settings, redis_url=stranger), "score")
    assert problem.startswith("REDIS_URL: Redis refuses the user name or the password; check REDIS_CREDENTIALS_FILE")
    assert "s3cr3t" not in problem


def test_a_server_whose_certificate_nobody_vouches_for_is_named(settings: Settings, tmp_path: Path) -> None:
    make_development_certificates(tmp_path, server_names=[], replace=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    with closing(context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)) as listener:
        from threading import Thread

        def refuse() -> None:
            with pytest.raises((ssl.SSLError, OSError)):
                listener.accept()

        thread = Thread(target=refuse, daemon=True)
        thread.start()
        url = f"rediss://127.0.0.1:{listener.getsockname()[1]}/0"
        [problem] = server_problems(changed(settings, redis_url=url), "beat")
        thread.join(30)
    assert "certificate verify failed" in problem
    assert problem.endswith("correct the address and the REDIS_…_FILE settings.")
