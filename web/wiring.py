"""Builds the services of one web process: the one place where the API connects to anything."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from redis import Redis

from ml.domain.label import Label
from ml.registry.registry import ModelRegistry
from ml.stores.labels.labels import LabelInbox
from ml.stores.outbox.outbox_redis import RedisOutbox
from observability import metrics
from security.admission.admission import AdmissionPolicy
from security.admission.admission_redis import RedisAdmissionControl
from security.client_certificates import CertificateMap
from security.revocations.revocation_list import RevocationList
from security.revocations.revocation_redis import RedisRevocations
from security.safe_mode.safe_mode import CachedSafeMode
from security.signatures.http_message_verifier import MessageSignatureVerifier
from security.signatures.request_signatures import SignatureVerifier
from security.tokens.token_verifier import TokenVerifier
from settings import ScoringTopology, Settings
from settings.queues import CONSUMER_GROUPS, SHARD_CONSUMER_GROUPS
from tasks.app import app as celery_app
from tasks.messaging.doorbells import sign_doorbells
from tasks.messaging.label_intake import publish_labels
from tasks.messaging.messages import MessagePublisher
from tasks.model.self_test import OwnSelfTest, WorkersSelfTest
from tasks.upkeep.queues import live_workers
from tasks.wiring import stores as wiring
from web.blueprints.queue_monitor_redis import RedisQueueMonitor, RedisShardView
from web.dispatch.dispatcher import Dispatcher
from web.dispatch.local_scoring import LocalScoring, open_beside_requests
from web.dispatch.shards import ShardedDispatcher
from web.dispatch.transport import Transport
from web.dispatch.transport_celery import CeleryTransport
from web.dispatch.transport_local import LocalTransport
from web.entrance.batcher import AdmissionBatcher, AdmissionCheck
from web.entrance.check_redis import RedisAdmissionCheck
from web.entrance.check_shards_redis import ShardedRedisAdmissionCheck
from web.entrance.guarded_check import GuardedAdmissionCheck
from web.entrance.open_admission import OpenAdmission
from web.entrance.recall import RecallSource, ShardRecall
from web.protection.capacity import scoring_share
from web.protection.circuit_breaker import BreakerState, CircuitBreaker
from web.protection.guarded_explanations import GuardedExplanations
from web.protection.load_shedding import LoadShedder
from web.scoring.early_send import PrepareEarlySend
from web.scoring.queue import ScoringQueue
from web.services import SelfTest, Services

_LOOK_TIMEOUT_SECONDS = 1.0
_REDIS_OPEN_SECONDS = 1.0


def build_services(settings: Settings) -> Services:
    """Returns the services; each connects at its first use, so a process may still fork.

    Raises:
        security.errors.KeyUnusableError: a key is missing or weak.
    """
    topology = ScoringTopology.from_settings(settings)
    client = wiring.connect_redis(settings)
    _bound_broker_waits(settings)
    sign_doorbells(wiring.message_signer(settings))
    safe_mode = CachedSafeMode(wiring.safe_mode_store(settings, _hasty(settings)))
    scoring = _scoring(topology, safe_mode)
    workers_test = WorkersSelfTest(wiring.self_test_exchange(settings, client), lambda: _score_workers(client))
    signatures = SignatureVerifier.from_settings(settings)
    revocations = _revocations(settings)
    return Services(
        settings=settings,
        topology=topology,
        tokens=TokenVerifier.from_settings(settings, revocations=revocations),
        signatures=signatures,
        message_signatures=MessageSignatureVerifier.from_settings(settings, signatures.keys),
        admission=OpenAdmission() if settings.perf_mode else _admission(topology, scoring.prepare_early_send),
        dispatcher=scoring.queue,
        decisions=wiring.decision_reader(settings),
        explanations=GuardedExplanations(wiring.explanation_store(settings), _breaker(settings, "mongo")),
        labels=_CeleryLabelGate(wiring.label_inbox(settings, client)),
        monitor=_queue_monitor(topology),
        safe_mode=safe_mode,
        safe_mode_switch=wiring.safe_mode_store(settings, client),
        self_test=scoring.own_test or workers_test,
        models=cache(lambda: wiring.model_administration(settings, wiring.audit_log(wiring.connect_mongo(settings)))),
        registry=ModelRegistry(settings.models_path),
        certificates=CertificateMap.from_settings(settings, revocations=revocations) if settings.mtls_only else None,
        shedder=LoadShedder(scoring_share(settings.web_connections)),
        local_scoring=scoring.own,
        recall=scoring.recall,
    )


@dataclass(frozen=True, slots=True)
class _Scoring:
    """Where this process has transactions scored: by the one queue, by itself, or on shards.

    `prepare_early_send` makes the message of a lone request, to be sent with its admission.
    """

    queue: ScoringQueue
    prepare_early_send: PrepareEarlySend = lambda _request: None
    own: LocalScoring | None = None
    own_test: SelfTest | None = None
    recall: ShardRecall | None = None


def _scoring(topology: ScoringTopology, safe_mode: CachedSafeMode) -> _Scoring:
    settings = topology.shared
    if settings.use_local_inference:
        open_transport, own, own_test = _local_transport(settings, safe_mode)
        return _Scoring(_dispatcher(settings, open_transport), own=own, own_test=own_test)
    if topology.is_sharded:
        return _sharded_scoring(topology)
    dispatcher = _dispatcher(settings, _queue_transport(settings))
    if settings.celery_broker_url != settings.redis_url:  # admission and queue are on different servers
        return _Scoring(dispatcher)
    prepare = partial(dispatcher.prepare_early_send, timeout_seconds=settings.score_timeout_ms / 1000)
    return _Scoring(dispatcher, prepare)


def _sharded_scoring(topology: ScoringTopology) -> _Scoring:
    """Returns a dispatcher per shard, and what asks the shards for records."""
    dispatchers = {name: _dispatcher(own, _queue_transport(own)) for name, own in topology.shards.items()}
    sources = {name: _recall_source(own, dispatchers[name]) for name, own in topology.shards.items()}
    queue = ShardedDispatcher(dispatchers, open_shards=topology.open_shards)
    return _Scoring(queue, recall=ShardRecall(sources))


def _recall_source(settings: Settings, dispatcher: Dispatcher) -> RecallSource:
    client, timeout = _hasty(settings), settings.score_timeout_ms / 1000
    records = wiring.decision_store(settings, client, timeout_seconds=timeout)
    fsync = wiring.fsync(settings, client, timeout_seconds=timeout)
    if fsync is None:
        return RecallSource(records, dispatcher.breaker)
    return RecallSource(records, dispatcher.breaker, fsync.wait)


def _hasty(settings: Settings) -> Redis:
    """Returns a client whose waits end with the wait for a decision; the request path has no longer."""
    return wiring.connect_redis(
        settings, url=settings.delivery_url, timeout_seconds=settings.score_timeout_ms / 1000, retries=0
    )


def _revocations(settings: Settings) -> RevocationList:
    # Read beside the request path; the first request of a process that could not read yet waits for it.
    client = wiring.connect_redis(settings, timeout_seconds=_LOOK_TIMEOUT_SECONDS)
    return RevocationList(RedisRevocations(client), leeway_seconds=settings.jwt_leeway_seconds)


def _admission(topology: ScoringTopology, prepare_early_send: PrepareEarlySend) -> AdmissionBatcher:
    settings = topology.shared
    timeout = settings.score_timeout_ms / 1000
    client = wiring.connect_redis(settings, timeout_seconds=timeout, retry_timeouts=False, pinned=True)
    admission = RedisAdmissionControl(client, AdmissionPolicy.from_settings(settings))
    fsync = wiring.fsync(settings, client, timeout_seconds=timeout)
    check: AdmissionCheck = RedisAdmissionCheck(client, admission, fsync=fsync, prepare_early_send=prepare_early_send)
    if topology.is_sharded:
        check = ShardedRedisAdmissionCheck(
            client,
            admission,
            wiring.placements(settings, client),
            open_shards=topology.open_shards,
            fsync=fsync,
        )
    # Nothing is scored without admission, so its breaker soon lets a probe see whether Redis is back.
    breaker = _breaker(settings, "redis", open_seconds=min(settings.cb_open_sec, _REDIS_OPEN_SECONDS))
    check = GuardedAdmissionCheck(check, breaker)
    return AdmissionBatcher(check, timeout_seconds=timeout)


def _queue_monitor(topology: ScoringTopology) -> RedisQueueMonitor:
    settings = topology.shared
    client = _looking(settings, settings.redis_url)
    return RedisQueueMonitor(
        broker=_looking(settings, settings.celery_broker_url),
        client=client,
        outboxes=_outboxes(settings, CONSUMER_GROUPS, client),
        shards=[_shard_view(own, name) for name, own in topology.shards.items()],
    )


def _shard_view(settings: Settings, name: str) -> RedisShardView:
    client = _looking(settings, settings.delivery_url)
    return RedisShardView(name, client, _outboxes(settings, SHARD_CONSUMER_GROUPS, client))


def _looking(settings: Settings, url: str) -> Redis:
    # Probes and scrapers wait a few seconds at most, and must learn in that time that Redis does not answer.
    return wiring.connect_redis(settings, url=url, timeout_seconds=_LOOK_TIMEOUT_SECONDS, retries=0)


def _outboxes(settings: Settings, groups: Sequence[str], client: Redis) -> dict[str, RedisOutbox]:
    consumer = f"web-{socket.gethostname()}"
    return {group: wiring.outbox(settings, group, consumer=consumer, client=client) for group in groups}


def _bound_broker_waits(settings: Settings) -> None:
    """Makes publishing to a frozen broker fail within the deadline: every request behind it would miss its own."""
    bound = settings.score_timeout_ms / 1000
    bounds = {"socket_timeout": bound, "socket_connect_timeout": bound}
    celery_app.conf.broker_transport_options = celery_app.conf.broker_transport_options | bounds


def _queue_transport(settings: Settings) -> Callable[[], Transport]:
    publisher = MessagePublisher(celery_app, wiring.message_signer(settings), wiring.message_queue(settings))
    return lambda: CeleryTransport(publisher, wiring.reply_box(settings), recorded=not settings.perf_mode)


def _score_workers(client: Redis) -> list[str]:
    return [worker.name for worker in live_workers(client) if worker.queue == "score"]


def _local_transport(
    settings: Settings, safe_mode: CachedSafeMode
) -> tuple[Callable[[], Transport], LocalScoring, OwnSelfTest]:
    # Needs onnxruntime, which a web process that leaves scoring to the workers does without.
    from tasks.scoring import conclude
    from tasks.wiring.scorer import build_scorer

    scorer = build_scorer(
        settings,
        name=f"web@{socket.gethostname()}",
        safe_mode=safe_mode,
        switch=wiring.safe_mode_store(settings),
        timeout_seconds=settings.score_timeout_ms / 1000,
        open_model=open_beside_requests,
    )
    local_scoring = LocalScoring(
        refresh=scorer.keeper.refresh, version=scorer.version, poll_seconds=settings.model_poll_seconds
    )
    transport = LocalTransport(scorer.pipeline, conclude, recorded=not settings.perf_mode)
    return lambda: transport, local_scoring, OwnSelfTest(scorer.test)


def _dispatcher(settings: Settings, open_transport: Callable[[], Transport]) -> Dispatcher:
    return Dispatcher(
        open_transport,
        breaker=_breaker(settings, "scoring" if settings.shard is None else f"scoring-{settings.shard}"),
        batch_rows=settings.infer_batch_size,
        # Half the deadline: a request that waited behind a lost message still has the other half for its own.
        patience_seconds=settings.score_timeout_ms / 2000,
    )


def _breaker(settings: Settings, dependency: str, *, open_seconds: float | None = None) -> CircuitBreaker:
    def show(state: BreakerState) -> None:
        metrics.circuit_breaker_state.labels(dependency=dependency).set(state)

    return CircuitBreaker(
        max_failures=settings.cb_max_failures,
        window_seconds=settings.cb_window_sec,
        open_seconds=open_seconds or settings.cb_open_sec,
        on_change=show,
    )


@dataclass(frozen=True, slots=True)
class _CeleryLabelGate:
    """Accepts labels into the stream and rings the worker that applies them."""

    inbox: LabelInbox

    def accept(self, label: Label, correlation_id: str) -> None:
        """See `LabelGate.accept`."""
        publish_labels(self.inbox, [(label, correlation_id)])
