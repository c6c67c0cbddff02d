"""MongoDB driver errors, as exceptions of the domain."""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import BulkWriteError, PyMongoError, WriteError

from ml.domain.errors import StoreUnavailableError

_DOCUMENT_CODES = frozenset({2, 9, 14, 22, 52, 55, 57, 121, 10334, 11000, 17280, 17419, 17420})
"""Codes that blame the document: bad values, wrong types, forbidden field names, failed validation, too large.

Source: error_codes.yml of the MongoDB server.
"""


def raise_unless_documents_fault(error: BulkWriteError, writes: int) -> None:
    """Returns if a bulk write failed because of some of its documents, which another attempt would not mend.

    A server without room, for instance, refuses each write with a code of its own. A code that is not known to blame
    the document does so only if other writes of the same bulk went through.

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
    strange = [failure for failure in failures if failure.get("code") not in _DOCUMENT_CODES]
    if strange and not done:
        raise StoreUnavailableError(f"MongoDB refuses to write: {strange[0].get('errmsg')}") from error


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
