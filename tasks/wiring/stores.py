"""Builds clients and stores from the settings: the one place where the delivery path connects to servers."""

import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from redis import ConnectionPool, Redis, RedisCluster
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from ml.delivery.reconciliation import ReconciliationReport, reconcile
from ml.registry.registry import ModelRegistry
from ml.stores.accepted_version.accepted_version_redis import RedisAcceptedVersion
from ml.stores.decisions.decisions import DecisionReader, DecisionStore
from ml.stores.decisions.decisions_fsynced_redis import RedisFsyncedDecisions
from ml.stores.decisions.decisions_redis import RedisDecisionStore
from ml.stores.decisions.decisions_sharded import ShardedDecisions
from ml.stores.decisions.replies_redis import RedisReplyBox
from ml.stores.labels.label_inbox_redis import LABELS, RedisLabelInbox
from ml.stores.outbox.awaiting_redis import RedisAwaitingIndex
from ml.stores.outbox.keys_redis import OUTBOX
from ml.stores.outbox.outbox import SINKS
from ml.stores.outbox.outbox_redis import RedisOutbox
from ml.stores.placements.placements_redis import RedisPlacements
from ml.stores.redis.cluster_redis import ClusterCommands
from ml.stores.redis.commands import CommandRunner
from ml.stores.redis.fsync_redis import RedisFsync
from ml.stores.redis.server_redis import ServerCommands
from observability.operations_redis import CountingRedis, count_operation
from security.artifacts.artifact_keys import ArtifactVerifier
from security.messages.message_signer import MessageSigner
from security.safe_mode.safe_mode_redis import RedisSafeMode
from settings import ScoringTopology, Settings
from tasks.messaging.message_queue_redis import RedisMessageQueue
from tasks.model.self_test_redis import RedisSelfTestExchange
from tasks.wiring.pinned_redis import PinnedConnectionPool

if TYPE_CHECKING:
    from pymongo.database import Database

    from ml.registry.administration import ModelAdministration
    from ml.stores.arrivals.arrivals_kafka import KafkaArrivals
    from ml.stores.explanations.explanations_mongo import MongoExplanationStore
    from ml.stores.features.features_redis import RedisFeatureStore
    from ml.stores.labels.labels_mongo import MongoLabelStore
    from ml.stores.publications.publications_kafka import KafkaPublicationLog
    from ml.stores.training_source.training_source_mongo import MongoTrainingSource
    from security.audit.audit import AuditLog
    from security.audit.audit_mongo import MongoAuditLog

_MONGO_TIMEOUT_MS = 5_000


def connect_redis(
    settings: Settings,
    *,
    url: str | None = None,
    timeout_seconds: float | None = None,
    retries: int = 1,
    retry_timeouts: bool = True,
    pinned: bool = False,
) -> "Redis":
    """Returns a Redis client with raw replies; it connects at its first command.

    One retry at once mends a connection that the server closed meanwhile; every write here may be repeated safely.
    Where a caller's deadline is no longer than the timeout, a reply that came too late is not worth a retry. A pinned
    client has one connection of its own, which is quicker for one user and a queue for several.
    """
    timeout = timeout_seconds or settings.redis_socket_timeout_seconds
    url = url or settings.redis_url
    pool = (PinnedConnectionPool if pinned else ConnectionPool).from_url(
        url,
        **settings.redis_tls_options(url),
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        socket_keepalive=True,
        health_check_interval=15,
        retry=Retry(NoBackoff(), retries) if retry_timeouts else Retry(NoBackoff(), retries, (RedisConnectionError,)),
    )
    return CountingRedis.from_pool(pool)


def connect_redis_cluster(settings: Settings, urls: Sequence[str]) -> RedisCluster:
    """Returns a client of the Redis Cluster that the URLs' nodes belong to, with raw replies.

    Unlike `connect_redis` it asks the nodes for the map of the cluster at once.

    Raises:
        redis.exceptions.RedisClusterException: none of the nodes answers, or they are no cluster.
    """
    first, *others = urls
    nodes = [urlsplit(url) for url in others]
    timeout = settings.redis_socket_timeout_seconds
    return RedisCluster.from_url(
        first,
        **settings.redis_tls_options(first),
        startup_nodes=[ClusterNode(node.hostname, node.port) for node in nodes],
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 1),
        # The nodes' notices would keep the pools from noticing a connection with unread replies.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )


def connect_mongo(settings: Settings) -> "Database[dict[str, Any]]":
    """Returns the MongoDB database, with acknowledged and journaled writes; it connects at its first use."""
    from pymongo import MongoClient

    client: MongoClient[dict[str, Any]] = MongoClient(
        settings.mongo_url,
        w="majority",
        journal=True,
        tz_aware=True,
        connect=False,
        appname="shrike",
        serverSelectionTimeoutMS=_MONGO_TIMEOUT_MS,
        connectTimeoutMS=_MONGO_TIMEOUT_MS,
        socketTimeoutMS=4 * _MONGO_TIMEOUT_MS,
        **_mongo_transport(settings),
    )
    return client[settings.mongo_database]


