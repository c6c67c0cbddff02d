import pytest
import redis

from ml.domain.errors import ArtifactError, StoreUnavailableError
from ml.stores.accepted_version.accepted_version_redis import KEY, RedisAcceptedVersion
from security.messages.message_signer import MessageSigner
from tests.contracts.accepted_version import NEW, NEWER, OLD, AcceptedVersionContract

SIGNER = MessageSigner(b"k" * 32)


class TestRedisAcceptedVersion(AcceptedVersionContract):
    @pytest.fixture
    def mark(self, redis_client: redis.Redis) -> RedisAcceptedVersion:
        return RedisAcceptedVersion(redis_client, SIGNER)

    def test_a_mark_that_somebody_else_wrote_is_not_believed(self, redis_client: redis.Redis) -> None:
        mark = RedisAcceptedVersion(redis_client, SIGNER)
        mark.raise_to(NEWER, under="")
        stranger = RedisAcceptedVersion(redis_client, MessageSigner(b"s" * 32))
        for change in (
            lambda: stranger.set_to(OLD),
            lambda: redis_client.hset(KEY, "version", OLD),
            lambda: redis_client.hdel(KEY, "seal"),
            lambda: redis_client.hset(KEY, "seal", "x"),
            lambda: redis_client.hset(KEY, "version", b"\xff"),
            lambda: redis_client.set(KEY, "x"),
        ):
            change()
            with pytest.raises(ArtifactError, match="altered") as caught:
                mark.read()
            assert caught.value.check == "version"
            mark.set_to(NEW)
            assert mark.read() == NEW


def test_an_override_that_is_no_text_keeps_no_version_from_being_noted(redis_client: redis.Redis) -> None:
    mark = RedisAcceptedVersion(redis_client, SIGNER)
    redis_client.hset(KEY, "override", b"\xff")
    under = mark.override()
    assert mark.raise_to(NEW, under=under)
    assert mark.read() == NEW
    redis_client.hset(KEY, "override", b"\xfe")
    assert not mark.raise_to(NEWER, under=under)


def test_a_mark_by_the_previous_key_counts_and_is_sealed_anew_without_an_override(redis_client: redis.Redis) -> None:
    old, new = b"o" * 32, b"n" * 32
    RedisAcceptedVersion(redis_client, MessageSigner(old)).set_to(NEW)
    both = RedisAcceptedVersion(redis_client, MessageSigner(new, old))
    under = both.override()
    assert both.read() == NEW
    assert both.renew()
    assert not both.renew()
    assert RedisAcceptedVersion(redis_client, MessageSigner(new)).read() == NEW
    assert both.raise_to(NEWER, under=under)


def test_an_unreachable_redis_raises_the_domains_exception() -> None:
    mark = RedisAcceptedVersion(redis.Redis(port=1, socket_timeout=0.2, retry=None), SIGNER)
    for call in (mark.read, lambda: mark.raise_to(NEW, under=""), mark.override, lambda: mark.set_to(NEW)):
        with pytest.raises(StoreUnavailableError):
            call()
