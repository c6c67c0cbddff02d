import pytest
import redis

from ops.errors import OpsError
from ops.startup.promises_redis import check_promises
from settings import Environment, Settings


@pytest.fixture
def settings(valkey_url: str) -> Settings:
    return Settings(_env_file=None, redis_url=valkey_url)


@pytest.fixture
def forgetful(redis_client: redis.Redis) -> object:
    redis_client.config_set("appendonly", "no")
    yield redis_client
    redis_client.config_set("appendonly", "yes")


@pytest.mark.usefixtures("forgetful")
def test_production_refuses_a_redis_that_would_lose_answers(settings: Settings) -> None:
    check_promises(settings)
    # Its other refusals, such as of Redis without TLS, are the settings' own.
    production = settings.model_copy(update={"environment": Environment.PRODUCTION})
    with pytest.raises(OpsError, match=r"production refuses to start: .* set appendonly yes\.$"):
        check_promises(production)


@pytest.mark.usefixtures("forgetful")
def test_nobody_waits_for_a_disk_that_is_not_written(settings: Settings) -> None:
    with pytest.raises(OpsError, match="append-only file"):
        check_promises(settings.model_copy(update={"durability": "aof-fsync"}))


def test_a_sound_server_and_one_that_does_not_answer_yet_are_accepted(settings: Settings) -> None:
    for url in (settings.redis_url, "redis://127.0.0.1:1/0"):
        check_promises(settings.model_copy(update={"redis_url": url, "environment": Environment.PRODUCTION}))
