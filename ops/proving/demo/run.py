"""Runs the demo from keys to report."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import click

from ml.data.table import TransactionTable
from ml.domain.durations import DAY_SECONDS
from ml.registry.registry import ModelRegistry
from ml.stores.explanations.explanations_mongo import MongoExplanationStore
from ops.cli.progress import ProgressLine
from ops.cli.steps import run_command, say
from ops.client import Client
from ops.first_model.source import Days, Source, TrainedFor, load, moment
from ops.first_model.training import ensure_data, ensure_model
from ops.proving.demo.arrivals import Arrivals, Patience, wait_for_published, wait_for_stored
from ops.proving.demo.live import LiveTraffic, build_traffic
from ops.proving.demo.place import Place
from ops.proving.demo.report import Report, Seconds, build_report, summary
from ops.proving.demo.tally import Tally
from ops.proving.running_stack import running_stack
from ops.proving.traffic import Outcome, fire
from ops.stack.preconditions import ensure_keys
from ops.stack.state import StackState
from security.keys import check_secret
from security.roles import Role
from security.tokens.token_issuer import issue_token
from settings import Settings
from tasks.wiring.clients_mongo import connect_mongo

SUBJECT = "demo"
_ARRIVAL_SECONDS = 120.0
"""How long a sink may take nothing more before the rest counts as missing."""
_MAX_RETRIES, _RETRIES_A_SHOT = 20, 2.0
"""A busy machine may refuse one request often; a platform that refuses every one is not asked for ever."""
_SCORE_TIMEOUT_MS = 2000
"""Longest wait for a decision, unless the user sets one: what is shown is what becomes of every transaction, and a busy
machine that answers late shows it in the latencies."""


@dataclass
class Demo:
    """One run of the demo.

    Attributes:
        file: transactions to work with instead of simulated ones.
        transactions: how many are scored.
        rate: requests per second.
        started_at: when the set-up began, epoch seconds; it may have begun before this process.
    """

    settings: Settings
    file: Path | None
    transactions: int
    rate: float
    started_at: float
    _run: str = field(default_factory=lambda: f"demo{int(time.time()):x}")

    def run(self) -> Report:
        """Runs all steps and returns the report, which it has printed and written.

        Raises:
            ml.domain.errors.MlError, ops.errors.OpsError: a step failed; the message is one sentence.
        """
        say("Keys")
        self.settings = ensure_keys(self.settings, lambda text: click.echo(f"  {text}"))
        click.echo("  every key is there")
        source = Source.of(self.settings, self.file)
        days, live_table = self._prepare_data(source)
        trained_from = time.time()
        say("Model")
        model = ensure_model(source, days, self.settings)
        run_from = time.time()
        say("Stack: servers, workers, API, beat and Flower")
        place = Place.of(source, self.settings, models=model.models)
        place.clear()
        try:
            with running_stack(place.folder, self._environment(model)) as stack:
                live = self._live_settings(stack, model)
                say("Backfill: what the features remember of the time before")
                run_command(["backfill", "--data", str(source.file), "--until", moment(days.live_start)], stack.env)
                # Built now: one of its requests is signed already, and signatures age.
                traffic = build_traffic(live_table, run=self._run)
                tally = self._score(traffic, stack, live)
                stored, published = _arrivals(live, tally)
        finally:
            place.leave()
        report = build_report(
            tally=tally,
            traffic=traffic,
            stored=stored,
            published=published,
            seconds=Seconds(
                setup=round(trained_from - self.started_at, 1),
                train=round(run_from - trained_from, 1),
                run=round(time.time() - run_from, 1),
            ),
            data={"name": source.name, **days.wire(), "after_training": _quality(model)},
        )
        path = self.settings.var_dir / "demo-report.json"
        path.write_text(json.dumps(report.wire(), indent=2) + "\n")
        steps = _next_steps(path, place, tally)
        click.echo(summary(report, tally=tally, traffic=traffic, urls=stack.urls, next_steps=steps))
        return report

    def _prepare_data(self, source: Source) -> tuple[Days, TransactionTable]:
        say("Data")
        ensure_data(source)
        table = load(source, self.settings)
        days = Days.of(table)
        live = days.live_rows(table, self.transactions)
        delay, window = self.settings.label_delay_days, self.settings.training_window_days
        learnt_until = days.live_start - round(delay * DAY_SECONDS)
        click.echo(f"  {len(table):,} transactions in {source.file}")
        click.echo(f"  learn from the {window} days before {moment(learnt_until)} UTC,")
        click.echo(f"  live through {delay:g} days until their labels are known,")
        click.echo(f"  then score the first {len(live):,} transactions from {moment(days.live_start)} on")
        return days, live

    def _environment(self, model: TrainedFor) -> dict[str, str]:
        """Returns the settings of the demo's stack beyond the user's own."""
        overrides = self.settings.rate_limit_overrides | {SUBJECT: (0, 0.0)}
        patience = {"SCORE_TIMEOUT_MS": str(_SCORE_TIMEOUT_MS)}
        if "score_timeout_ms" in self.settings.model_fields_set:
            patience = {}
        return patience | {
            "MODEL_DIR": str(model.models),
            "MLFLOW_TRACKING_URI": self.settings.mlflow_uri,
            # The rate limit of this one subject is off, or the demo would mostly show 429.
            "RATE_LIMIT_OVERRIDES": json.dumps(overrides),
        }

    def _live_settings(self, stack: StackState, model: TrainedFor) -> Settings:
        servers = {name: stack.env[name.upper()] for name in ("redis_url", "mongo_url", "kafka_bootstrap")}
        return self.settings.model_copy(update={**servers, "model_dir": model.models})

    def _score(self, traffic: LiveTraffic, stack: StackState, settings: Settings) -> Tally:
        say(f"Traffic: {len(traffic.shots):,} requests, {self.rate:g} a second, to {stack.urls['api']}")
        token = issue_token(settings, subject=SUBJECT, roles=[Role.SERVICE, Role.READ])
        key = check_secret("HMAC_KEY", settings.hmac_key)
        tally, progress = Tally(), ProgressLine()

        def count(outcome: Outcome) -> None:
            tally.count(outcome)
            progress.show(_progress_text(tally, len(traffic.shots)))

        fire(
            traffic.shots,
            rate=self.rate,
            make_client=lambda: Client(stack.urls["api"], hmac_key=key, token=token),
            on_outcome=count,
            max_retries=_MAX_RETRIES,
            retry_budget=round(_RETRIES_A_SHOT * len(traffic.shots)),
        )
        progress.finish(_progress_text(tally, len(traffic.shots)))
        return tally


def _progress_text(tally: Tally, total: int) -> str:
    words = [decision["decision"] for decision in tally.decisions.values()]
    latest = tally.latencies_ms[-100:]
    pace = f", lately {sum(latest) / len(latest):.1f} ms on average" if latest else ""
    return (
        f"{tally.seen:,} of {total:,}: {words.count('approve'):,} approved, {words.count('review'):,} to review, "
        f"{words.count('decline'):,} declined, {tally.refused.total()} refused, {len(tally.errors)} errors{pace}"
    )


def _arrivals(settings: Settings, tally: Tally) -> tuple[Arrivals, Arrivals]:
    """Waits until both sinks hold what was answered, and counts it there."""
    say("Delivery: what MongoDB and Kafka really hold")
    ids = list(tally.decisions)
    progress = ProgressLine()
    with connect_mongo(settings).client as client:
        stored = wait_for_stored(
            MongoExplanationStore(client[settings.mongo_database]["explanations"]),
            ids,
            patience=Patience(_ARRIVAL_SECONDS),
            on_count=lambda count: progress.show(f"{count:,} of {len(ids):,} stored"),
        )
    progress.finish(f"{stored.distinct:,} of {len(ids):,} stored")
    progress = ProgressLine()
    published = wait_for_published(
        settings.kafka_bootstrap,
        settings.kafka_topic_scored,
        ids,
        patience=Patience(_ARRIVAL_SECONDS),
        on_count=lambda count: progress.show(f"{count:,} of {len(ids):,} published"),
    )
    progress.finish(f"{published.distinct:,} of {len(ids):,} published")
    return stored, published


def _quality(model: TrainedFor) -> dict[str, float]:
    """Returns the figures that training measured on the live days."""
    versions = ModelRegistry(model.models).versions()
    metrics = next((info.metrics for info in versions if info.version == model.version), {})
    return {name: round(metrics[name], 4) for name in ("auc", "average_precision") if name in metrics}


def _next_steps(report: Path, place: Place, tally: Tally) -> dict[str, str]:
    """Returns what a user can do next, and what that shows."""
    shown = max(tally.decisions.values(), key=lambda decision: float(decision["score"]), default=None)
    steps = {str(report): "all of this as JSON", place.command(): "the same stack again, with what was decided here"}
    if shown is not None:
        request = place.request(f"/explanations/{shown['transaction_id']}")
        steps[request] = "in another terminal: the highest score, explained"
    return steps | {
        "/docs on the running API": "every route described; `python -m ops request` sends a signed request to one",
        "README.md, ARCHITECTURE.md": "how to send a first request, and how it works inside",
    }
