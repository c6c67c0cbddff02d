"""A stress run from its checks to its summary."""

import resource
import sys
from dataclasses import dataclass

import click

from ops.cli.progress import ProgressLine
from ops.errors import OpsError
from ops.proving.deployment import check_deployment
from ops.proving.stress.load import Load
from ops.proving.stress.requests import StressRequests
from ops.proving.stress.tally import StressTally
from ops.stack.api_access import ApiAccess

SUBJECT = "stress"
_FILES_BESIDE = 64
"""Open files that this process has beside its connections."""


@dataclass(frozen=True, slots=True)
class StressPlan:
    """How much load: requests, how many at once, by how many subjects, and the longest wait for an answer."""

    total: int
    concurrency: int
    subjects: int
    timeout_seconds: float


def run_stress(access: ApiAccess, plan: StressPlan, *, allow_production: bool) -> StressTally:
    """Sends the load with a live line and returns its account; Ctrl-C ends it early.

    Raises:
        ops.errors.OpsError: the deployment gets no load, refuses this machine's credentials, or this machine cannot
            open so many connections.
    """
    _make_room_for(plan.concurrency)
    obstacle = check_deployment(access, allow_production=allow_production)
    if obstacle is not None:
        click.secho(f"{access.url} does not score just now: {obstacle}.", fg="yellow", err=True)
    subjects = [SUBJECT if number == 1 else f"{SUBJECT}-{number}" for number in range(1, plan.subjects + 1)]
    tally, line = StressTally(plan.total), ProgressLine(sys.stderr)
    load = Load(
        access,
        StressRequests(access, subjects),
        total=plan.total,
        concurrency=plan.concurrency,
        timeout_seconds=plan.timeout_seconds,
        tally=tally,
        on_tally=lambda seconds: line.show(tally.line(seconds)),
    )
    try:
        load.run()
    except KeyboardInterrupt:
        click.secho("\nInterrupted; these requests were answered until then:", fg="yellow", err=True)
    line.finish(tally.line(tally.seconds))
    return tally


def advice(tally: StressTally) -> str | None:
    """Returns what to do about a load that mostly met a rate limit; None where it did not."""
    limited = tally.errors["429"]
    if not limited:
        return None
    return (
        f"{limited:,} were refused by a rate limit: --subjects N shares the load out among N clients, each within its "
        f'own limit, or RATE_LIMIT_OVERRIDES={{"{SUBJECT}": [0, 0]}} of the API lifts it for this one.'
    )


def _make_room_for(connections: int) -> None:
    needed = connections + _FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and needed > soft:
        if hard != resource.RLIM_INFINITY and needed > hard:
            raise OpsError(
                f"--concurrency {connections} needs {needed} open files and this machine allows {hard}; choose a "
                "smaller one, or raise `ulimit -n`."
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
