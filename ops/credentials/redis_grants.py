"""What each kind of process may do in Redis: keys paired with commands.

A grant is an ACL selector of its own, so that a process may push to one list and only read another. A script runs with
its caller's grants, and all its keys must stand in one of them.

Source: https://valkey.io/topics/acl/ (selectors, key permissions).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from settings.queues import CONSUMER_GROUPS, QUEUES, SHARD_CONSUMER_GROUPS


@dataclass(frozen=True, slots=True)
class Grant:
    """Keys (`~pattern`, `%R~pattern` for reading alone) and channels (`&pattern`) with the commands on them."""

    on: str
    may: str


_BINDINGS = Grant("~_kombu.binding*", "evalsha sadd srem smembers zadd zrangebyscore zrem exists del")
"""Which of kombu's queues are bound to which exchange, and its clearing up there."""

# What PSUBSCRIBE asks for must be granted letter by letter, so Celery's channels are those of database 0.
_ORDERS = "&/0.celery.pidbox"
_EVENTS = "&/0.celeryev/*"


def _drain(group: str, stream: str) -> tuple[Grant, ...]:
    """Returns what draining a consumer group takes."""
    reads = "xpending xclaim xreadgroup xgroup|create xinfo|groups xrange xlen exists"
    return (
        Grant(f"~{stream}", f"evalsha {reads} xtrim xack"),
        # All keys of one script stand in one grant.
        Grant(f"~{stream} ~shrike:awaiting:{group} ~shrike:dead:{group}", "evalsha"),
        Grant(f"~shrike:awaiting:{group}", "zrem"),
        Grant(f"~shrike:dead:{group}", "xadd xlen"),
        Grant(f"~shrike:doorbell:{group}", "del"),
        *_consume(group),
        *_watch(group),
        *_send_doorbell(group),
    )


def _consume(queue: str) -> tuple[Grant, ...]:
    """Returns what a Celery worker of a queue takes: its messages, events, and answers to who looks at it."""
    return (
        # One BRPOP names them all, the watchdog's private queue too.
        Grant(f"~{queue} ~{queue}.{queue}-*", "brpop llen"),
        _BINDINGS,
        Grant(f"~{queue}-*@*.celery.pidbox", "llen pexpire del"),
        Grant("~*.reply.celery.pidbox", "lpush pexpire"),
        Grant(_ORDERS, "psubscribe punsubscribe"),
        Grant(_EVENTS, "publish"),
        # Its sign of life takes the place of a value of another type.
        Grant("~shrike:workers ~shrike:workers:seals", "hset hdel del"),
        Grant(f"~shrike:dead-messages:{queue}", "xadd"),
    )


def _watch(queue: str) -> tuple[Grant, ...]:
    """Returns what a worker's watchdog takes: probes in a queue of the worker's own, and their answers."""
    return (
        Grant(f"~{queue}.{queue}-*", "lpush expire llen"),
        Grant("~shrike:reply:probe-*", "lpush pexpire lpop"),
        Grant("~shrike:replaced", "hincrby hget"),
    )


def _send_doorbell(*queues: str) -> tuple[Grant, ...]:
    """Returns what sending a doorbell takes, of which one alone stays in the queue."""
    return (Grant(" ".join(f"~{queue}" for queue in queues), "lpush ltrim llen"), _BINDINGS)


_SWITCH = Grant(
    "~shrike:safe_mode ~shrike:safe_mode:audit", "evalsha type del hget hmget hset lindex lpush ltrim lrange"
)
_MARK = Grant("~shrike:accepted_version", "evalsha hget hmget hset del")
_DECISIONS_READER = Grant("%R~shrike:decision:*", "mget")
_QUEUES_READER = " ".join(f"%R~{queue}" for queue in QUEUES)
_STREAMS_READER = "xpending xinfo|groups xrange xlen"
_FEATURES = Grant("~shrike:customer:* ~shrike:terminal:*", "evalsha get set hget hset expire")
_DATASET = Grant("~shrike:dataset_id ~shrike:dataset_id:*", "mget set")
_BARRIER = Grant("~shrike:barrier", "set")
_WRITABLE = Grant("~shrike:writable", "set")

