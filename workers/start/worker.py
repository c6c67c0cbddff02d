"""Start-up and shutdown of a Celery worker: the same steps for every kind, in the same order.

Logging, services, sign of life and endpoint are in place before the first message is consumed; the sign of life
starts only once the worker consumes, and ends before it stops.
"""

import logging
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from celery import Celery, signals

from ml.domain.errors import StoreUnavailableError
from observability import celery_hooks, logs
from observability.worker_figures import worker_figures
from security.masking import masker
from security.messages.message_replays import SeenMessages
from security.messages.message_signer import MessageSigner
from security.messages.stored_seal import StoredSeal
from settings import load_settings
from tasks.app import app
from tasks.clock import SHARED_CLOCK
from tasks.messaging.doorbells import sign_doorbells
from tasks.messaging.sealed_task import MessageGate
from tasks.services import provide
from tasks.upkeep.clock_readings_redis import ClockReadings
from tasks.upkeep.durability import watch_durability
from tasks.upkeep.histories_reach import HistoriesReach
from tasks.upkeep.housekeeping import Housekeeping, Job, no_more_often
from tasks.upkeep.queue_status import SIGN_OF_LIFE
from tasks.wiring.connections import Connections, Policy
from workers.health.endpoint import Endpoint
from workers.health.sign_of_life import SignOfLife
from workers.health.watch import Watched, watch_jobs
from workers.start.control import refuse_remote_orders
from workers.start.node_name import NodeNameTakenError, claim
from workers.start.obstacle import OBSTACLE

_log = logging.getLogger(__name__)

_DURABILITY_SECONDS = 30.0

_SWITCH_SECONDS = 0.0005
"""GIL switch interval; the default of 5 ms outlasts a scoring."""

# They write two lines per message that say less than the task's own line and the metrics.
_CHATTY_LOGGERS = ("celery.worker.strategy", "celery.app.trace")


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """The parts that a kind of worker adds to the common start-up.

    Attributes:
        jobs: repeated by the housekeeping, with the sign of life among them; each short.
        slow_jobs: repeated on a thread of their own, one after the other; each may take seconds.
        model_version: returns the loaded model's version, for the sign of life.
        reach: which part of the feature store answers, for the sign of life.
        is_ready: whether the worker can do its work.
        on_ready: called once the worker consumes.
        watched: how it is watched; None for a worker whose tasks take as long as they take.
    """

    jobs: Sequence[Job] = ()
    slow_jobs: Sequence[Job] = ()
    model_version: Callable[[], str | None] = lambda: None
    reach: HistoriesReach | None = None
    is_ready: Callable[[], bool] = lambda: True
    on_ready: Callable[[], None] = lambda: None
    watched: Watched | None = None


def build_worker(queue: str, wire: Callable[[Connections, str], WorkerParts]) -> Celery:
    """Returns the Celery app of a worker kind, prepared to start.

    Args:
        queue: the queue it consumes.
        wire: builds the services of its tasks, given the connections and the worker's node name, before it consumes.
    """
    running = _RunningWorker(queue, wire)
    # Celery warns of things before it asks for the logs to be set up.
    signals.celeryd_init.connect(running.configure_logging, weak=False)
    signals.setup_logging.connect(running.configure_logging, weak=False)
    signals.worker_init.connect(running.prepare, weak=False)
    signals.worker_ready.connect(running.announce, weak=False)
    signals.worker_shutting_down.connect(running.withdraw, weak=False)
    signals.worker_shutdown.connect(running.stop, weak=False)
    return app


