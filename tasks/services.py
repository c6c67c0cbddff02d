"""The services of a Celery process: wired once at start-up, looked up by type in the task functions.

A worker's start-up provides the services of its tasks before the first message arrives; a task that asks for one that
its worker never provided fails loudly instead of building a second one.
"""

from typing import Any, TypeVar

_Service = TypeVar("_Service")
_provided: dict[type[Any], Any] = {}


class ServiceMissingError(LookupError):
    """A task ran in a worker that was not started for it."""


def provide(kind: type[_Service], service: _Service) -> None:
    """Makes a service available to this process's tasks, replacing an earlier one."""
    _provided[kind] = service


def require(kind: type[_Service]) -> _Service:
    """Returns the service of a type.

    Raises:
        ServiceMissingError: this process was not started for tasks that need it.
    """
    try:
        service: _Service = _provided[kind]
    except KeyError:
        raise ServiceMissingError(f"this worker provides no {kind.__name__}") from None
    return service
