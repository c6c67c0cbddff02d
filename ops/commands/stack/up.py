"""`python -m ops up`: starts the whole platform on this machine."""

import click

from ops.cli.progress import ProgressLine
from ops.stack.detached import start_detached
from ops.stack.foreground import addresses, run_stack
from ops.stack.start import readiness
from settings import Settings, load_settings
from settings.production_connections import PLATFORM
from settings.production_rules import refuse_unsafe


@click.command()
@click.option("--detach", is_flag=True, help="Return once the stack is ready; `down` stops it.")
@click.option("--score-workers", type=click.IntRange(1, 64), help="Scoring workers; 2 by default.")
@click.option("--web-processes", type=click.IntRange(1, 64), help="Web processes; WEB_PROCESSES by default.")
@click.option("--quiet", is_flag=True, help="Keep the processes' log lines in VAR_DIR/log, off the terminal.")
def command(detach: bool, score_workers: int | None, web_processes: int | None, quiet: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Start servers, workers, the API, beat and Flower, and keep them running until Ctrl-C."""
    settings = load_settings()
    refuse_unsafe(settings, PLATFORM)
    if detach:
        _start(settings, score_workers=score_workers, web_processes=web_processes)
    else:
        run_stack(settings, score_workers=score_workers, web_processes=web_processes, shows_logs=not quiet)


def _start(settings: Settings, *, score_workers: int | None, web_processes: int | None) -> None:
    """Starts in the background and prints how far it is, then where everything is."""
    progress = ProgressLine()
    stack = start_detached(
        settings,
        on_ready=lambda ready, awaited: progress.show(readiness(ready, awaited)),
        score_workers=score_workers,
        web_processes=web_processes,
    )
    progress.finish()
    for note in stack.notes:
        click.secho(note, fg="yellow", err=True)
    missing = [process.name for process in stack.processes if process.state != "running"]
    if missing:
        click.secho(f"Not ready yet, and tried again: {', '.join(missing)}.", fg="yellow", err=True)
    click.echo(f"The stack runs; `python -m ops down` stops it.\n{addresses(stack.urls)}")
