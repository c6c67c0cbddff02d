"""Builds the services of one web process: the one place where the API connects to anything."""

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ml.domain.scoring_batch import ScoringRequest
from ml.registry.registry import ModelRegistry
from ml.stores.decisions.decision_seal import DecisionSeal
from ml.stores.outbox.outbox_redis import RedisOutbox
from observability import metrics
from security.admission.admission import AdmissionPolicy
from security.admission.admission_redis import RedisAdmissionControl
from security.client_certificates import CertificateMap
from security.messages.message_signer import MessageSigner
from security.messages.stored_seal import StoredSeal
from security.revocations.revocation_list import RevocationList
from security.revocations.revocation_redis import RedisRevocations
from security.safe_mode.safe_mode import CachedSafeMode
from security.signatures.http_message_verifier import MessageSignatureVerifier
from security.signatures.request_signatures import SignatureVerifier
from security.tokens.page_sessions import PageSessions
from security.tokens.token_verifier import TokenVerifier
from security.tokens.used_links_redis import RedisUsedLinks
from settings import ScoringTopology, Settings
from settings.queues import CONSUMER_GROUPS, SHARD_CONSUMER_GROUPS
from tasks.app import app as celery_app
from tasks.messaging.doorbells import sign_doorbells
from tasks.messaging.label_intake import StreamLabelIntake
from tasks.messaging.messages import MessagePublisher
from tasks.model.self_test import OwnSelfTest, WorkersSelfTest
from tasks.upkeep.clock_readings_redis import ClockReadings
from tasks.upkeep.housekeeping import Housekeeping
from tasks.upkeep.queue_monitor_redis import RedisQueueMonitor, RedisShardView
from tasks.upkeep.queue_status import SIGN_OF_LIFE, live_workers
from tasks.wiring import stores
from tasks.wiring.connections import Connections, Policy, answer_wait
from tasks.wiring.losses import watch_for_losses, watch_for_losses_from_mongo
from tasks.wiring.scoring_queue import message_queue, reply_box
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
from web.scoring.early_send import EarlySend, PrepareEarlySend
from web.scoring.queue import ScoringQueue
from web.services import SelfTest, Services
from web.status.memory import StatusMemory
from web.status.samples import Samples

_REDIS_OPEN_SECONDS = 1.0
_UPKEEP_SECONDS = 5.0
_SESSION_SECONDS = 12 * 3600


def build_services(settings: Settings) -> Services:
    """Returns the services; each connects at its first use, so a process may still fork.

    Raises:
        security.errors.KeyUnusableError: a key is missing or weak.
    """
    topology = ScoringTopology.from_settings(settings)
    connections = Connections(settings)
    _bound_broker_waits(settings)
    sign_doorbells(MessageSigner.from_settings(settings))
    safe_mode = CachedSafeMode(
        stores.safe_mode_store(connections, Policy.REQUEST_PATH),
        name=f"web@{socket.gethostname()}",
        on_fault=lambda fault: metrics.safe_mode_record_faults_total.labels(service="web", fault=fault).inc(),
    )
    readings = ClockReadings(connections.redis(policy=Policy.REFRESH), "web")
    scoring = _scoring(connections, topology, safe_mode, readings=readings)
    signatures = SignatureVerifier.from_settings(settings)
    revocations = _revocations(connections)
    return Services(
        settings=settings,
        topology=topology,
        tokens=TokenVerifier.from_settings(settings, revocations=revocations),
        signatures=signatures,
        message_signatures=MessageSignatureVerifier.from_settings(settings, signatures.keys),
        admission=_admission(connections, topology, scoring.prepare_early_send),
        dispatcher=scoring.queue,
        decisions=stores.decision_reader(connections),
        decision_seal=DecisionSeal.from_settings(settings),
        explanations=GuardedExplanations(stores.explanation_store(connections), _breaker(settings, "mongo")),
        labels=StreamLabelIntake(stores.label_inbox(connections)),
        monitor=_queue_monitor(connections, topology),
        safe_mode=safe_mode,
        safe_mode_switch=stores.safe_mode_store(connections),
        self_test=scoring.own_test or _workers_test(connections),
        models=cache(lambda: stores.model_administration(connections)),
        registry=ModelRegistry(settings.models_path),
        certificates=CertificateMap.from_settings(settings, revocations=revocations) if settings.mtls_only else None,
        shedder=LoadShedder(scoring_share(settings.web_connections)),
        local_scoring=scoring.own,
        recall=scoring.recall,
        upkeep=_upkeep(connections, topology),
        sessions=PageSessions(
            MessageSigner.from_settings(settings),
            revocations=revocations,
            used=RedisUsedLinks(connections.redis(policy=Policy.PROBE)),
            session_seconds=min(_SESSION_SECONDS, settings.jwt_max_lifetime_seconds),
        ),
        status=StatusMemory(Samples(_samples_file(settings))),
    )


