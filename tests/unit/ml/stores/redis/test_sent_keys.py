import pytest
from redis import Connection

from ml.stores.redis.sent_keys import sent_keys


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        (("LPUSH", "score", "{secret}"), ["score"]),
        (("BRPOP", "score", "score.score-1@host", 1), ["score", "score.score-1@host"]),
        (("EVALSHA", "5a7b", 2, "one", "two", "argument"), ["one", "two"]),
        (("MGET", *map(str, range(100))), [*map(str, range(8))]),
        (("PING",), []),
        (("GET", b"\xff"), ["\\xff"]),
    ],
)
def test_names_the_keys_of_a_command_and_nothing_else_of_it(command: tuple[object, ...], keys: list[str]) -> None:
    assert sent_keys(Connection().pack_command(*command)) == keys


def test_names_the_keys_of_a_transaction_once_each() -> None:
    commands = [("MULTI",), ("SADD", "a", "x" * 10_000), ("SADD", "b", "y"), ("SREM", "a", "z"), ("EXEC",)]
    assert sent_keys(Connection().pack_commands(commands)) == ["a", "b"]
