"""The scoring worker: `celery -A workers.score worker -Q score`. Its model is loaded and warm before it consumes."""

from ml.scoring import ScoringPipeline
from observability import metrics
from security.safe_mode import CachedSafeMode
from settings import Settings
from tasks import scoring  # noqa: F401 - registers the task; no other task runs in this worker
from tasks.housekeeping import no_more_often
from tasks.perf_mode import warn_of_perf_mode
from tasks.scorer import build_scorer
from tasks.self_test import SelfTester
from tasks.services import provide
from tasks.wiring import safe_mode_store, self_test_exchange
from workers.start import WorkerParts, build_worker
from workers.watch import Watched


def _wire(settings: Settings, name: str) -> WorkerParts:
    warn_of_perf_mode(settings)
    switch = safe_mode_store(settings)
    safe_mode = CachedSafeMode(switch)
    scorer = build_scorer(settings, name=name, safe_mode=safe_mode, switch=switch)
    scorer.keeper.refresh()
    provide(ScoringPipeline, scorer.pipeline)
    tester = SelfTester(self_test_exchange(settings), scorer.test, name=name)
    return WorkerParts(
        jobs=[
            no_more_often(settings.model_poll_seconds, scorer.keeper.refresh),
            tester.run_if_asked,
            lambda: metrics.safe_mode_state.labels(service="score").set(safe_mode.state().enabled),
        ],
        model_version=scorer.version,
        is_ready=scorer.can_decide,
        watched=Watched(settings.watchdog_patience_seconds, scorer.pipeline.probe),
    )


app = build_worker("score", _wire)