_SCORE = (
    Grant(
        # The empty name stands for no reply list.
        "~shrike:decision:* ~shrike:outbox ~shrike:awaiting:* ~shrike:doorbell:explain ~shrike:doorbell:publish "
        "~shrike:reply:* ~shrike:answered:* ~",
        "evalsha get set xadd xlen zadd lpush pexpire rpush expire",
    ),
    _DECISIONS_READER,
    _FEATURES,
    _BARRIER,
    _SWITCH,
    _MARK,
    Grant("%R~shrike:self_test", "get"),
    Grant("~shrike:model_load", "evalsha get set del"),
    Grant("~shrike:self_test:*", "hset expire"),
    *_send_doorbell(*SHARD_CONSUMER_GROUPS),
)
_WEB = (
    Grant("~admission:*", "evalsha get set del"),
    _DECISIONS_READER,
    Grant("~score", "lpush"),
    # A message that leaves with its request's admission: all keys of one script stand in one grant.
    Grant("~admission:* ~shrike:decision:* ~score", "evalsha"),
    Grant("%R~shrike:decision:*", "exists"),
    Grant("~shrike:reply:*", "blpop"),
    _BARRIER,
    _WRITABLE,
    Grant("~shrike:labels ~shrike:doorbell:labels", "xadd set"),
    *_send_doorbell("labels"),
    _SWITCH,
    _MARK,
    Grant("~shrike:self_test", "set"),
    Grant("%R~shrike:self_test:*", "hgetall"),
    Grant("%R~shrike:revocations %R~shrike:revocations:version", "get hgetall"),
    Grant(_QUEUES_READER, "llen lindex"),
    Grant("~shrike:workers ~shrike:workers:seals", "hgetall hdel"),
    Grant("%R~shrike:outbox %R~shrike:labels", _STREAMS_READER),
    Grant("%R~shrike:dead:*", "xlen"),
    Grant("~shrike:placement:*", "evalsha get set expire mget"),
    Grant("~shrike:status_link:*", "set"),
    # It remembers in MongoDB which data Redis held, and declares it lost.
    _DATASET,
)
_TRAINER = (
    *_consume("retrain"),
    Grant("~shrike:slot:*", "set expire"),
    Grant("%R~shrike:accepted_version", "hmget"),
    Grant("%R~shrike:answered:*", "lrange"),
    Grant("~shrike:awaiting:*", "zrangebyscore zmscore zscore zrem zadd"),
    Grant("~shrike:outbox", "xrange xadd"),
    Grant("~shrike:outbox ~shrike:awaiting:*", "evalsha"),
    Grant("%R~shrike:dead:*", "xrange"),
    _DECISIONS_READER,
    *_send_doorbell(*SHARD_CONSUMER_GROUPS),
)
_DRAINS = (
    *_drain("explain", "shrike:outbox"),
    *_drain("publish", "shrike:outbox"),
    *_drain("labels", "shrike:labels"),
    Grant("%R~shrike:placement:*", "mget"),
    Grant("%R~shrike:safe_mode:audit", "lrange"),
    _DECISIONS_READER,
    _FEATURES,
)
_BEAT = (
    Grant("~shrike:redbeat:*", "evalsha hget hset hsetnx zadd zrem zrangebyscore get set pexpire pttl del"),
    *_send_doorbell(*CONSUMER_GROUPS),
    Grant("~retrain", "lpush llen"),
    # It measures the queues, and clears the signs of workers that are long gone.
    Grant(_QUEUES_READER, "llen lindex"),
    Grant("~shrike:workers ~shrike:workers:seals", "hgetall hdel"),
)
_FLOWER = (
    Grant(_QUEUES_READER, "llen"),
    Grant("%R~score.score-* %R~explain.explain-* %R~publish.publish-* %R~labels.labels-*", "llen"),
    _BINDINGS,
    Grant("~*.reply.celery.pidbox", "brpop llen pexpire del"),
    Grant("~celeryev.*", "llen pexpire del"),
    Grant(_ORDERS, "publish"),
    Grant(_EVENTS, "psubscribe punsubscribe"),
)

USERS: Mapping[str, tuple[Grant, ...]] = {
    "web": _WEB,
    "score": (
        *_SCORE,
        *_consume("score"),
        *_watch("score"),
        _DATASET,
        # The same under their former names, while workers of the version before are replaced.
        Grant("~shrike:founded ~shrike:founded:told", "get set"),
    ),
    "drains": _DRAINS,
    "trainer": _TRAINER,
    "beat": _BEAT,
    "flower": _FLOWER,
    # A web process that scores by itself does both parts.
    "web-scoring": (*_WEB, *_SCORE),
    # For the operator's commands, never for a process that runs by itself.
    "admin": (Grant("~* &*", "@all"),),
}

USER_OF_ROLE: Mapping[str, str] = {
    "web": "web",
    "score": "score",
    "explain": "drains",
    "publish": "drains",
    "labels": "drains",
    "retrain": "trainer",
    "beat": "beat",
    "flower": "flower",
}
"""Which user each role of the stack connects as."""
