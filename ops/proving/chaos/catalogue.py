"""Every fault by its name."""

from ops.proving.chaos.fault import Fault
from ops.proving.chaos.faults import (
    clocks,
    disks,
    drains,
    memory,
    model,
    overload,
    poison,
    redis,
    restarts,
    schedule,
    score_worker,
    sinks,
)

_MODULES = (score_worker, drains, redis, memory, sinks, poison, schedule, model, disks, clocks, restarts, overload)

FAULTS: dict[str, Fault] = {fault.name: fault for module in _MODULES for fault in module.FAULTS}
