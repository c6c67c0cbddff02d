"""Builds the comparisons of each sink of each outbox with the answered transactions."""

from collections.abc import Callable, Sequence
from functools import partial

from ml.delivery.completeness import SinkCheck
from ml.delivery.reconciliation import ReconciliationReport, reconcile
from ml.domain.errors import StoreUnavailableError
from ml.stores.arrivals.arrivals import Arrivals
from ml.stores.arrivals.arrivals_mongo import MongoArrivals
from ml.stores.outbox.answered_redis import RedisAnsweredIndex
from ml.stores.outbox.awaiting_redis import RedisAwaitingIndex
from ml.stores.outbox.event_seal import EventSeal
from settings import ScoringTopology
from tasks.wiring.clients_kafka import kafka_arrivals
from tasks.wiring.connections import Connections
from tasks.wiring.stores import decision_store, explanation_store


def reconciled_sinks(
    connections: Connections, *, stored: Callable[[Sequence[str]], set[str]]
) -> list[Callable[[int], ReconciliationReport]]:
    """Returns a function per sink and outbox that reconciles it.

    Each takes the moment before which answers are compared, epoch milliseconds.

    Args:
        connections: of this process.
        stored: returns those of the ids whose explanation is stored.
    """
    present: dict[str, Callable[[Sequence[str]], set[str]]] = {
        "explain": stored,
        # Kafka cannot be asked for a key; an event that is still owed is published once more, under the same id.
        "publish": lambda _ids: set(),
    }

    def reconcile_sink(own: Connections, sink: str, before_ms: int) -> ReconciliationReport:
        shard = own.settings.shard
        try:
            return reconcile(
                sink,
                _awaiting(own, sink),
                decision_store(own),
                present=present[sink],
                before_ms=before_ms,
                shard=shard,
            )
        except StoreUnavailableError as error:
            where = sink if shard is None else f"{sink} of shard {shard}"
            raise StoreUnavailableError(f"{where}: {error}") from error.__cause__

    return [partial(reconcile_sink, own, sink) for own in _outboxes(connections) for sink in present]


def sink_checks(connections: Connections) -> list[SinkCheck]:
    """Returns a check per sink and outbox that compares it over a window of time."""
    arrivals: dict[str, Arrivals] = {
        "explain": MongoArrivals(explanation_store(connections)),
        "publish": kafka_arrivals(connections.settings),
    }
    return [
        SinkCheck(
            sink,
            RedisAnsweredIndex(own.redis(own.settings.delivery_url)),
            _awaiting(own, sink),
            present,
            decision_store(own),
            own.settings.shard,
        )
        for own in _outboxes(connections)
        for sink, present in arrivals.items()
    ]


def _outboxes(connections: Connections) -> list[Connections]:
    return [connections.of(own) for own in ScoringTopology.from_settings(connections.settings).outboxes]


def _awaiting(own: Connections, sink: str) -> RedisAwaitingIndex:
    return RedisAwaitingIndex(own.redis(own.settings.delivery_url), sink, EventSeal.from_settings(own.settings))
