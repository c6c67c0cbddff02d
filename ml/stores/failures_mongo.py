"""MongoDB driver errors, as exceptions of the domain."""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import BulkWriteError, PyMongoError, WriteError

from ml.domain.errors import StoreUnavailableError

_SERVER_CODES = frozenset(
    {6, 7, 13, 18, 24, 50, 64, 89, 91, 100, 112, 189, 202, 262, 8000, 9001, 10107, 11600, 11602, 13435, 13436, 14031}
)
"""Codes of a server that takes nobody's documents just now: no primary, no room, no permission, a time-out.

Source: error_codes.yml of the MongoDB server.
"""


def raise_if_unavailable(error: BulkWriteError, writes: int) -> None:
    """Returns if a bulk write failed because some of its documents were refused, for whatever reason.

    Whether a refused document is to blame, or a rule that refuses everybody such as a validator, only what becomes of
    other documents shows.

    Args:
        error: what the driver raised.
        writes: how many writes the bulk held.

    Raises:
        StoreUnavailableError: the server is at fault, or does not account for every write.
    """
    details = error.details or {}
    failures = details.get("writeErrors", [])
    done = details.get("nMatched", 0) + details.get("nUpserted", 0) + details.get("nInserted", 0)
    if details.get("writeConcernErrors"):
        raise StoreUnavailableError("MongoDB could not confirm the write") from error
    if done + len(failures) < writes:
        raise StoreUnavailableError("MongoDB did not say what became of every write") from error
    servers = [failure for failure in failures if failure.get("code") in _SERVER_CODES]
    if servers:
        raise StoreUnavailableError(f"MongoDB refuses to write: {servers[0].get('errmsg')}") from error


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