def _samples_file(settings: Settings) -> Path | None:
    folder = settings.prometheus_multiproc_dir
    return None if folder is None else folder / "status-samples.json"


def _upkeep(connections: Connections, topology: ScoringTopology) -> Housekeeping:
    switch, name = stores.safe_mode_store(connections), f"web@{socket.gethostname()}"
    outboxes = [connections.of(own) for own in topology.outboxes]
    jobs = [job for own in outboxes for job in watch_for_losses_from_mongo(own, switch, name)]
    return Housekeeping(jobs, interval_seconds=_UPKEEP_SECONDS)


@dataclass(frozen=True, slots=True)
class _Scoring:
    """How this process dispatches transactions: to the one queue, to itself, or to shards.

    `prepare_early_send` makes the message of a lone request, to be sent with its admission.
    """

    queue: ScoringQueue
    prepare_early_send: PrepareEarlySend = lambda _request, _deadline: None
    own: LocalScoring | None = None
    own_test: SelfTest | None = None
    recall: ShardRecall | None = None


def _scoring(
    connections: Connections, topology: ScoringTopology, safe_mode: CachedSafeMode, *, readings: ClockReadings
) -> _Scoring:
    settings = connections.settings
    if settings.use_local_inference:
        open_transport, own, own_test = _local_transport(connections, safe_mode)
        return _Scoring(_dispatcher(settings, open_transport, readings), own=own, own_test=own_test)
    if topology.is_sharded:
        return _sharded_scoring(connections, topology, readings)
    dispatcher = _dispatcher(settings, _queue_transport(connections), readings)
    if settings.celery_broker_url != settings.redis_url:  # admission and queue are on different servers
        return _Scoring(dispatcher)

    def prepare(request: ScoringRequest, deadline: float) -> EarlySend | None:
        return dispatcher.prepare_early_send(request, deadline - time.monotonic())

    return _Scoring(dispatcher, prepare)


def _sharded_scoring(connections: Connections, topology: ScoringTopology, readings: ClockReadings) -> _Scoring:
    """Returns a dispatcher per shard, and the recall that asks the shards for records."""
    shards = {name: connections.of(own) for name, own in topology.shards.items()}
    dispatchers = {name: _dispatcher(own.settings, _queue_transport(own), readings) for name, own in shards.items()}
    sources = {name: _recall_source(own, dispatchers[name]) for name, own in shards.items()}
    queue = ShardedDispatcher(dispatchers, open_shards=topology.open_shards)
    return _Scoring(queue, recall=ShardRecall(sources))


def _recall_source(connections: Connections, dispatcher: Dispatcher) -> RecallSource:
    settings = connections.settings
    records = stores.decision_store(connections, Policy.REQUEST_PATH)
    barrier = stores.barrier(settings, connections.redis(settings.delivery_url, Policy.REQUEST_PATH))
    if barrier is None:
        return RecallSource(records, dispatcher.breaker)
    return RecallSource(records, dispatcher.breaker, barrier.wait)


def _revocations(connections: Connections) -> RevocationList:
    revocations = RedisRevocations(connections.redis(policy=Policy.REFRESH))
    return RevocationList(revocations, leeway_seconds=connections.settings.jwt_leeway_seconds)


def _admission(
    connections: Connections, topology: ScoringTopology, prepare_early_send: PrepareEarlySend
) -> AdmissionBatcher | OpenAdmission:
    settings = connections.settings
    if settings.perf_mode:
        return OpenAdmission()
    client = connections.pinned_redis(settings.redis_url, answer_wait(settings))
    admission = RedisAdmissionControl(client, AdmissionPolicy.from_settings(settings))
    barrier = stores.barrier(settings, client)
    check: AdmissionCheck = RedisAdmissionCheck(
        client, admission, barrier=barrier, prepare_early_send=prepare_early_send
    )
    if topology.is_sharded:
        check = ShardedRedisAdmissionCheck(
            client,
            admission,
            stores.placements(client, settings),
            open_shards=topology.open_shards,
            barrier=barrier,
        )
    # Nothing is scored without admission, so its breaker soon lets a probe see whether Redis is back.
    breaker = _breaker(settings, "redis", open_seconds=min(settings.cb_open_sec, _REDIS_OPEN_SECONDS))
    check = GuardedAdmissionCheck(check, breaker)
    return AdmissionBatcher(check, timeout_seconds=settings.score_timeout_ms / 1000)


