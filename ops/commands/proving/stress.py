"""`python -m ops stress`: loads a deployment with synthetic transactions and counts what became of them."""

import json
import sys
from pathlib import Path

import click

from ops.stack.api_access import ApiOptions, api_options
from settings import load_settings


@click.command()
@click.option("--total", type=click.IntRange(1, 100_000_000), default=5_000, show_default=True, help="Requests.")
@click.option("--concurrency", type=click.IntRange(1, 20_000), default=400, show_default=True, help="As many at once.")
@api_options
@click.option(
    "--timeout", type=click.FloatRange(0.1, 300), default=30.0, show_default=True, help="Longest wait for an answer, s."
)
@click.option(
    "--subjects",
    type=click.IntRange(1, 10_000),
    default=1,
    show_default=True,
    help="Clients that share the load, each within its own rate limit.",
)
@click.option("--score-workers", type=click.IntRange(1, 64), help="Load a stack of its own with so many.")
@click.option("--web-processes", type=click.IntRange(1, 64), help="Load a stack of its own with so many.")
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the account there, too."
)
@click.option("--allow-production", is_flag=True, help="Load also a deployment that says it is production.")
def command(  # noqa: PLR0913 - click passes one argument per option
    *,
    total: int,
    concurrency: int,
    api: ApiOptions,
    timeout: float,
    subjects: int,
    score_workers: int | None,
    web_processes: int | None,
    json_file: Path | None,
    allow_production: bool,
) -> None:
    """Send scoring requests as fast as so many waiting clients can, signed with this machine's keys.

    Without --url the running stack is loaded; --score-workers or --web-processes start one for this load alone, whose
    data is deleted at its next start. Latencies are those of decisions, from sending to the whole answer.

    Exit code 0 if any request got its decision, 1 if none did.
    """
    from ops.proving.stress.own_stack import stack_of_its_own
    from ops.proving.stress.run import StressPlan, advice, run_stress

    settings = load_settings()
    plan = StressPlan(total, concurrency, subjects, timeout)
    if score_workers is None and web_processes is None:
        tally = run_stress(api.access(settings), plan, allow_production=allow_production)
    elif api != ApiOptions():
        raise click.UsageError("--score-workers and --web-processes are of a stack on this machine; leave --url out.")
    else:
        with stack_of_its_own(settings, score_workers=score_workers, web_processes=web_processes) as (url, own):
            tally = run_stress(ApiOptions(url).access(own), plan, allow_production=allow_production)
    click.echo(tally.text())
    if (hint := advice(tally)) is not None:
        click.secho(hint, fg="yellow", err=True)
    if json_file is not None:
        json_file.write_text(json.dumps(tally.wire(), indent=2) + "\n")
    sys.exit(0 if tally.ok else 1)
