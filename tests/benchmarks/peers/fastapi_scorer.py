"""Second hop of the FastAPI peer: features, model, record; answers the gateway.

Run: `uvicorn tests.benchmarks.peers.fastapi_scorer:app --loop uvloop`.
"""

from typing import Any

import orjson
from fastapi import FastAPI, Request, Response

from ml.domain.scoring_batch import ScoringRequest
from settings import load_settings
from tests.benchmarks.peers.bridge import BridgedCommands, BridgedRedis, bridged
from tests.benchmarks.peers.work import RefusedError, build_pipeline, decide

_settings = load_settings()
_redis: Any = BridgedRedis(_settings.redis_url, connections=64)
_pipeline = build_pipeline(_settings, _redis, BridgedCommands(_redis.client))

app = FastAPI(openapi_url=None)


@app.post("/score")
async def score(request: Request) -> Response:
    """Scores one transaction that the gateway has let in."""
    scoring = ScoringRequest.from_wire(orjson.loads(await request.body()))
    try:
        return Response(orjson.dumps(await bridged(decide, _pipeline, scoring)), media_type="application/json")
    except RefusedError as error:
        return Response(status_code=error.status)


@app.get("/health/live")
async def live() -> Response:
    """Answers once the model is loaded."""
    return Response(status_code=200)
