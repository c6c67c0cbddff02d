"""A stack of its own for a measurement: a copied model, simulated days, everything written below one folder."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ml.domain.transaction import Transaction
from ops.cli.steps import run_command, say
from ops.first_model.source import Days, Source, load, moment
from ops.first_model.training import proving_settings
from ops.processes.ports import LOOPBACK
from ops.proving.bench.load.contender import Contender
from ops.proving.bench.load.requests import SUBJECT, Signer, TransactionSupply
from ops.proving.bench.platform.waiting import wait_until_delivered
from ops.proving.place import refuse_named_servers, reserved
from ops.proving.running_stack import running_stack
from ops.stack.state import StackState
from security.keys import check_secret
from security.roles import Role
from security.tokens.token_issuer import issue_token
from settings import Settings

PLATFORM = "shrike"
"""Name of the stack's own path."""
UNLIMITED = 10**9

_TOKEN_SECONDS = 7200
_SERVERS_STOOD_IN_FOR = frozenset({"mongo", "kafka"})


@dataclass(frozen=True)
class OwnStack:
    """A running stack and what it takes to load it.

    Attributes:
        state: its processes and their environment.
        env: the benchmark's settings, which every process of it gets.
        settings: keys, and a model folder that is a copy: a measurement may promote.
        transactions: of the live days, in order.
        days: their borders.
        history: the file that the features were filled from.
        folder: where everything is written.
    """

    state: StackState
    env: dict[str, str]
    settings: Settings
    signer: Signer
    transactions: list[Transaction]
    days: Days
    history: Path
    folder: Path

    @property
    def process_env(self) -> dict[str, str]:
        """The environment of a further process beside the stack."""
        return {**self.state.env, **self.env}

    @property
    def roots(self) -> dict[str, int]:
        """The stack's pids by name, Redis included, without the stand-ins for MongoDB and Kafka."""
        return {
            item.name: item.pid
            for item in self.state.processes
            if item.pid is not None and item.name not in _SERVERS_STOOD_IN_FOR
        }

    @property
    def platform(self) -> Contender:
        """The stack's own API and workers."""
        return self.contender(PLATFORM, port=int(self.state.env["WEB_PORT"]), roots=self.roots)

    def contender(self, name: str, *, port: int, roots: dict[str, int]) -> Contender:
        """Returns a path on this machine whose answers the stack's drains deliver."""
        return Contender(name, LOOPBACK, port, roots, partial(wait_until_delivered, self.state))

    def supply(self, transactions: list[Transaction] | None = None) -> TransactionSupply:
        """Returns a supply of the live days' transactions, or of others over the same days."""
        span_seconds = self.days.data_end - self.days.live_start
        return TransactionSupply(transactions or self.transactions, span_seconds=span_seconds)

    def backfill(self, env: dict[str, str]) -> None:
        """Fills the feature store that an environment leads to, up to the live days."""
        run_command(["backfill", "--data", str(self.history), "--until", moment(self.days.live_start)], env)


@contextmanager
def own_stack(settings: Settings, name: str, *, score_workers: int = 1) -> Iterator[OwnStack]:
    """Starts a stack with a simulated history for the length of a block.

    Args:
        settings: keys, model, and where everything is written.
        name: of the measurement, and so of its folder.
        score_workers: how many of them.

    Raises:
        OpsError: it did not start; the message names the cause.
    """
    refuse_named_servers(settings)
    say("Keys, history and model")
    settings = proving_settings(settings)
    source = Source.of_proving(settings)
    history = load(source, settings)
    days = Days.of(history)
    folder = settings.var_dir / "bench" / name
    with reserved(folder):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(settings.models_path, folder / "models")
        settings = settings.model_copy(update={"model_dir": folder / "models"})
        env = _environment(settings.models_path)
        with running_stack(folder, env, options=("--score-workers", str(score_workers))) as state:
            signer = Signer(
                issue_token(settings, subject=SUBJECT, roles=[Role.SERVICE], lifetime_seconds=_TOKEN_SECONDS),
                check_secret("HMAC_KEY", settings.hmac_key),
            )
            transactions = list(days.live_rows(history, len(history)).to_transactions())
            stack = OwnStack(state, env, settings, signer, transactions, days, source.file, folder)
            stack.backfill(dict(state.env))
            yield stack


def _environment(models: Path) -> dict[str, str]:
    """Returns the settings of every process of a benchmark, which a path may change to show another choice.

    Rate limits are checked as always and never reached; the deadline is long enough that saturation shows as latency.
    """
    return {
        "MODEL_DIR": str(models.absolute()),
        "RATE_LIMIT_OVERRIDES": json.dumps({SUBJECT: [UNLIMITED, UNLIMITED]}),
        "DEVICE_RATE_LIMIT_CAPACITY": str(UNLIMITED),
        "DEVICE_RATE_LIMIT_REFILL_PER_MINUTE": str(UNLIMITED),
        "SCORE_TIMEOUT_MS": "5000",
        "USE_LOCAL_INFERENCE": "false",
        "PERF_MODE": "false",
        "WEB_PORT": "0",
        "METRICS_PORT_BASE": "0",
        "FLOWER_PORT": "0",
    }
