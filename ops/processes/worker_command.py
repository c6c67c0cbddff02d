"""The command line of a Celery worker."""


def worker_arguments(queue: str, number: int, *, shard: str | None = None) -> list[str]:
    """Returns the interpreter's arguments for a worker.

    The solo pool runs tasks in the worker itself: no second process between the queue and the model. Gossip and
    mingle are messages between workers that no worker here needs; task events and heartbeats stay on for Flower.
    """
    name = f"{queue}-{number}" if shard is None else f"{queue}-{shard}-{number}"
    return [
        *("-m", "celery", "-A", f"workers.{queue}", "worker"),
        *("-Q", queue, "-n", f"{name}@%h", "-P", "solo", "-E"),
        *("--without-gossip", "--without-mingle", "--heartbeat-interval", "5"),
    ]
