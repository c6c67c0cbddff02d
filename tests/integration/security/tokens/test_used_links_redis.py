from uuid import uuid4

import redis

from ops.processes.ports import free_port
from security.tokens.used_links_redis import RedisUsedLinks


def test_a_link_is_taken_once_by_all_processes_and_forgotten_in_time(redis_client: "redis.Redis") -> None:
    link = uuid4().hex
    assert RedisUsedLinks(redis_client).take(link, 300) is True
    assert RedisUsedLinks(redis_client).take(link, 300) is False
    assert 0 < redis_client.ttl(f"shrike:status_link:{link}") <= 300


def test_without_redis_nobody_knows() -> None:
    with redis.Redis(port=free_port(), retry=None) as away:
        assert RedisUsedLinks(away).take(uuid4().hex, 300) is None
