from typing import Any

import pytest
from pymongo.errors import BulkWriteError

from ml.domain.errors import StoreUnavailableError
from ml.stores.failures_mongo import raise_if_unavailable


def failed(*codes: int, done: int = 0, **more: Any) -> BulkWriteError:
    failures = [{"index": place, "code": code, "errmsg": "no"} for place, code in enumerate(codes)]
    return BulkWriteError({"writeErrors": failures, "nUpserted": done, **more})


@pytest.mark.parametrize(
    "error",
    [
        failed(14031, 121, 14031),  # a disk without room
        failed(13, done=2),  # a permission that was taken away
        failed(8, done=1),  # one write is not accounted for
        failed(121, done=2, writeConcernErrors=[{"code": 64}]),
    ],
)
def test_what_a_later_attempt_may_mend_is_unavailable(error: BulkWriteError) -> None:
    with pytest.raises(StoreUnavailableError):
        raise_if_unavailable(error, 3)


@pytest.mark.parametrize("error", [failed(121, 2, 17419), failed(121, done=2), failed(8, 8, 8), failed(8, done=2)])
def test_what_may_be_the_fault_of_the_documents_is_not(error: BulkWriteError) -> None:
    raise_if_unavailable(error, 3)
