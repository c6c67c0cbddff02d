"""`/admin`: the SAFE MODE switch, the model registry, the queues."""

from dataclasses import asdict

from flask import Blueprint

from ml.registry.registry import RegistryState
from security.roles import Role
from security.safe_mode.safe_mode import SafeModeState
from web.http import examples, problems
from web.http.answers import HttpAnswer, json_answer
from web.http.schemas.administration import AliasesAnswer, ModelsAnswer, QueuesAnswer, SafeModeAnswer
from web.http.schemas.requests import ModelVersionPath, ReasonRequest, SafeModeRequest
from web.routing.operations import Answer, Call, Operation, operation
from web.routing.safe_mode import leave_safe_mode, show_safe_mode, way_out

blueprint = Blueprint("admin", __name__)

_SAFE_MODE_ANSWER = Answer(description="The switch.", model=SafeModeAnswer, example=examples.SAFE_MODE)


@operation(
    blueprint,
    Operation(
        name="get_safe_mode",
        method="GET",
        path="/admin/safe-mode",
        tag="Administration",
        summary="Read the SAFE MODE switch",
        description="State, reason, who set it, since when, and the way out: as this process obeys it, after a fresh "
        "look. A record in Redis that is gone or altered is written back first.",
        role=Role.ADMIN,
        answer=_SAFE_MODE_ANSWER,
        problems=(problems.UNAVAILABLE,),
    ),
)
def get_safe_mode(call: Call) -> HttpAnswer:
    """Returns the state that this process obeys, after a fresh look at the switch."""
    call.services.safe_mode_switch.read()  # a switch that cannot be read is an error, not the last known state
    return _safe_mode_response(call.services.safe_mode.refresh())


@operation(
    blueprint,
    Operation(
        name="enable_safe_mode",
        method="POST",
        path="/admin/safe-mode/enable",
        tag="Administration",
        summary="Turn SAFE MODE on",
        description="Every process refuses to score within a second. If it is on already, the first reason stays.",
        role=Role.ADMIN,
        body=SafeModeRequest,
        body_example=examples.SAFE_MODE_REQUEST,
        answer=_SAFE_MODE_ANSWER,
        problems=(problems.UNAVAILABLE,),
    ),
)
def enable_safe_mode(call: Call) -> HttpAnswer:
    """Turns SAFE MODE on."""
    state = call.services.safe_mode_switch.enable(call.body.reason, call.subject)
    return _switched(call, state)


@operation(
    blueprint,
    Operation(
        name="disable_safe_mode",
        method="POST",
        path="/admin/safe-mode/disable",
        tag="Administration",
        summary="Turn SAFE MODE off",
        description="Takes no body. Every scoring worker opens the model anew and reaches its stores first; if one "
        "fails or does not answer, SAFE MODE stays and `failures` says why. Scoring resumes within a second.",
        role=Role.ADMIN,
        answer=_SAFE_MODE_ANSWER,
        problems=(problems.SELF_TEST_FAILED, problems.UNAVAILABLE),
    ),
)
def disable_safe_mode(call: Call) -> HttpAnswer:
    """Turns SAFE MODE off, if everything is well."""
    return _switched(call, leave_safe_mode(call.services, call.subject))


@operation(
    blueprint,
    Operation(
        name="list_models",
        method="GET",
        path="/admin/models",
        tag="Administration",
        summary="List the model versions",
        description="The registry, newest version first, with champion and challenger.",
        role=Role.ADMIN,
        answer=Answer(description="The registry.", model=ModelsAnswer, example=examples.MODELS),
        problems=(problems.UNAVAILABLE,),
    ),
)
def list_models(call: Call) -> HttpAnswer:
    """Returns the registry."""
    registry = call.services.registry
    state = registry.state()
    versions = [{**asdict(info), "metrics": dict(info.metrics)} for info in registry.versions()]
    return json_answer({"champion": state.champion, "challenger": state.challenger, "versions": versions})


_ALIASES_ANSWER = Answer(description="Who plays which part now.", model=AliasesAnswer, example=examples.ALIASES)
_MODEL_PROBLEMS = (problems.NOT_FOUND, problems.MODEL_REFUSED, problems.UNAVAILABLE)


@operation(
    blueprint,
    Operation(
        name="promote_model",
        method="POST",
        path="/admin/models/{version}/promote",
        tag="Administration",
        summary="Make a version the champion",
        description="The version must pass every check but the golden vectors, which each scoring worker runs before "
        "it swaps, and must not be older than the last accepted one. Audited before it counts.",
        role=Role.ADMIN,
        path_parameters=ModelVersionPath,
        body=ReasonRequest,
        body_example=examples.REASON_REQUEST,
        answer=_ALIASES_ANSWER,
        problems=_MODEL_PROBLEMS,
    ),
)
def promote_model(call: Call) -> HttpAnswer:
    """Makes a version the champion."""
    return _aliases(call.services.models().promote(call.path.version, by=call.subject, reason=call.body.reason))


@operation(
    blueprint,
    Operation(
        name="roll_back_model",
        method="POST",
        path="/admin/models/{version}/rollback",
        tag="Administration",
        summary="Go back to an earlier champion",
        description="The version must have been champion before. Both marks of the last accepted version fall to it, "
        "so that scoring workers take it though it is older. Audited before it counts.",
        role=Role.ADMIN,
        path_parameters=ModelVersionPath,
        body=ReasonRequest,
        body_example=examples.REASON_REQUEST,
        answer=_ALIASES_ANSWER,
        problems=_MODEL_PROBLEMS,
    ),
)
def roll_back_model(call: Call) -> HttpAnswer:
    """Makes an earlier champion the champion again."""
    state = call.services.models().roll_back(
        by=call.subject, reason=call.body.reason, version=call.path.version, allow_older=True
    )
    return _aliases(state)


@operation(
    blueprint,
    Operation(
        name="list_queues",
        method="GET",
        path="/admin/queues",
        tag="Administration",
        summary="Look at queues, streams and workers",
        description="Depth, age of the oldest message and consumers of every Celery queue; what each consumer of the "
        "outbox and of the label stream has not acknowledged; the live workers. Where scoring is sharded, each shard "
        "has queues and an outbox of its own.",
        role=Role.ADMIN,
        answer=Answer(description="The queues.", model=QueuesAnswer, example=examples.QUEUES),
        problems=(problems.UNAVAILABLE,),
    ),
)
def list_queues(call: Call) -> HttpAnswer:
    """Returns queues, stream lags and workers."""
    monitor = call.services.monitor
    workers = monitor.workers()
    return json_answer(
        {
            "queues": [asdict(queue) for queue in monitor.queues(workers)],
            "outbox": {consumer: asdict(lag) for consumer, lag in monitor.lags().items()},
            "workers": [asdict(worker) for worker in workers],
            "shards": [asdict(shard) for shard in monitor.shards(workers)],
        }
    )


def _switched(call: Call, state: SafeModeState) -> HttpAnswer:
    """Answers with the new state after making this process obey it at once."""
    show_safe_mode(call.services.safe_mode.refresh())
    return _safe_mode_response(state)


def _aliases(state: RegistryState) -> HttpAnswer:
    return json_answer({"champion": state.champion, "challenger": state.challenger})


def _safe_mode_response(state: SafeModeState) -> HttpAnswer:
    return json_answer({**asdict(state), "way_out": way_out(state)})
