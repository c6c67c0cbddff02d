"""The compared paths by name: the platform, the platform with one setting changed, and two usual ways to build it."""

from collections.abc import Iterable, Mapping

SHRIKE = "shrike"
IN_PROCESS = "in_process"
PERF_MODE = "perf_mode"
FASTAPI_TWO_HOP = "fastapi_two_hop"
CELERY_DEFAULT = "celery_default"

TITLES: Mapping[str, str] = {
    SHRIKE: "Flask + Celery, micro-batched (Shrike)",
    IN_PROCESS: "Flask, model in the web process",
    PERF_MODE: "Shrike in PERF_MODE (keeps nothing)",
    FASTAPI_TWO_HOP: "FastAPI → FastAPI, tuned",
    CELERY_DEFAULT: "Flask + Celery delay().get(), defaults",
}

_BATCH_SIZE = "batch_size_"


def batch_size_name(size: int) -> str:
    """Returns the name of the platform with another INFER_BATCH_SIZE."""
    return f"{_BATCH_SIZE}{size}"


def title_of(name: str) -> str:
    """Returns the title of a path in tables and pictures; one of another measurement has its name."""
    if name.startswith(_BATCH_SIZE):
        return f"Shrike, INFER_BATCH_SIZE={name.removeprefix(_BATCH_SIZE)}"
    return TITLES.get(name, name)


def changed_setting(name: str) -> str | None:
    """Returns the setting in which a path differs from the platform as it is; None for the platform and the peers."""
    if name.startswith(_BATCH_SIZE):
        return f"INFER_BATCH_SIZE={name.removeprefix(_BATCH_SIZE)}"
    return {IN_PROCESS: "USE_LOCAL_INFERENCE=true", PERF_MODE: "PERF_MODE=true"}.get(name)


def in_order(names: Iterable[str]) -> list[str]:
    """Returns different names in the order of the titles, then the batch sizes as they come."""
    places = {name: place for place, name in enumerate(TITLES)}
    return sorted(dict.fromkeys(names), key=lambda name: places.get(name, len(places)))
