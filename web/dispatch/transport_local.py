"""The local transport: this process scores by itself, in a thread (a greenlet under gevent) of its own.

The dispatcher uses it like a queue: a batch leaves at once, its reply comes later or not in time. So batching,
deadlines and breaker are the same, and answered callers are woken while the next batch is being scored.
"""

import logging
import queue
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ml.domain.scoring_batch import ScoringBatch
from security.background_thread import BackgroundThread
from tasks.clock import SHARED_CLOCK
from web.scoring.batch import Batch

if TYPE_CHECKING:
    # The pipeline is slow to import, and most web processes leave scoring to the workers.
    from ml.serving.pipeline import BatchReport, ScoringPipeline

_log = logging.getLogger(__name__)


class LocalTransport:
    """Scores one batch after the other.

    Args:
        pipeline: scores a batch.
        conclude: called with each report and the seconds that scoring took, once the reply is on its way.
        recorded: whether decisions are to be recorded.
    """

    def __init__(
        self, pipeline: "ScoringPipeline", conclude: "Callable[[BatchReport, float], None]", *, recorded: bool
    ) -> None:
        self._pipeline = pipeline
        self._conclude = conclude
        self._recorded = recorded
        self._reset()
        self._thread = BackgroundThread(self._run, name="local-scoring", after_fork=self._reset)

    def _reset(self) -> None:
        self._batches: queue.SimpleQueue[ScoringBatch] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def connect(self) -> None:
        """See `Transport.connect`; Redis is connected by the first batch."""
        self._thread.start()

    def publish(self, batch: Batch) -> None:
        """See `Transport.publish`."""
        self.connect()
        sent_ms = SHARED_CLOCK.now_ms()
        self._batches.put(
            ScoringBatch(batch.batch_id, None, batch.deadline_ms, sent_ms, batch.requests, recorded=self._recorded)
        )

    def seal(self, batch: Batch) -> None:
        """See `Transport.seal`: there is no queue."""

    def wait(self, timeout_seconds: float) -> bytes | None:
        """See `Transport.wait`; raises the exception of a failed scoring."""
        try:
            reply = self._replies.get(timeout=timeout_seconds)
        except queue.Empty:
            return None
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _run(self) -> None:
        while True:
            batch = self._batches.get()
            started = time.perf_counter()
            try:
                report = self._pipeline.score(batch)
            except Exception as error:  # noqa: BLE001 - the thread must outlive any one batch; the dispatcher logs it
                self._replies.put(error)
                continue
            if report.commit is not None and report.commit.reply is not None:
                self._replies.put(report.commit.reply)
            try:
                self._conclude(report, time.perf_counter() - started)
            except Exception:  # noqa: BLE001 - likewise; the answer is on its way
                _log.exception("the work after a scored batch failed")
