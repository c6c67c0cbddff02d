"""Redis client errors, as exceptions of the domain."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ml.domain.errors import StoreUnavailableError


@contextmanager
def redis_failures_as_unavailable() -> Iterator[None]:
    """Turns what a later attempt may mend into StoreUnavailableError; programming errors pass unchanged.

    Raises:
        StoreUnavailableError: the server is unreachable, too slow, loading, read-only, out of memory or cannot persist.
    """
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError, OutOfMemoryError, ReadOnlyError, OSError) as error:
        raise StoreUnavailableError(f"Redis is unavailable: {error}") from error
    except ResponseError as error:
        # A script's error arrives as plain text; these codes mean the server refuses writes for now.
        if str(error).startswith(("OOM", "MISCONF", "LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN")):
            raise StoreUnavailableError(f"Redis refuses to write: {error}") from error
        raise
    except RedisError as error:
        raise StoreUnavailableError(f"Redis failed: {error}") from error