class _RunningWorker:
    """The parts of this process that live from start to shutdown."""

    def __init__(self, queue: str, wire: Callable[[Connections, str], WorkerParts]) -> None:
        self._queue = queue
        self._wire = wire
        self._housekeeping: Housekeeping | None = None
        self._slow_jobs: Housekeeping | None = None
        self._sign: SignOfLife | None = None
        self._endpoint: Endpoint | None = None
        self._name_holder: socket.socket | None = None
        self._consuming = False
        self._is_stuck = False
        self._on_ready: Job = lambda: None

    def configure_logging(self, **_: Any) -> None:
        """Sends all logs through the one JSON formatter; connecting to this signal keeps Celery from its own."""
        settings = load_settings()
        logs.configure(self._queue, level=settings.log_level, mask=masker(settings))
        for name in _CHATTY_LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)

    def prepare(self, sender: Any, **_: Any) -> None:
        """Wires the worker, or ends it: Celery would log an exception of this handler and consume all the same."""
        try:
            self._prepare(sender)
        except NodeNameTakenError as error:
            _log.critical("the worker cannot start: %s", error)
            raise SystemExit(2) from error
        except Exception as error:
            _log.critical("the worker cannot start: %s", error, exc_info=True)
            raise SystemExit(1) from error

    def _prepare(self, sender: Any) -> None:
        sys.setswitchinterval(_SWITCH_SECONDS)
        self.configure_logging()  # Celery asks for it later only, and loading a model has things to say
        settings = load_settings()
        name = getattr(sender, "hostname", None) or socket.gethostname()
        self._name_holder = claim(name, settings.celery_broker_url)
        celery_hooks.instrument(app, self._queue, now=SHARED_CLOCK.now)
        connections = Connections(settings)
        readings = ClockReadings(connections.redis(policy=Policy.HOUSEKEEPING), self._queue)
        readings.read_quietly()  # before anything is dated
        readings.start()
        signer = MessageSigner.from_settings(settings)
        sign_doorbells(signer)
        provide(MessageGate, MessageGate(signer, SeenMessages(now_ms=SHARED_CLOCK.now_ms), now_ms=SHARED_CLOCK.now_ms))
        refuse_remote_orders()
        parts = self._wire(connections, name)
        self._on_ready = parts.on_ready
        client = connections.redis(policy=Policy.HOUSEKEEPING)
        self._sign = SignOfLife(
            client,
            self._queue,
            name,
            seal=StoredSeal.from_settings(settings, SIGN_OF_LIFE),
            model_version=parts.model_version,
            shard=settings.shard,
            reach=parts.reach,
            figures=worker_figures,
        )
        records = connections.redis(settings.delivery_url, Policy.HOUSEKEEPING)
        durability = no_more_often(_DURABILITY_SECONDS, watch_durability(settings, records))
        jobs = [*parts.jobs, self._give_sign, durability, *self._watch(connections, parts, name)]
        self._endpoint = Endpoint(
            settings.metrics_host,
            settings.metrics_port or 0,
            is_ready=lambda: self._takes_messages() and parts.is_ready(),
            is_alive=lambda: not self._is_stuck,
        )
        self._endpoint.start()
        self._start_jobs(jobs, parts.slow_jobs)

    def _start_jobs(self, jobs: Sequence[Job], slow_jobs: Sequence[Job]) -> None:
        """Repeats both from now on; a slow job holds up the other slow ones alone, and never the sign of life."""
        self._housekeeping = Housekeeping(jobs)
        self._housekeeping.start()
        if slow_jobs:
            self._slow_jobs = Housekeeping(slow_jobs, name="slow jobs")
            self._slow_jobs.start()

    def _watch(self, connections: Connections, parts: WorkerParts, name: str) -> list[Job]:
        if parts.watched is None:
            return []
        return watch_jobs(
            connections,
            parts.watched,
            queue=self._queue,
            name=name,
            is_consuming=self._takes_messages,
            before_exit=self._give_up,
        )

    def _give_up(self) -> None:
        """The worker is stuck: it reports itself as not alive and removes its sign of life."""
        self._is_stuck, self._consuming = True, False
        if self._sign is not None:
            with suppress(StoreUnavailableError):
                self._sign.end()

    def _takes_messages(self) -> bool:
        return self._consuming and not OBSTACLE.is_there

    def _give_sign(self) -> None:
        if self._takes_messages() and self._sign is not None:
            self._sign.give()

    def announce(self, **_: Any) -> None:
        """The worker consumes from now on."""
        self._consuming = True
        self._give_sign_quietly()
        self._on_ready()

    def _give_sign_quietly(self) -> None:
        try:
            self._give_sign()
        except StoreUnavailableError as error:
            _log.warning("no sign of life yet: %s", error)

    def withdraw(self, **_: Any) -> None:
        """The worker takes no new work from now on."""
        self._consuming = False

    def stop(self, **_: Any) -> None:
        """Stops the housekeeping, the sign of life and the endpoint."""
        self._consuming = False
        for threads in (self._slow_jobs, self._housekeeping):
            if threads is not None:
                threads.stop()
        if self._sign is not None:
            try:
                self._sign.end()
            except StoreUnavailableError:
                _log.info("the sign of life expires by itself")
        if self._endpoint is not None:
            self._endpoint.stop()
        if self._name_holder is not None:
            self._name_holder.close()
