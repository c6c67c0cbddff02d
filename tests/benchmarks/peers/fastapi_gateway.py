"""First hop of the FastAPI peer: guards, then one HTTP request to the scorer.

Run: `PEER_SCORER_URL=http://127.0.0.1:9001 uvicorn tests.benchmarks.peers.fastapi_gateway:app --loop uvloop`.
Tuned: uvloop and httptools, one pooled client session with kept-alive connections, orjson, raw bodies, no response
models, no access log.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
from fastapi import FastAPI, Request, Response

from settings import load_settings
from tests.benchmarks.peers.bridge import BridgedRedis, bridged
from tests.benchmarks.peers.work import SCORE_PATH, Guards, RefusedError, request_for

_settings = load_settings()
_redis: Any = BridgedRedis(_settings.redis_url, connections=64)
_guards = Guards.build(_settings, _redis)
_scorer = os.environ["PEER_SCORER_URL"] + "/score"
_session: list[aiohttp.ClientSession] = []


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    async with aiohttp.ClientSession(connector=connector) as session:
        _session.append(session)
        yield


app = FastAPI(lifespan=_lifespan, openapi_url=None)


@app.post(SCORE_PATH)
async def score(request: Request) -> Response:
    """Answers one transaction."""
    body = await request.body()
    try:
        transaction = await bridged(_guards.admit, request.headers, request.url.path, body)
    except RefusedError as error:
        return Response(status_code=error.status)
    payload = orjson.dumps(request_for(transaction).wire())
    async with _session[0].post(_scorer, data=payload) as answer:
        return Response(await answer.read(), answer.status, media_type="application/json")


@app.get("/health/live")
async def live() -> Response:
    """Answers."""
    return Response(status_code=200)
