"""Builds the stores of a process over its connections: which server each one is on, and under which names."""

from typing import TYPE_CHECKING

from redis import Redis

from ml.registry.registry import ModelRegistry
from ml.stores.accepted_version.accepted_version_redis import RedisAcceptedVersion
from ml.stores.decisions.decision_seal import DecisionSeal
from ml.stores.decisions.decisions import DecisionReader, DecisionStore
from ml.stores.decisions.decisions_fsynced_redis import RedisFsyncedDecisions
from ml.stores.decisions.decisions_redis import RedisDecisionStore
from ml.stores.decisions.decisions_sharded import ShardedDecisions
from ml.stores.labels.label_inbox_redis import LABELS, RedisLabelInbox
from ml.stores.outbox.event_seal import EventSeal
from ml.stores.outbox.keys_redis import OUTBOX
from ml.stores.outbox.outbox import SINKS
from ml.stores.outbox.outbox_redis import RedisOutbox
from ml.stores.placements.placements_redis import RedisPlacements
from ml.stores.redis.barrier import Barrier, Barriers
from ml.stores.redis.cluster_redis import ClusterCommands
from ml.stores.redis.commands import CommandRunner
from ml.stores.redis.fsync_redis import RedisFsync
from ml.stores.redis.replicas_redis import RedisReplicas
from ml.stores.redis.server_redis import ServerCommands
from observability.operations_redis import count_operation
from security.artifacts.artifact_keys import ArtifactVerifier
from security.messages.message_signer import MessageSigner
from security.safe_mode.safe_mode_redis import RedisSafeMode
from settings import ScoringTopology, Settings
from tasks.model.load_turn_redis import RedisLoadTurn
from tasks.model.self_test_redis import RedisSelfTestExchange
from tasks.wiring.clients_redis import Wait, connect_redis_cluster, reply_timeout_seconds
from tasks.wiring.connections import Connections, Policy

if TYPE_CHECKING:
    from ml.registry.administration import ModelAdministration
    from ml.stores.explanations.explanations_mongo import MongoExplanationStore
    from ml.stores.features.features_redis import RedisFeatureStore
    from ml.stores.labels.labels_mongo import MongoLabelStore
    from ml.stores.training_source.training_source_mongo import MongoTrainingSource
    from security.audit.audit_mongo import MongoAuditLog


def decision_store(connections: Connections, policy: Policy = Policy.BACKGROUND) -> DecisionStore:
    """Returns the decision records of this process's shard, or of all where scoring is not sharded."""
    settings = connections.settings
    return decision_store_on(connections.redis(settings.delivery_url, policy), settings)


def decision_store_on(client: Redis, settings: Settings) -> DecisionStore:
    """Returns the decision records on a client's server."""
    records = RedisDecisionStore(
        client,
        record_ttl_seconds=settings.decision_ttl_seconds,
        outbox_limit=settings.outbox_limit,
        seal=DecisionSeal.from_settings(settings),
        event_seal=EventSeal.from_settings(settings),
    )
    wait = barrier(settings, client)
    return records if wait is None else RedisFsyncedDecisions(records, client, wait)


def barrier(settings: Settings, client: Redis) -> Barrier | None:
    """Returns the barrier that waits for the disk and the replicas of the client's server; None if answers do not."""
    # The server gives up before the client does, so that the connection stays usable.
    patience_seconds = 0.8 * reply_timeout_seconds(client)
    parts: list[Barrier] = []
    if settings.waits_for_disk:
        parts.append(RedisFsync(client, patience_seconds=patience_seconds))
    if replicas := settings.durability_replicas:
        parts.append(RedisReplicas(client, replicas=replicas, patience_seconds=patience_seconds))
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else Barriers(parts)


def placements(client: Redis, settings: Settings) -> RedisPlacements:
    """Returns the record of which shard each transaction is on."""
    return RedisPlacements(client, record_ttl_seconds=settings.decision_ttl_seconds)


def decision_reader(connections: Connections) -> DecisionReader:
    """Returns the decision records of all shards."""
    topology = ScoringTopology.from_settings(connections.settings)
    records = decision_store(connections)
    if not topology.is_sharded:
        return records
    shards = {name: decision_store(connections.of(own)) for name, own in topology.shards.items()}
    return ShardedDecisions(
        placements(connections.redis(), connections.settings),
        shards,
        unplaced=records,
        within_seconds=connections.settings.redis_socket_timeout_seconds,
    )


