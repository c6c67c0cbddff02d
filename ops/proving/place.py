"""The folder of a stack of its own: one run at a time, because each begins by deleting what the last one left."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.errors import StackError
from ops.stack import state
from settings import Settings

SERVERS = (
    "redis_url",
    "broker_url",
    "feature_redis_url",
    "score_shard_urls",
    "mongo_url",
    "kafka_bootstrap",
    "mlflow_tracking_uri",
)
"""Settings that lead a stack to servers of somebody's."""


def refuse_named_servers(settings: Settings) -> None:
    """Refuses settings that would lead a stack with data of its own to servers that others use.

    Raises:
        ops.errors.StackError: they name one.
    """
    named = [name.upper() for name in SERVERS if name in settings.model_fields_set and getattr(settings, name)]
    if named:
        raise StackError(
            f"{', '.join(named)} would lead this run's synthetic load to servers that others use: take it out of the "
            "environment and of .env, or load the deployment that is meant by its --url."
        )


@contextmanager
def reserved(folder: Path) -> Iterator[None]:
    """Keeps a folder for the length of a block; it may be emptied within. The lock stands beside it.

    Raises:
        ops.errors.StackError: another run has it, or a stack runs there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(
                f"Another run works in {folder}: wait for its end, or give this one a VAR_DIR of its own."
            ) from error
        if state.is_running(folder):
            raise StackError(f"A stack runs in {folder}: end it by `VAR_DIR={folder} python -m ops down` first.")
        yield
