"""The results of the suite, as a table for people and as JSON."""

from collections.abc import Mapping
from typing import Any

from ops.proving.chaos.evidence.footprint import Growth
from ops.proving.chaos.fault import Fault, Trial

_COLUMNS = ("runs", "answered", "lost", "twice in Kafka", "twice in Mongo", "unknown", "recovery")


def header() -> str:
    """Returns the table's first line."""
    return f"{'fault':<30}" + "".join(f"{column:>16}" for column in _COLUMNS) + "   verdict"


def row(name: str, trial: Trial) -> str:
    """Returns a fault's line."""
    counts = (trial.runs, trial.acknowledged, trial.lost, trial.duplicated, trial.mongo_duplicates, trial.unknown)
    cells = "".join(f"{count:>16,}" for count in counts)
    verdict = "as expected" if trial.is_as_expected else "NOT AS EXPECTED"
    return f"{name:<30}{cells}{trial.recovery_seconds:>14.1f} s   {verdict}"


def details(fault: Fault, trial: Trial) -> list[str]:
    """Returns the lines below a fault's line: expectation, observations, what was wrong."""
    return [
        f"    expected: {fault.expected}",
        *(f"    seen: {note}" for note in trial.notes),
        *(f"    wrong: {problem}" for problem in (*trial.problems, *trial.delays)),
    ]


def as_json(results: Mapping[str, Trial]) -> dict[str, Any]:
    """Returns the report of all faults."""
    return {"faults": [_entry(name, trial) for name, trial in results.items()]}


def _entry(name: str, trial: Trial) -> dict[str, Any]:
    return {
        "name": name,
        "runs": trial.runs,
        "acknowledged": trial.acknowledged,
        "lost": trial.lost,
        "duplicated": trial.duplicated,
        "mongo_duplicates": trial.mongo_duplicates,
        "unknown": trial.unknown,
        "failed_first": trial.failed_first,
        "recovery_seconds": round(trial.recovery_seconds, 2),
        "note": "; ".join([*trial.notes, *(f"WRONG: {problem}" for problem in (*trial.problems, *trial.delays))]),
        "ok": trial.is_as_expected,
    }


def growth_row(growth: Growth) -> str:
    """Returns the line of a process that was watched for growth."""
    memory = " → ".join(f"{size / 2**20:.1f}" for size in growth.resident_bytes)
    files, sockets = (" → ".join(map(str, pair)) for pair in (growth.files, growth.sockets))
    verdict = "flat" if growth.is_flat else "GROWS"
    return f"{growth.name:<10} {memory:>18} MiB {files:>12} files {sockets:>12} of them sockets   {verdict}"
