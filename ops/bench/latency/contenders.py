"""What is compared: the platform, the model in the web process, and two things one would build otherwise."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

SHRIKE = "shrike"
IN_PROCESS = "in_process"
FASTAPI_TWO_HOP = "fastapi_two_hop"
CELERY_DEFAULT = "celery_default"

TITLES: Mapping[str, str] = {
    SHRIKE: "Flask + Celery, micro-batched (Shrike)",
    IN_PROCESS: "Flask, model in the web process",
    FASTAPI_TWO_HOP: "FastAPI → FastAPI, tuned",
    CELERY_DEFAULT: "Flask + Celery delay().get(), defaults",
}


def _nothing_left() -> None:
    return None


@dataclass(frozen=True)
class Contender:
    """One path under test, up and running.

    Attributes:
        name: as in the JSON.
        host, port: where it takes requests.
        roots: the pids at the roots of its process trees, by name; Redis, which all share, included.
        settle: returns once the work behind the answers is done too, such as delivery to MongoDB and Kafka.
    """

    name: str
    host: str
    port: int
    roots: Mapping[str, int]
    settle: Callable[[], None] = _nothing_left

    @property
    def title(self) -> str:
        """What people call it."""
        return TITLES[self.name]
