"""The scoring worker: `celery -A workers.score worker -Q score`. Its model is loaded and warm before it consumes."""

from ml.serving.pipeline import ScoringPipeline
from observability import metrics
from security.safe_mode.safe_mode import CachedSafeMode
from tasks import scoring  # noqa: F401 - registers the task; no other task runs in this worker
from tasks.model.self_test import SelfTester
from tasks.services import provide
from tasks.upkeep.histories_reach import HistoriesReach
from tasks.upkeep.housekeeping import Job, no_more_often, run_until_done
from tasks.wiring.connections import Connections
from tasks.wiring.losses import watch_for_losses
from tasks.wiring.perf_mode import warn_of_perf_mode
from tasks.wiring.scorer import build_scorer
from tasks.wiring.stores import safe_mode_store, self_test_exchange
from workers.health.watch import Watched
from workers.start.worker import WorkerParts, build_worker

_LOOK_SECONDS = 1.0
_MOST_WAITS = 10
"""Bound on the waits of one batch, each at most SCORE_TIMEOUT_MS: connecting, sending and one repetition per store."""
_GOLDEN_SECONDS = 10.0
_FIRST_LOOKS = 6


def _wire(connections: Connections, name: str) -> WorkerParts:
    settings = connections.settings
    warn_of_perf_mode(settings)
    switch = safe_mode_store(connections)
    safe_mode = CachedSafeMode(
        switch,
        name=name,
        on_fault=lambda fault: metrics.safe_mode_record_faults_total.labels(service="score", fault=fault).inc(),
    )
    scorer = build_scorer(connections, name=name, safe_mode=safe_mode, switch=switch)
    scorer.keeper.refresh()
    provide(ScoringPipeline, scorer.pipeline)
    tester = SelfTester(self_test_exchange(connections), scorer.test, name=name)
    reach = HistoriesReach()
    losses, lost_answers = watch_for_losses(connections, switch, name, reach=reach)
    # Before the first message: a Redis that came back empty must not be scored with. On a busy machine the first look
    # may get no answer in time.
    run_until_done([*losses, lost_answers], turns=_FIRST_LOOKS)
    longest_wait = _MOST_WAITS * settings.score_timeout_ms / 1000
    slow_jobs: list[Job] = [
        no_more_often(settings.model_poll_seconds, scorer.keeper.refresh),
        tester.run_if_asked,
        no_more_often(_LOOK_SECONDS, lost_answers),
    ]
    if settings.watchdog_seconds == 0:  # no probe looks after the model
        slow_jobs.append(no_more_often(_GOLDEN_SECONDS, scorer.keeper.check_serving))
    return WorkerParts(
        jobs=[
            no_more_often(settings.model_poll_seconds, scorer.keeper.withdraw_revoked),
            tester.acknowledge,
            *(no_more_often(_LOOK_SECONDS, job) for job in losses),
            lambda: metrics.safe_mode_state.labels(service="score").set(safe_mode.state().enabled),
        ],
        slow_jobs=slow_jobs,
        model_version=scorer.version,
        reach=reach,
        is_ready=scorer.can_decide,
        watched=Watched(
            settings.watchdog_patience_seconds,
            scorer.keeper.check_serving,
            store_wait=lambda: longest_wait if scorer.pipeline.waits_for_store else 0.0,
        ),
    )


app = build_worker("score", _wire)