def message_signer(settings: Settings) -> MessageSigner:
    """Returns the signer of Celery messages and labels.

    Raises:
        security.errors.KeyUnusableError: MESSAGE_KEY is missing or weak.
    """
    return MessageSigner.from_settings(settings)


def decision_store(
    settings: Settings, client: "Redis | None" = None, *, timeout_seconds: float | None = None
) -> DecisionStore:
    """Returns the decision records of this process's shard, or of all where scoring is not sharded.

    Args:
        settings: of this process.
        client: of the server they are on.
        timeout_seconds: that of the client, if it has one of its own.
    """
    client = client or connect_redis(settings, url=settings.delivery_url)
    records = RedisDecisionStore(
        client, record_ttl_seconds=settings.decision_ttl_seconds, outbox_limit=settings.outbox_limit
    )
    barrier = fsync(settings, client, timeout_seconds=timeout_seconds)
    return records if barrier is None else RedisFsyncedDecisions(records, client, barrier)


def fsync(settings: Settings, client: "Redis", *, timeout_seconds: float | None = None) -> RedisFsync | None:
    """Returns what waits for the disk of the client's server; None where answers do not."""
    if not settings.waits_for_disk:
        return None
    timeout = timeout_seconds or settings.redis_socket_timeout_seconds
    # The server gives up before the client does, so that the connection stays usable.
    return RedisFsync(client, patience_seconds=0.8 * timeout)


def placements(settings: Settings, client: "Redis | None" = None) -> RedisPlacements:
    """Returns on which shard each transaction is."""
    return RedisPlacements(client or connect_redis(settings), record_ttl_seconds=settings.decision_ttl_seconds)


def decision_reader(settings: Settings) -> DecisionReader:
    """Returns the decision records of all shards."""
    topology = ScoringTopology.from_settings(settings)
    records = decision_store(settings)
    if not topology.is_sharded:
        return records
    shards = {name: decision_store(own) for name, own in topology.shards.items()}
    return ShardedDecisions(placements(settings), shards, unplaced=records)


def feature_store(settings: Settings, *, timeout_seconds: float | None = None) -> "RedisFeatureStore":
    """Returns the online feature store; on a cluster REDIS_SOCKET_TIMEOUT_SECONDS bounds its waits in any case."""
    from ml.stores.features.features_redis import RedisFeatureStore

    runner: CommandRunner
    if urls := settings.feature_cluster_urls:
        runner = ClusterCommands(
            lambda: connect_redis_cluster(settings, urls),
            patience_seconds=settings.redis_socket_timeout_seconds,
            on_pipeline=lambda: count_operation("pipeline"),
        )
    else:
        url = settings.feature_store_url
        client = connect_redis(settings, url=url, timeout_seconds=timeout_seconds, pinned=True)
        runner = ServerCommands(client)
    return RedisFeatureStore(runner)


def explanation_store(settings: Settings) -> "MongoExplanationStore":
    """Returns the stored explanations."""
    from ml.stores.explanations.explanations_mongo import MongoExplanationStore

    return MongoExplanationStore(connect_mongo(settings)["explanations"])


def label_store(settings: Settings) -> "MongoLabelStore":
    """Returns the labels of record."""
    from ml.stores.labels.labels_mongo import MongoLabelStore

    return MongoLabelStore(connect_mongo(settings)["labels"])


def label_inbox(settings: Settings, client: "Redis | None" = None) -> RedisLabelInbox:
    """Returns the stream that labels are accepted into."""
    client = client or connect_redis(settings)
    return RedisLabelInbox(client, message_signer(settings), fsync=fsync(settings, client))


def training_source(settings: Settings) -> "MongoTrainingSource":
    """Returns the stored transactions and labels, as retraining and the drift check read them."""
    from ml.stores.training_source.training_source_mongo import MongoTrainingSource

    database = connect_mongo(settings)
    return MongoTrainingSource(database["explanations"], database["labels"])


def publication_log(settings: Settings) -> "KafkaPublicationLog":
    """Returns the Kafka producer."""
    from ml.stores.publications.publications_kafka import KafkaPublicationLog

    return KafkaPublicationLog(
        settings.kafka_bootstrap,
        client_id=f"shrike-publish-{socket.gethostname()}",
        linger_ms=settings.kafka_linger_ms,
        timeout_seconds=settings.kafka_timeout_seconds,
        transport=_kafka_transport(settings),
    )


def kafka_arrivals(settings: Settings) -> "KafkaArrivals":
    """Returns what tells which decisions are in Kafka."""
    from ml.stores.arrivals.arrivals_kafka import KafkaArrivals

    return KafkaArrivals(
        settings.kafka_bootstrap,
        topic=settings.kafka_topic_scored,
        timeout_seconds=settings.kafka_timeout_seconds,
        transport=_kafka_transport(settings),
    )


