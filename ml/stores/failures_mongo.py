"""MongoDB driver errors, told in the domain's words."""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import BulkWriteError, PyMongoError, WriteError

from ml.errors import StoreUnavailableError


@contextmanager
def mongo_failures_as_unavailable() -> Iterator[None]:
    """Turns what a later attempt may mend into StoreUnavailableError; a refused document passes unchanged.

    Raises:
        StoreUnavailableError: the server is unreachable, has no primary, or could not confirm the write.
    """
    try:
        yield
    except (BulkWriteError, WriteError):
        raise
    except PyMongoError as error:
        raise StoreUnavailableError(f"MongoDB is unavailable: {error}") from error
