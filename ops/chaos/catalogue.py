"""Every fault by its name."""

from ops.chaos.fault import Fault
from ops.chaos.faults import drains, redis, score_worker

FAULTS: dict[str, Fault] = {fault.name: fault for module in (score_worker, drains, redis) for fault in module.FAULTS}
