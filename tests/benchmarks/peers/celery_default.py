"""The Celery peer as one would write it first: a Flask view that calls `delay().get()`, Celery on its defaults.

Run: `gunicorn tests.benchmarks.peers.celery_default:web` and `celery -A tests.benchmarks.peers.celery_default worker`,
each with REDIS_URL and the platform's keys. Default pool (prefork), default result backend settings, a message and a
result per transaction. The web side gets threads, or it would answer one request at a time.
"""

import os
from functools import cache
from typing import Any

import orjson
from celery import Celery
from flask import Flask, Response, request

from ml.domain.scoring_batch import ScoringRequest
from ml.serving.pipeline import ScoringPipeline
from ml.stores.redis.server_redis import ServerCommands
from settings import load_settings
from tasks.wiring.clients_redis import connect_redis
from tests.benchmarks.peers.work import SCORE_PATH, Guards, RefusedError, build_pipeline, decide, request_for

_settings = load_settings()
_broker = os.environ.get("PEER_BROKER_URL", _settings.redis_url)
app = Celery("peer", broker=_broker, backend=_broker)
web = Flask("peer")


@cache
def _guards() -> Guards:
    return Guards.build(_settings, connect_redis(_settings))


@cache
def _pipeline() -> ScoringPipeline:
    client = connect_redis(_settings)
    return build_pipeline(_settings, client, ServerCommands(client))


@app.task(name="peer.score")
def score(item: dict[str, Any]) -> dict[str, Any]:
    """Scores one transaction in a worker process."""
    return decide(_pipeline(), ScoringRequest.from_wire(item))


@web.post(SCORE_PATH)
def answer() -> Response:
    """Answers one transaction."""
    try:
        transaction = _guards().admit(
            {name.lower(): value for name, value in request.headers.items()},
            request.full_path.rstrip("?"),
            request.data,
        )
        decision = score.delay(request_for(transaction).wire()).get(timeout=30)
    except RefusedError as error:
        return Response(status=error.status)
    return Response(orjson.dumps(decision), content_type="application/json")


@web.get("/health/live")
def live() -> Response:
    """Answers."""
    return Response(status=200)