def _mongo_transport(settings: Settings) -> dict[str, Any]:
    files = {"tlsCAFile": settings.mongo_ca_file, "tlsCertificateKeyFile": settings.mongo_certificate_file}
    return {name: str(path) for name, path in files.items() if path is not None}


def _kafka_transport(settings: Settings) -> dict[str, str]:
    options: dict[str, str] = {"security.protocol": settings.kafka_security_protocol}
    if settings.kafka_ca_file is not None:
        options["ssl.ca.location"] = str(settings.kafka_ca_file)
    if settings.kafka_certificate_file is not None:
        options["ssl.certificate.location"] = str(settings.kafka_certificate_file)
    if settings.kafka_key_file is not None:
        options["ssl.key.location"] = str(settings.kafka_key_file)
    return options


def outbox(settings: Settings, group: str, *, consumer: str, client: "Redis | None" = None) -> RedisOutbox:
    """Returns a consumer group's view of its stream.

    `explain` and `publish` share the one of the process's shard; `labels` has its own, which belongs to no shard.
    """
    is_labels = group == "labels"
    url = settings.redis_url if is_labels else settings.delivery_url
    stream, groups = (LABELS, ("labels",)) if is_labels else (OUTBOX, SINKS)
    return RedisOutbox(
        client or connect_redis(settings, url=url),
        stream=stream,
        group=group,
        groups=groups,
        consumer=consumer,
        claim_idle_ms=settings.drain_claim_idle_ms,
    )


def safe_mode_store(settings: Settings, client: "Redis | None" = None) -> RedisSafeMode:
    """Returns the SAFE MODE state that all processes share."""
    return RedisSafeMode(client or connect_redis(settings), message_signer(settings))


def self_test_exchange(settings: Settings, client: "Redis | None" = None) -> RedisSelfTestExchange:
    """Returns where self-tests are asked for and answered."""
    return RedisSelfTestExchange(client or connect_redis(settings), message_signer(settings))


def accepted_version(settings: Settings, client: "Redis | None" = None) -> RedisAcceptedVersion:
    """Returns the last accepted model version, as all processes share it."""
    return RedisAcceptedVersion(client or connect_redis(settings), message_signer(settings))


def audit_log(database: "Database[dict[str, Any]]") -> "MongoAuditLog":
    """Returns the audit in a database."""
    from security.audit.audit_mongo import MongoAuditLog

    return MongoAuditLog(database["audit"])


def model_administration(settings: Settings, audit: "AuditLog") -> "ModelAdministration":
    """Returns what changes the champion for an administrator.

    Raises:
        security.errors.KeyUnusableError: a key that models are checked with is missing or weak.
    """
    from ml.registry.administration import ModelAdministration

    return ModelAdministration(
        registry=ModelRegistry(settings.models_path),
        verifier=ArtifactVerifier.from_settings(settings),
        mark=accepted_version(settings),
        audit=audit,
    )


def reply_box(settings: Settings) -> RedisReplyBox:
    """Returns a reply list of its own with a connection of its own, for one web process.

    Its socket outlives the longest wait by a margin, so that a frozen server cannot hold a request for ever.
    """
    timeout = settings.score_timeout_ms / 1000 + 1.0
    return RedisReplyBox(
        connect_redis(settings, url=settings.delivery_url, timeout_seconds=timeout, retry_timeouts=False, pinned=True)
    )


def message_queue(settings: Settings) -> RedisMessageQueue:
    """Returns the broker's queues for one web process, with a connection of its own.

    Publishing to a frozen broker fails within the deadline: every request behind it would miss its own.
    """
    timeout = settings.score_timeout_ms / 1000
    return RedisMessageQueue(
        connect_redis(
            settings, url=settings.celery_broker_url, timeout_seconds=timeout, retry_timeouts=False, pinned=True
        )
    )


def reconciled_sinks(
    settings: Settings, *, stored: Callable[[Sequence[str]], set[str]]
) -> list[Callable[[int], ReconciliationReport]]:
    """Returns what reconciles each sink of each outbox.

    Each takes the moment before which answers are compared, epoch milliseconds.

    Args:
        settings: of this process.
        stored: returns those of the ids whose explanation is stored.
    """
    present: dict[str, Callable[[Sequence[str]], set[str]]] = {
        "explain": stored,
        # Kafka cannot be asked for a key; what is owed is published once more, under the same event id.
        "publish": lambda _ids: set(),
    }

    def reconcile_sink(own: Settings, sink: str, before_ms: int) -> ReconciliationReport:
        client = connect_redis(settings, url=own.delivery_url)
        return reconcile(
            sink,
            RedisAwaitingIndex(client, sink),
            decision_store(own, client),
            present=present[sink],
            before_ms=before_ms,
            shard=own.shard,
        )

    outboxes = ScoringTopology.from_settings(settings).outboxes
    return [partial(reconcile_sink, own, sink) for own in outboxes for sink in present]
