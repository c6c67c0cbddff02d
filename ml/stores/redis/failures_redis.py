"""Redis client errors, as exceptions of the domain."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ml.domain.errors import StoreUnavailableError
from ml.stores.redis.refusals_redis import RefusedError, is_wrong_type, refusal_code

_NO_ID_LEFT = "exhausted the last possible ID"


@contextmanager
def redis_failures_as_unavailable() -> Iterator[None]:
    """Turns what a later attempt may mend into StoreUnavailableError; programming errors pass unchanged.

    Raises:
        StoreUnavailableError: the server is unreachable or too slow, or refuses for now, see `refusals_redis`;
            or a key of ours holds what somebody else wrote.
    """
    try:
        yield
    except RefusedError as error:
        raise StoreUnavailableError(f"Redis refuses: {error}") from error
    except (RedisConnectionError, RedisTimeoutError, OSError) as error:
        raise StoreUnavailableError(f"Redis is unavailable: {error}") from error
    except ResponseError as error:
        if (code := refusal_code(error)) is not None:
            raise StoreUnavailableError(f"Redis refuses: {RefusedError(code, str(error))}") from error
        if is_wrong_type(error):
            raise StoreUnavailableError(f"Redis holds something else under a key of ours: {error}") from error
        if _NO_ID_LEFT in str(error):
            raise StoreUnavailableError(
                "somebody wrote an entry with the greatest id into a stream, and none can follow it; "
                "docs/outbox.md says how to replace the stream"
            ) from error
        raise
    except RedisError as error:
        raise StoreUnavailableError(f"Redis failed: {error}") from error
