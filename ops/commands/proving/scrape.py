"""`python -m ops scrape`: lets Debian's Prometheus scrape the running stack for minutes, and judges what it saw."""

import sys

import click

from ops.cli.progress import ProgressLine
from settings import load_settings


@click.command()
@click.option("--minutes", type=click.FloatRange(0.1, 24 * 60), default=10.0, show_default=True, help="How long.")
@click.option(
    "--interval", type=click.FloatRange(0.1, 60), default=1.0, show_default=True, help="Seconds between scrapes."
)
def command(minutes: float, interval: float) -> None:
    """Scrape the API, with a token that is replaced in the middle, every worker and beat.

    Exit code 0 if all were up at every scrape and no counter ever fell, 1 otherwise.
    """
    from ops.proving.scraping.run import scrape_stack

    progress = ProgressLine()
    found = scrape_stack(
        load_settings(),
        seconds=minutes * 60,
        interval_seconds=interval,
        on_tick=lambda left: progress.show(f"Prometheus scrapes for {left:.0f} s more"),
    )
    progress.finish()
    click.echo(f"{'process':<14}{'scrapes':>9}{'down':>7}{'counters':>10}{'fallen':>8}")
    for one in found:
        click.echo(f"{one.job:<14}{one.scrapes:>9}{one.failed:>7}{one.counters:>10}{len(one.fallen):>8}")
    problems = [problem for one in found for problem in one.problems()]
    for problem in problems:
        click.secho(problem, fg="red", err=True)
    sys.exit(1 if problems else 0)
