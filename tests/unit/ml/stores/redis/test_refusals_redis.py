import pytest
from redis._parsers.base import BaseParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from ml.domain.errors import StoreUnavailableError
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from ml.stores.redis.refusals_redis import RefusedError, refusal_code

_REFUSALS = {
    "READONLY You can't write against a read only replica.": "READONLY",
    "READONLY You can't write against a read only replica. script: 5a7b, on @user_script:3.": "READONLY",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": "MASTERDOWN",
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)": "UNBLOCKED",
    "NOREPLICAS Not enough good replicas to write.": "NOREPLICAS",
    "OOM command not allowed when used memory > 'maxmemory'.": "OOM",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.": "MISCONF",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.": "BUSY",
    "NOPERM this user has no permissions to run the 'brpop' command": "NOPERM",
    "-NOREPLICAS Not enough good replicas to write.": "NOREPLICAS",
}
_FAULTS = (
    "ERR unknown command 'FOO'",
    "BUSYGROUP Consumer Group name already exists",
    "NOSCRIPT No matching script. Please use EVAL.",
    "NOGROUP No such key 'a' or consumer group 'b'",
)


def answer(text: str) -> ResponseError:
    error = BaseParser.parse_error(text)
    assert isinstance(error, ResponseError)
    return error


@pytest.mark.parametrize(("text", "code"), _REFUSALS.items())
def test_an_answer_that_refuses_for_now_counts_as_an_unavailable_server(text: str, code: str) -> None:
    assert refusal_code(answer(text)) == code
    with pytest.raises(StoreUnavailableError, match=code), redis_failures_as_unavailable():
        raise answer(text)


@pytest.mark.parametrize("text", _FAULTS)
def test_an_answer_about_the_command_itself_passes_unchanged(text: str) -> None:
    assert refusal_code(answer(text)) is None
    with pytest.raises(ResponseError), redis_failures_as_unavailable():
        raise answer(text)


def test_a_key_that_holds_something_else_is_an_unavailable_store_and_no_unavailable_server() -> None:
    text = "WRONGTYPE Operation against a key holding the wrong kind of value"
    assert refusal_code(answer(text)) is None
    with pytest.raises(StoreUnavailableError, match="something else"), redis_failures_as_unavailable():
        raise answer(text)


def test_libraries_see_a_refusal_as_a_lost_connection() -> None:
    error = RefusedError("READONLY", "You can't write against a read only replica.")
    assert isinstance(error, RedisConnectionError)
    assert str(error) == "READONLY: You can't write against a read only replica."
