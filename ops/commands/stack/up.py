"""`python -m ops up`: starts the whole platform on this machine."""

import click

from ops.stack.detached import start_detached
from ops.stack.foreground import run_stack
from settings import load_settings


@click.command()
@click.option("--detach", is_flag=True, help="Return once the stack is ready; `down` stops it.")
@click.option("--score-workers", type=click.IntRange(1, 64), help="Scoring workers; 2 by default.")
@click.option("--web-processes", type=click.IntRange(1, 64), help="Web processes; WEB_PROCESSES by default.")
@click.option("--quiet", is_flag=True, help="Keep the processes' log lines in VAR_DIR/log, off the terminal.")
def command(detach: bool, score_workers: int | None, web_processes: int | None, quiet: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Start servers, workers, the API, beat and Flower, and keep them running until Ctrl-C."""
    settings = load_settings()
    if detach:
        start_detached(settings, score_workers=score_workers, web_processes=web_processes)
    else:
        run_stack(settings, score_workers=score_workers, web_processes=web_processes, shows_logs=not quiet)
