"""Answers of a Redis server that refuse a command for now, and say nothing about the command.

A server that was demoted, lacks replicas, is full, cannot write its disk, runs a long script or had its users changed
answers quickly and is of as little use as one that does not answer. So its refusals count as an unavailable server.
"""

from typing import Final

from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

ROLE_CHANGES: Final = frozenset({"READONLY", "MASTERDOWN", "UNBLOCKED"})
"""The server behind the connection is no master any more; its address may lead to another server by now."""

REFUSALS: Final = ROLE_CHANGES | {
    "NOREPLICAS",
    "OOM",
    "MISCONF",
    "BUSY",
    "LOADING",
    "NOPERM",
    "NOQUORUM",
    "CLUSTERDOWN",
    "TRYAGAIN",
}
"""The first words of such answers. NOPERM too: a list of users that is being changed is mended like a server is."""

WRONG_TYPE: Final = "WRONGTYPE"
"""A key holds a value of another type: no refusal, but for those who cannot do without that key, it is one."""

_CODE_OF: Final[dict[type[Exception], str]] = {
    # redis-py makes these of the first word and then drops it.
    ReadOnlyError: "READONLY",
    MasterDownError: "MASTERDOWN",
    OutOfMemoryError: "OOM",
    BusyLoadingError: "LOADING",
    NoPermissionError: "NOPERM",
    ClusterDownError: "CLUSTERDOWN",
    TryAgainError: "TRYAGAIN",
}


class RefusedError(RedisConnectionError):
    """The server refuses the command for now.

    A connection error, because libraries that we do not own (Celery, kombu, RedBeat) survive nothing else.

    Attributes:
        code: the first word of the server's answer.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message.removeprefix(code).strip()}")
        self.code = code


def refusal_code(error: ResponseError, codes: frozenset[str] = REFUSALS) -> str | None:
    """Returns the code of an answer that refuses for now; None if it says something about the command itself."""
    code = _CODE_OF.get(type(error)) or str(error).partition(" ")[0].removeprefix("-")
    return code if code in codes else None


def is_wrong_type(failure: object) -> bool:
    """Returns whether a key holds a value of another type; a pipeline puts its own words in front."""
    return isinstance(failure, ResponseError) and WRONG_TYPE in str(failure)
