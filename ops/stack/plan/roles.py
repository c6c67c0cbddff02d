"""The one list of the platform's own processes: what each is called, its command, how many there are.

The embedded stack starts these; `docker-compose.yml` starts the same commands in containers, which a test compares.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from settings.queues import CONSUMER_GROUPS, SHARD_QUEUES


class Stage(IntEnum):
    """Start order: each stage is healthy, or has failed where scoring can do without it, before the next one starts."""

    SERVERS = 0
    WORKERS = 1
    WEB = 2
    OPERATIONS = 3


STOP_ORDER = (Stage.WEB, Stage.OPERATIONS, Stage.WORKERS, Stage.SERVERS)
"""The API goes first, so that every accepted request is still answered by a living worker."""


@dataclass(frozen=True, slots=True)
class Role:
    """One kind of process.

    Attributes:
        name: its name in logs, status and compose.
        command: what follows `python -m ops`.
        requirements: the requirements set of its image, under `requirements/`.
        count: how many of it the stack starts.
        is_background: whether it runs under SCHED_IDLE once it is ready, so that answers never wait for it.
        is_essential: whether scoring needs it: a stack does not start without it, and starts without any other.
        health_path: where it answers 200 when it is ready to work; None if it serves no HTTP.
        live_path: where it answers 200 as long as it need not be replaced; None if it is not asked, because its work
            may take all its time, or because it replaces its own processes.
    """

    name: str
    command: tuple[str, ...]
    stage: Stage
    requirements: str
    count: int = 1
    is_background: bool = False
    is_essential: bool = False
    health_path: str | None = None
    live_path: str | None = None

    @property
    def has_metrics_port(self) -> bool:
        """Whether it serves metrics and health on a port of its own, and nothing else."""
        return self.stage is Stage.WORKERS or self.name == "beat"


_READY = "/health/ready"
_LIVE = "/health/live"


def _drain(name: str) -> Role:
    command = ("worker", name)
    return Role(name, command, Stage.WORKERS, "drains", is_background=True, health_path=_READY, live_path=_LIVE)


ROLES: tuple[Role, ...] = (
    # Two, so that scoring goes on while one of them is replaced.
    Role(
        "score",
        ("worker", "score"),
        Stage.WORKERS,
        "scoring",
        count=2,
        is_essential=True,
        health_path=_READY,
        live_path=_LIVE,
    ),
    *(_drain(name) for name in CONSUMER_GROUPS),
    Role("retrain", ("worker", "retrain"), Stage.WORKERS, "training", is_background=True, health_path=_READY),
    Role("web", ("web",), Stage.WEB, "web", is_essential=True, health_path=_LIVE),
    # Of two beats one waits for the lock and is not ready; that is no fault.
    Role("beat", ("beat",), Stage.OPERATIONS, "operations", health_path=_LIVE),
    Role("flower", ("flower",), Stage.OPERATIONS, "operations", is_background=True, health_path="/healthcheck"),
)

SET_UP: tuple[str, ...] = ("prepare",)
"""The command that makes keys and a first model, before anything above can start."""


_ON_SHARDS = frozenset({*SHARD_QUEUES, "beat"})
"""Roles that each shard has of its own, where scoring is sharded."""

_ONLY_ON_SHARDS = frozenset({"score"})
"""Of these, the ones with nothing to do elsewhere then; drains deliver what was answered before there were shards."""


def owners(name: str, shards: Iterable[str]) -> list[str | None]:
    """Returns the shards that have a role, None for the processes that belong to none."""
    own: list[str | None] = [*shards] if name in _ON_SHARDS else []
    return own if own and name in _ONLY_ON_SHARDS else [None, *own]


def role(name: str) -> Role:
    """Returns the role of a name."""
    return next(role for role in ROLES if role.name == name)
