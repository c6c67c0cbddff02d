"""What every outbox has not delivered, as the command line shows it; a server that does not answer hides no other."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ml.domain.errors import StoreUnavailableError
from ml.stores.outbox.outbox import Lag
from ml.stores.outbox.outbox_redis import RedisOutbox
from ops.cli.failures import sentence
from tasks.upkeep.queue_status import outbox_lags


@dataclass(frozen=True, slots=True)
class OutboxLags:
    """The lags of all servers.

    Attributes:
        lags: by consumer group, after its shard's name if there are shards.
        unavailable: the groups whose server does not answer, each with a sentence.
    """

    lags: Mapping[str, Lag]
    unavailable: Mapping[str, str]

    @classmethod
    def measure(cls, servers: Mapping[str | None, Mapping[str, RedisOutbox]]) -> "OutboxLags":
        """Returns what is known of each server's groups; the key of a server is its shard's name, or None.

        Raises:
            StoreUnavailableError: no server answers.
        """
        lags: dict[str, Lag] = {}
        unavailable: dict[str, str] = {}
        for shard, outboxes in servers.items():
            names = {group: group_name(shard, group) for group in outboxes}
            try:
                lags |= {names[group]: lag for group, lag in outbox_lags(outboxes).items()}
            except StoreUnavailableError as error:
                if len(servers) == 1:
                    raise
                unavailable |= dict.fromkeys(names.values(), reason_of(shard, error))
        return cls(lags, unavailable)

    def as_json(self) -> dict[str, Any]:
        """Returns a JSON-ready object by group."""
        known = {group: asdict(lag) for group, lag in self.lags.items()}
        return known | {group: {"unavailable": reason} for group, reason in self.unavailable.items()}

    def table(self) -> Iterator[tuple[str, bool]]:
        """Yields the lines of a table, each with whether somebody must look after it."""
        width = max(10, *(len(group) + 2 for group in (*self.lags, *self.unavailable)))
        yield f"{'group':<{width}}{'waiting':>10}{'oldest':>12}{'dead letters':>15}", False
        for group, lag in self.lags.items():
            row = f"{group:<{width}}{lag.entries:>10}{lag.oldest_seconds:>10.1f} s{lag.dead_letters:>15}"
            yield row, bool(lag.dead_letters)
        for group, reason in self.unavailable.items():
            yield f"{group:<{width}}{reason}", True


def group_name(shard: str | None, group: str) -> str:
    """Returns how a consumer group of a shard is named.

    >>> group_name("s1", "explain"), group_name(None, "explain")
    ('s1/explain', 'explain')
    """
    return group if shard is None else f"{shard}/{group}"


def reason_of(shard: str | None, error: StoreUnavailableError) -> str:
    """Returns why a server does not answer, a sentence; of a shard it names the setting that leads there."""
    reason = sentence(error) or str(error)
    return reason if shard is None else reason.replace("REDIS_URL", "SCORE_SHARD_URLS")
