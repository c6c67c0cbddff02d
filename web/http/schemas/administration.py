"""Answers for administrators and probes: SAFE MODE, models, readiness, queues."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from web.http.schemas.decisions import AnswerModel


class SafeModeAnswer(AnswerModel):
    """How the SAFE MODE switch stands; the texts are empty while it is off."""

    enabled: bool
    reason: str
    by: str
    since: Annotated[str, Field(description="RFC 3339, or empty if it was never switched.")]
    way_out: Annotated[str, Field(description="What turns it off; empty while it is off.")]


class ModelVersionAnswer(AnswerModel):
    """One version of the model."""

    version: str
    created_at: datetime
    metrics: dict[str, float]
    feature_schema_hash: str
    code_version: str
    aliases: list[Literal["champion", "challenger"]]


class AliasesAnswer(AnswerModel):
    """The versions that are champion and challenger."""

    champion: str | None
    challenger: str | None


class ModelsAnswer(AnswerModel):
    """The model registry, newest version first."""

    champion: str | None
    challenger: str | None
    versions: list[ModelVersionAnswer]


class LivenessAnswer(AnswerModel):
    """The process answers."""

    status: Literal["alive"]


class CheckAnswer(AnswerModel):
    """One condition of readiness."""

    ok: bool
    detail: str


class ReadinessAnswer(AnswerModel):
    """Whether scoring works, and if not, what is missing."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, CheckAnswer]
    perf_mode: bool = Field(description="Whether this process runs in PERF_MODE, which keeps no decision.")
    environment: Literal["development", "production"] = Field(
        description="What this process runs for; tools that make test traffic spare production."
    )


class QueueAnswer(AnswerModel):
    """One Celery queue."""

    queue: str
    depth: int
    oldest_seconds: Annotated[float | None, Field(description="Age of the oldest message; null if unknown.")]
    consumers: int


class LagAnswer(AnswerModel):
    """What one consumer of a stream has not acknowledged."""

    entries: int
    oldest_seconds: float
    dead_letters: int


class WorkerAnswer(AnswerModel):
    """One live worker."""

    name: str
    queue: str
    model_version: str | None
    started_at: Annotated[float, Field(description="Epoch seconds.")]
    shard: Annotated[str | None, Field(description="The shard it works for; null if it works for all.")]
    histories: Annotated[
        str | None, Field(description="What is wrong with its feature store; null while all of it answers.")
    ]
    is_blind: Annotated[bool, Field(description="Whether no part of its feature store answers.")]
    figures: Annotated[
        dict[str, float], Field(description="Its decisions since its start, by kind; the drift that it found last.")
    ]


class ShardAnswer(AnswerModel):
    """One shard of scoring; queues and outbox are empty if it does not answer."""

    shard: str
    reachable: bool
    queues: list[QueueAnswer]
    outbox: dict[str, LagAnswer]


class QueuesAnswer(AnswerModel):
    """Queues, stream lags and workers."""

    queues: list[QueueAnswer]
    outbox: dict[str, LagAnswer]
    workers: list[WorkerAnswer]
    shards: Annotated[list[ShardAnswer], Field(description="Empty where scoring is not sharded.")]


class StatusLinkAnswer(AnswerModel):
    """A link to the status page."""

    path: Annotated[str, Field(description="What follows the API's address; the part after # reaches no server.")]
    expires_at: Annotated[int, Field(description="Epoch seconds.")]


class StatusRowAnswer(AnswerModel):
    """One line of the status page."""

    name: str
    value: str
    level: Annotated[
        Literal["ok", "warn", "bad", "info"], Field(description="How well it is; info says nothing of it.")
    ]


class StatusSectionAnswer(AnswerModel):
    """One block of the status page."""

    title: str
    rows: list[StatusRowAnswer]
    note: str


class StatusAnswer(AnswerModel):
    """What the status page shows."""

    at: Annotated[float, Field(description="Epoch seconds.")]
    level: Literal["ok", "warn", "bad"]
    verdict: str
    findings: Annotated[list[str], Field(description="What is not well, the worst first.")]
    sections: list[StatusSectionAnswer]