def _queue_monitor(connections: Connections, topology: ScoringTopology) -> RedisQueueMonitor:
    return RedisQueueMonitor(
        broker=connections.redis(connections.settings.celery_broker_url, Policy.PROBE),
        client=connections.redis(policy=Policy.PROBE),
        seal=StoredSeal.from_settings(connections.settings, SIGN_OF_LIFE),
        outboxes=_outboxes(connections, CONSUMER_GROUPS),
        shards=[_shard_view(connections.of(own), name) for name, own in topology.shards.items()],
    )


def _shard_view(connections: Connections, name: str) -> RedisShardView:
    client = connections.redis(connections.settings.delivery_url, Policy.PROBE)
    return RedisShardView(name, client, _outboxes(connections, SHARD_CONSUMER_GROUPS))


def _outboxes(connections: Connections, groups: Sequence[str]) -> dict[str, RedisOutbox]:
    consumer = f"web-{socket.gethostname()}"
    return {group: stores.outbox(connections, group, consumer=consumer, policy=Policy.PROBE) for group in groups}


def _bound_broker_waits(settings: Settings) -> None:
    """Makes publishing to a frozen broker fail within the deadline: every request behind it would miss its own."""
    bound = settings.score_timeout_ms / 1000
    bounds = {"socket_timeout": bound, "socket_connect_timeout": bound}
    celery_app.conf.broker_transport_options = celery_app.conf.broker_transport_options | bounds


def _queue_transport(connections: Connections) -> Callable[[], Transport]:
    settings = connections.settings
    publisher = MessagePublisher(celery_app, MessageSigner.from_settings(settings), message_queue(connections))
    return lambda: CeleryTransport(publisher, reply_box(connections), recorded=not settings.perf_mode)


def _workers_test(connections: Connections) -> WorkersSelfTest:
    client, seal = connections.redis(), StoredSeal.from_settings(connections.settings, SIGN_OF_LIFE)
    return WorkersSelfTest(
        stores.self_test_exchange(connections),
        lambda: [worker.name for worker in live_workers(client, seal) if worker.queue == "score"],
    )


def _local_transport(
    connections: Connections, safe_mode: CachedSafeMode
) -> tuple[Callable[[], Transport], LocalScoring, OwnSelfTest]:
    # Needs onnxruntime, which a web process that leaves scoring to the workers does without.
    from tasks.scoring import conclude
    from tasks.wiring.scorer import build_scorer

    settings = connections.settings
    name, switch = f"web@{socket.gethostname()}", stores.safe_mode_store(connections)
    scorer = build_scorer(
        connections,
        name=name,
        safe_mode=safe_mode,
        switch=switch,
        open_model=open_beside_requests,
    )
    losses, lost_answers = watch_for_losses(connections, switch, name)
    local_scoring = LocalScoring(
        refresh=scorer.keeper.refresh,
        version=scorer.version,
        poll_seconds=settings.model_poll_seconds,
        check=scorer.keeper.check_serving,
        jobs=[*losses, lost_answers],
    )
    transport = LocalTransport(scorer.pipeline, conclude, recorded=not settings.perf_mode)
    return lambda: transport, local_scoring, OwnSelfTest(scorer.test)


def _dispatcher(settings: Settings, open_transport: Callable[[], Transport], readings: ClockReadings) -> Dispatcher:
    def open_on_time() -> Transport:
        readings.read_quietly()  # before the first message gets its deadline
        readings.start()
        return open_transport()

    return Dispatcher(
        open_on_time,
        breaker=_breaker(settings, "scoring" if settings.shard is None else f"scoring-{settings.shard}"),
        batch_rows=settings.infer_batch_size,
        # Half the deadline: a request that waited behind a lost message still has the other half for its own.
        patience_seconds=settings.score_timeout_ms / 2000,
        seal=DecisionSeal.from_settings(settings),
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
