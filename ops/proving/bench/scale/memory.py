"""Resident memory of a web process and a scoring worker, after a warm-up and after many transactions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ops.errors import OpsError
from ops.proving.bench.load.contender import Contender
from ops.proving.bench.load.loops import closed_loop
from ops.proving.bench.load.requests import Signer, TransactionSupply, batch_requests, single_requests

STEP = 20_000
"""Transactions of the warm-up and of each step."""
_BATCH_ROWS = 500
_SINGLE_SHARE = 0.1
_CONNECTIONS = 32
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Reading:
    """Resident MiB by process after so many transactions."""

    transactions: int
    resident_mib: Mapping[str, float]


def watch_memory(
    contender: Contender,
    supply: TransactionSupply,
    signer: Signer,
    *,
    transactions: int,
    progress: Callable[[str], None],
) -> list[Reading]:
    """Returns readings after a warm-up and then after every step; a tenth of all comes one by one, the rest in batches.

    Raises:
        OpsError: a request was not answered.
    """
    pids = _processes(contender)
    readings = []
    done = -STEP  # the first step is the warm-up
    while done < transactions:
        _send(contender, supply, signer, STEP)
        contender.wait_until_done()
        done += STEP
        readings.append(Reading(done, {name: _resident_mib(pid) for name, pid in pids.items()}))
        progress(f"{done:,} of {transactions:,} transactions")
    return readings


def _send(contender: Contender, supply: TransactionSupply, signer: Signer, count: int) -> None:
    singles = round(count * _SINGLE_SHARE)
    one_by_one = single_requests(signer, supply.take(singles, name="memory"))
    supply.advance(singles)
    together = batch_requests(signer, supply.take(count - singles, name="memory"), rows=_BATCH_ROWS)
    supply.advance(count - singles)
    for requests, connections in ((one_by_one, _CONNECTIONS), (together, 2)):
        result = closed_loop(contender.host, contender.port, requests, connections=connections)
        if result.answered < len(requests):
            raise OpsError(f"{len(requests) - result.answered} of {len(requests)} requests were not answered.")


def _processes(contender: Contender) -> dict[str, int]:
    """Returns the pid of the web process that serves, not of the master that forked it, and of each scoring worker."""
    chosen = {name: pid for name, pid in contender.roots.items() if name.startswith("score")}
    return chosen | {"web": _child(contender.roots["web"])}


def _child(pid: int) -> int:
    """Returns the last descendant of a process, following each last child down to one without any."""
    children = [
        int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()
    ]
    return _child(children[-1]) if children else pid


def _resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / _MIB
    raise OpsError(f"Process {pid} has ended.")
