"""Where scoring runs: on one Redis server, or spread over several shards."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from settings.settings import Settings


@dataclass(frozen=True, slots=True)
class ScoringTopology:
    """The Redis servers that hold queues, decision records and outboxes, each as the settings that lead to it.

    Attributes:
        shared: of a process that belongs to no shard. Its server scores everything where there are no shards, and may
            still hold answers from before there were any.
        shards: of each shard by name; empty where scoring is not sharded.
        open_shards: the shards that take new transactions; the others only answer retries.
    """

    shared: "Settings"
    shards: Mapping[str, "Settings"]
    open_shards: tuple[str, ...]

    @classmethod
    def from_settings(cls, settings: "Settings") -> Self:
        """Returns the topology that a process sees; for one that belongs to a shard this is its shard alone."""
        names = settings.score_shard_urls if settings.shard is None else ()
        shards = {name: settings.model_copy(update={"shard": name}) for name in names}
        return cls(settings, shards, tuple(name for name in names if name not in settings.score_shards_retiring))

    @property
    def is_sharded(self) -> bool:
        """Whether scoring is spread over shards."""
        return bool(self.shards)

    @property
    def width(self) -> int:
        """How many scoring batches can be in flight at the same time."""
        return max(1, len(self.open_shards))

    @property
    def outboxes(self) -> tuple["Settings", ...]:
        """The settings that lead to each outbox."""
        return (self.shared, *self.shards.values())
