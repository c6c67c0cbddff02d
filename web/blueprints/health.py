"""`/health`: whether the process lives, and whether scoring works. Public, because probes carry no token."""

from collections.abc import Iterator, Sequence

from flask import Blueprint

from ml.domain.errors import RetryableError
from tasks.upkeep.queue_status import ShardStatus, WorkerStatus
from web.http import examples
from web.http.answers import HttpAnswer, json_answer
from web.http.schemas.administration import LivenessAnswer, ReadinessAnswer
from web.routing.operations import Answer, Call, Operation, operation
from web.routing.safe_mode import safe_mode_state
from web.services import ScoringServers, Services

_UNREADABLE_SIGNS = "the workers' signs of life in Redis cannot be read; the next one replaces what stands there"

blueprint = Blueprint("health", __name__)


@operation(
    blueprint,
    Operation(
        name="live",
        method="GET",
        path="/health/live",
        tag="Health",
        summary="Whether the process lives",
        description="Always 200 while the process answers at all; looks at nothing else.",
        answer=Answer(description="Alive.", model=LivenessAnswer, example=examples.LIVE),
    ),
)
def live(_call: Call) -> HttpAnswer:
    """Answers that the process is alive."""
    return json_answer({"status": "alive"})


@operation(
    blueprint,
    Operation(
        name="ready",
        method="GET",
        path="/health/ready",
        tag="Health",
        summary="Whether scoring works",
        description="200 if the broker is reachable and takes writes, a scoring worker is alive with a model loaded, "
        "SAFE MODE is off, and the process is not stopping; else 503. The body lists each check. A web process with "
        "USE_LOCAL_INFERENCE is its own scoring worker. Where scoring is sharded, one shard that can score is enough; "
        "the details name those that do not answer. What a process saw of Redis counts for half a second.",
        answer=Answer(description="Ready.", model=ReadinessAnswer, example=examples.READY),
        other_answers=(
            Answer(description="Not ready.", model=ReadinessAnswer, status=503, example=examples.NOT_READY),
        ),
    ),
)
def ready(call: Call) -> HttpAnswer:
    """Runs every check."""
    checks = {name: {"ok": ok, "detail": detail} for name, ok, detail in _checks(call.services)}
    is_ready = all(check["ok"] for check in checks.values())
    body = {
        "status": "ready" if is_ready else "not_ready",
        "checks": checks,
        "perf_mode": call.services.settings.perf_mode,
        "environment": call.services.settings.environment.value,
    }
    return json_answer(body, 200 if is_ready else 503)


def _checks(services: Services) -> Iterator[tuple[str, bool, str]]:
    """Yields each check's name, whether it is met, and a detail for the reader."""
    stops = services.draining.has_begun
    yield "serving", not stops, "the process is stopping" if stops else "yes"
    is_on = safe_mode_state(services).enabled
    rules_decide = is_on and services.settings.safe_mode_policy == "rules"
    own = services.local_scoring
    servers = services.readiness.take(lambda: _look(services))
    if servers is None:
        for name in ("broker", "scoring_worker", "model"):
            yield name, False, "Redis is unreachable or refuses writes"
    else:
        shards = servers.shards
        workers = [] if own else _scoring_workers(servers)
        loaded = {own.version} if own else {worker.model_version for worker in workers}
        versions = sorted(version for version in loaded if version)
        # Ready while one shard is reachable: taking this process away would not help the others' customers.
        yield "broker", not shards or any(shard.reachable for shard in shards), _reached(shards)
        alive = "this process" if own else servers.trouble or f"{len(workers)} alive"
        yield "scoring_worker", bool(own or workers), alive
        seen = ", ".join(versions) or servers.trouble or "no scoring worker has a model loaded"
        yield "model", bool(versions) or rules_decide, seen
        # Ready while a part of the histories answers, likewise.
        is_blind = bool(workers) and all(worker.is_blind for worker in workers)
        yield "histories", not is_blind, next((worker.histories for worker in workers if worker.histories), "reachable")
    # The reason may describe an attack; administrators read it at /admin/safe-mode.
    yield "safe_mode", not is_on or rules_decide, "on, rules decide" if rules_decide else "on" if is_on else "off"


def _look(services: Services) -> ScoringServers | None:
    """Asks the servers that scoring needs; returns None if they cannot be used."""
    try:
        services.monitor.check_writes()
        shards = services.monitor.shards(())
    except RetryableError:
        return None
    try:
        return ScoringServers(shards, () if services.local_scoring else services.monitor.workers())
    except RetryableError:
        # The server takes writes: what stands under the workers' keys is the matter. The error itself may name hosts.
        return ScoringServers(shards, (), trouble=_UNREADABLE_SIGNS)


def _scoring_workers(servers: ScoringServers) -> list[WorkerStatus]:
    """Returns the live workers of queues that can be reached."""
    served = {shard.shard for shard in servers.shards if shard.reachable} if servers.shards else {None}
    return [worker for worker in servers.workers if worker.queue == "score" and worker.shard in served]


def _reached(shards: Sequence[ShardStatus]) -> str:
    silent = [shard.shard for shard in shards if not shard.reachable]
    if not silent:
        return "reachable"
    return f"{len(shards) - len(silent)} of {len(shards)} shards reachable, not {', '.join(silent)}"