def feature_store(connections: Connections, wait: Wait | None = None) -> "RedisFeatureStore":
    """Returns the online feature store, over connections of its own.

    Args:
        connections: of this process.
        wait: as in background by default; on a cluster its time-out bounds each connection and each reply.
    """
    from ml.stores.features.features_redis import RedisFeatureStore

    settings = connections.settings
    runner: CommandRunner
    if urls := settings.feature_cluster_urls:
        runner = ClusterCommands(
            lambda: connect_redis_cluster(settings, urls, timeout_seconds=wait.timeout_seconds if wait else None),
            patience_seconds=settings.redis_socket_timeout_seconds,
            on_pipeline=lambda: count_operation("pipeline"),
        )
    else:
        runner = ServerCommands(connections.pinned_redis(settings.feature_store_url, wait))
    return RedisFeatureStore(runner)


def explanation_store(connections: Connections) -> "MongoExplanationStore":
    """Returns the stored explanations."""
    from ml.stores.explanations.explanations_mongo import MongoExplanationStore

    return MongoExplanationStore(connections.mongo()["explanations"])


def label_store(connections: Connections) -> "MongoLabelStore":
    """Returns the labels of record."""
    from ml.stores.labels.labels_mongo import MongoLabelStore

    return MongoLabelStore(connections.mongo()["labels"])


def label_inbox(connections: Connections) -> RedisLabelInbox:
    """Returns the stream that labels are accepted into."""
    client, settings = connections.redis(), connections.settings
    return RedisLabelInbox(client, MessageSigner.from_settings(settings), barrier=barrier(settings, client))


def training_source(connections: Connections) -> "MongoTrainingSource":
    """Returns the stored transactions and labels, as retraining and the drift check read them."""
    from ml.stores.training_source.training_source_mongo import MongoTrainingSource

    database = connections.mongo()
    return MongoTrainingSource(database["explanations"], database["labels"])


def outbox(connections: Connections, group: str, *, consumer: str, policy: Policy = Policy.BACKGROUND) -> RedisOutbox:
    """Returns a consumer group's view of its stream.

    `explain` and `publish` share the one of the process's shard; `labels` has its own, which belongs to no shard.
    """
    settings, is_labels = connections.settings, group == "labels"
    stream, groups = (LABELS, ("labels",)) if is_labels else (OUTBOX, SINKS)
    return RedisOutbox(
        connections.redis(settings.redis_url if is_labels else settings.delivery_url, policy),
        stream=stream,
        group=group,
        groups=groups,
        consumer=consumer,
        claim_idle_ms=settings.drain_claim_idle_ms,
        retry_seconds=settings.drain_retry_seconds,
    )


def safe_mode_store(connections: Connections, policy: Policy = Policy.BACKGROUND) -> RedisSafeMode:
    """Returns the SAFE MODE state that all processes share."""
    return RedisSafeMode(connections.redis(policy=policy), MessageSigner.from_settings(connections.settings))


def self_test_exchange(connections: Connections) -> RedisSelfTestExchange:
    """Returns where self-tests are asked for and answered."""
    return RedisSelfTestExchange(connections.redis(), MessageSigner.from_settings(connections.settings))


def load_turn(connections: Connections) -> RedisLoadTurn:
    """Returns the turn at loading a model, which all scoring processes share."""
    return RedisLoadTurn(connections.redis())


def accepted_version(connections: Connections) -> RedisAcceptedVersion:
    """Returns the last accepted model version, as all processes share it."""
    return RedisAcceptedVersion(connections.redis(), MessageSigner.from_settings(connections.settings))


def audit_log(connections: Connections) -> "MongoAuditLog":
    """Returns the audit."""
    from security.audit.audit_mongo import MongoAuditLog

    return MongoAuditLog(connections.mongo()["audit"])


def model_administration(connections: Connections) -> "ModelAdministration":
    """Returns the administration that changes the champion.

    Raises:
        security.errors.KeyUnusableError: a key that models are checked with is missing or weak.
    """
    from ml.registry.administration import ModelAdministration

    return ModelAdministration(
        registry=ModelRegistry(connections.settings.models_path),
        verifier=ArtifactVerifier.from_settings(connections.settings),
        mark=accepted_version(connections),
        audit=audit_log(connections),
    )
