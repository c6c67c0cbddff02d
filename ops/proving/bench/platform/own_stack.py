"""A stack of its own for a measurement: the demo's model and days, everything written below one folder."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from ml.domain.transaction import Transaction
from ops.first_model.source import Days, Source, load, moment
from ops.first_model.training import prepare
from ops.proving.bench.latency.paths import Contender
from ops.proving.bench.latency.peers import environment, platform
from ops.proving.bench.load.requests import SUBJECT, Signer
from ops.stack.child import child_stack
from ops.stack.preconditions import ensure_keys
from ops.stack.state import StackState
from ops.terminal.progress import ProgressLine
from ops.terminal.steps import run_command, say
from security.keys import check_secret
from security.roles import Role
from security.tokens.tokens import issue_token
from settings import Settings

_TOKEN_SECONDS = 7200


@dataclass(frozen=True)
class OwnStack:
    """A running stack and what it takes to load it.

    Attributes:
        state: its processes and their environment.
        env: what a further process of it is told.
        settings: keys, and a model folder that is a copy: a measurement may promote.
        transactions: of the demo's live days, in order.
        days: their borders.
        folder: where everything is written.
    """

    state: StackState
    env: dict[str, str]
    settings: Settings
    signer: Signer
    transactions: list[Transaction]
    days: Days
    folder: Path

    @property
    def platform(self) -> Contender:
        """The stack's own API and workers."""
        return platform(self.state)

    @property
    def span_seconds(self) -> int:
        """How long the live days last."""
        return self.days.data_end - self.days.live_start


@contextmanager
def own_stack(settings: Settings, name: str, *, score_workers: int = 1) -> Iterator[OwnStack]:
    """Starts a stack with the demo's history for the length of a block.

    Args:
        settings: keys, model, and where everything is written.
        name: of the measurement, and so of its folder.
        score_workers: how many of them.

    Raises:
        OpsError: it did not start; the message says what.
    """
    say("Keys, history and model")
    settings = ensure_keys(settings, click.echo)
    prepare(settings)
    source = Source.of(settings, None)
    history = load(source, settings)
    days = Days.of(history)
    folder = settings.var_dir / "bench" / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(settings.models_path, folder / "models")
    settings = settings.model_copy(update={"model_dir": folder / "models"})
    env = environment(settings.models_path)
    progress = ProgressLine()
    with child_stack(
        folder,
        env=os.environ | env,
        on_ready=lambda ready, total: progress.show(f"{len(ready)} of {total} processes are ready"),
        options=("--score-workers", str(score_workers)),
    ) as state:
        progress.finish()
        run_command(["backfill", "--data", str(source.file), "--until", moment(days.live_start)], state.env)
        signer = Signer(
            issue_token(settings, subject=SUBJECT, roles=[Role.SERVICE], lifetime_seconds=_TOKEN_SECONDS),
            check_secret("HMAC_KEY", settings.hmac_key),
        )
        transactions = list(days.live_rows(history, len(history)).to_transactions())
        yield OwnStack(state, env, settings, signer, transactions, days, folder)
