"""Retraining: train on the labels known now, compare with the champion on later transactions, promote if better.

Time runs back from the latest transaction. The last `label_delay_days` are not used: their frauds are not all
known. The `evaluation_days` before that are the comparison, on which neither model was fitted; the training window
ends a label delay earlier, because at the start of the comparison no later label was known.

The rule: with no champion, or one whose schema or format this code no longer serves, the challenger is promoted;
otherwise only if its average precision is higher on the same rows. A champion that fails another check is never
replaced without an operator. What an operator did during the training stands: if the champion is no longer the one that
was compared, nothing is promoted. A promotion is audited like an operator's, before it counts.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import orjson

from ml.data.table import LEGITIMATE, TransactionTable
from ml.domain.durations import DAY_SECONDS
from ml.domain.errors import ArtifactError, DataError, StoreUnavailableError
from ml.registry.administration import ModelAdministration
from ml.registry.registry import Alias, ModelRegistry, RegistryError, RegistryState
from ml.registry.release import ServableVersion, open_version, release
from ml.serving.runtime import ScoringModel
from ml.stores.training_source.training_source import TrainingSource
from ml.training.comparison import Contest, figures, is_better
from ml.training.evaluation import Quality
from ml.training.stored_table import gather
from ml.training.tracking import REPORT_FILES, REPORT_NAME, ExperimentTracker, TrackingError, TrainingRun
from ml.training.window import TrainingWindow
from security.artifacts.artifact_keys import ArtifactSigner, ArtifactVerifier
from security.audit.audit import AuditUnavailableError

if TYPE_CHECKING:
    from ml.training.train import TrainingSettings

FEATURE_HISTORY_DAYS = 60
"""Days before the training window that its features look back on; the longest window of a feature is 30 days."""

MIN_EVALUATION_FRAUDS = 10
"""Frauds in the comparison below which average precision says little about which model is better."""

_UNSERVABLE = frozenset({"schema", "format"})
"""Checks that a sound champion fails after an upgrade of the code."""

_AUTHOR = "retraining"
"""How the audit names a promotion that nobody asked for."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetrainingPlan:
    """The data and settings of a retraining.

    Attributes:
        history: file of transactions from before the stored ones; None if there is none.
        window_days: length of the training window.
        label_delay_days: days until the frauds of a day count as known.
        evaluation_days: length of the comparison.
        training: hyper-parameters; None for the defaults on one thread.
    """

    history: Path | None
    window_days: float = 28
    label_delay_days: float = 7
    evaluation_days: float = 7
    training: "TrainingSettings | None" = None

    @property
    def span_days(self) -> float:
        """How far back transactions are needed."""
        return self.window_days + 2 * self.label_delay_days + self.evaluation_days + FEATURE_HISTORY_DAYS


@dataclass(frozen=True)
class RetrainingReport:
    """The result of one retraining.

    Attributes:
        outcome: `promoted`, `kept` (the challenger was trained and registered, the champion stays) or `skipped`.
        reason: why, one sentence.
        version: the new version; None if skipped.
        champion: the champion before the run.
        challenger_figures, champion_figures: quality on the same rows; empty if not measured.
        run_ids: MLflow's ids of the logged runs.
        tracking_error: why MLflow took nothing; the outcome stands without it.
        seconds: how long it took.
    """

    outcome: Literal["promoted", "kept", "skipped"]
    reason: str
    version: str | None = None
    champion: str | None = None
    challenger_figures: Mapping[str, float] = field(default_factory=dict)
    champion_figures: Mapping[str, float] = field(default_factory=dict)
    run_ids: tuple[str, ...] = ()
    tracking_error: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class _Champion:
    """The champion as the comparison sees it; `servable` is None if it fails a check, which `failure` names."""

    state: RegistryState
    servable: ServableVersion | None = None
    failure: ArtifactError | None = None

    @property
    def version(self) -> str | None:
        """The champion's version."""
        return self.state.champion

    @property
    def fitted_until(self) -> int:
        """Where the rows it was fitted on end, epoch seconds; comparing on them would flatter it."""
        if self.servable is None:
            return 0
        window = orjson.loads(self.servable.files["training.json"])["window"]
        return int(datetime.fromisoformat(window["end"]).timestamp())


class _SkippedError(Exception):
    """This run cannot train or compare; its text is the reason."""


class Retraining:
    """Runs retrainings, each from the data stored at that moment.

    Args:
        registry: versions and aliases.
        administration: changes the champion, audited.
        signer: the trainer's keys.
        verifier: keys that the champion may be signed with.
        source: what the platform stored.
        tracker: where runs are logged.
        plan: data and hyper-parameters.
    """

    def __init__(
        self,
        *,
        registry: ModelRegistry,
        administration: ModelAdministration,
        signer: ArtifactSigner,
        verifier: ArtifactVerifier,
        source: TrainingSource,
        tracker: ExperimentTracker,
        plan: RetrainingPlan,
    ) -> None:
        self._registry = registry
        self._administration = administration
        self._signer = signer
        self._verifier = verifier
        self._source = source
        self._tracker = tracker
        self._plan = plan

    def run(self, progress: Callable[[str, float], None] = lambda _stage, _share: None) -> RetrainingReport:
        """Trains, compares and decides; too little data gives a report, not an exception.

        Raises:
            StoreUnavailableError: the stored transactions cannot be read; a later run may work.
            ArtifactError, RegistryError: the registry, or what was trained, is unusable.
        """
        from ml.training.report import render_report
        from ml.training.train import TrainingSettings, train

        started = time.monotonic()
        # One thread: training shares its host with scoring, and XGBoost's and torch's idle threads spin.
        settings = self._plan.training or TrainingSettings(threads=1)
        champion = self._champion()
        try:
            contest, window = self._prepare(champion)
            trained = train(contest.table, window=window, settings=settings, progress=progress)
        except (_SkippedError, DataError) as skipped:
            report = RetrainingReport("skipped", str(skipped), champion=champion.version)
        else:
            files = trained.files() | {REPORT_NAME: render_report(trained)}
            report = self._track(*self._decide(contest, champion, files))
        return replace(report, seconds=round(time.monotonic() - started, 3))

    def _champion(self) -> _Champion:
        state = self._registry.state()
        if state.champion is None:
            return _Champion(state)
        try:
            servable = open_version(
                state.champion,
                registry=self._registry,
                verifier=self._verifier,
                minimum_version=state.high_water_mark,
            )
        except ArtifactError as failure:
            _log.warning(
                "the champion is not servable", extra={"model_version": state.champion, "check": failure.check}
            )
            return _Champion(state, failure=failure)
        return _Champion(state, servable)

    def _prepare(self, champion: _Champion) -> tuple[Contest, TrainingWindow]:
        """Returns the data and the comparison, before any time is spent on training."""
        table = gather(
            self._source,
            self._history(),
            span_seconds=round(self._plan.span_days * DAY_SECONDS),
            label_delay_seconds=round(self._plan.label_delay_days * DAY_SECONDS),
        )
        if table is None:
            raise _SkippedError("There are no transactions yet.")
        window = TrainingWindow.before(
            int(table.epoch_seconds[-1]) + 1 - round(self._plan.label_delay_days * DAY_SECONDS),
            days=self._plan.window_days,
            label_delay_days=self._plan.label_delay_days,
            evaluation_days=self._plan.evaluation_days,
        )
        # A champion that was trained on newer data than this retraining has already learnt these rows.
        start = max(window.as_of, champion.fitted_until)
        times = table.epoch_seconds
        is_compared = (times >= start) & (times < window.evaluation_end) & (table.is_fraud >= LEGITIMATE)
        contest = Contest(table, np.flatnonzero(is_compared))
        if contest.frauds < MIN_EVALUATION_FRAUDS:
            raise _SkippedError(
                f"The comparison holds {contest.frauds} known frauds; at least {MIN_EVALUATION_FRAUDS} are needed."
            )
        return contest, window

    def _history(self) -> TransactionTable | None:
        if self._plan.history is None:
            return None
        from ml.data.datasets import load_transactions

        return load_transactions(self._plan.history, label_delay_days=self._plan.label_delay_days).table

    def _decide(
        self, contest: Contest, champion: _Champion, files: Mapping[str, bytes]
    ) -> tuple[RetrainingReport, ServableVersion]:
        """Compares, registers the challenger, and gives it the alias it earned."""
        challenger = ScoringModel.from_files(files, version="challenger", manifest_hash="")
        models = [challenger] if champion.servable is None else [challenger, champion.servable.model]
        quality, *rest = contest.measure(models)
        champion_quality = rest[0] if rest else None
        released = release(files, registry=self._registry, signer=self._signer, metrics=figures(quality))
        version = released.model.version
        is_promoted, reason = _verdict(quality, champion_quality, champion)
        if is_promoted and (obstacle := self._promote(version, champion, reason)):
            is_promoted, reason = False, f"{reason} It was not promoted: {obstacle}."
        if not is_promoted:
            self._registry.set_challenger(version)
        report = RetrainingReport(
            outcome="promoted" if is_promoted else "kept",
            reason=reason,
            version=version,
            champion=champion.version,
            challenger_figures=figures(quality),
            champion_figures={} if champion_quality is None else figures(champion_quality),
        )
        return report, released

    def _promote(self, version: str, champion: _Champion, reason: str) -> str:
        """Makes the version champion in the place of the one it was compared with; returns what stood in the way."""
        try:
            self._administration.promote(version, by=_AUTHOR, reason=reason, over=champion.state)
        except (ArtifactError, RegistryError, AuditUnavailableError, StoreUnavailableError) as error:
            _log.warning("a better challenger is not promoted", extra={"model_version": version, "reason": str(error)})
            return str(error)
        return ""

    def _track(self, report: RetrainingReport, released: ServableVersion) -> RetrainingReport:
        """Logs both models. Fails open: a version stands in the registry whether or not MLflow took it."""
        try:
            run_ids = [self._tracker.log(run) for run in self._runs(report, released)]
            state = self._registry.state()
            self._tracker.set_aliases(state.champion, state.challenger)
        except TrackingError as error:
            _log.warning("tracking failed", extra={"model_version": report.version, "reason": str(error)})
            return replace(report, tracking_error=str(error))
        return replace(report, run_ids=tuple(run_ids))

    def _runs(self, report: RetrainingReport, released: ServableVersion) -> list[TrainingRun]:
        challenger = released.model.version
        runs = [
            TrainingRun(
                version=challenger,
                role=Alias.CHALLENGER,
                parameters=orjson.loads(released.files["training.json"]),
                metrics=report.challenger_figures,
                directory=self._registry.directory(challenger),
                reports={name: released.files[name] for name in REPORT_FILES},
            )
        ]
        if report.champion is not None and report.champion_figures:
            parameters = {"compared_with": challenger}
            runs.append(TrainingRun(report.champion, Alias.CHAMPION, parameters, report.champion_figures))
        return runs


def _verdict(quality: Quality, champion_quality: Quality | None, champion: _Champion) -> tuple[bool, str]:
    """Returns whether the challenger takes over, and why."""
    if champion_quality is None:
        if champion.failure is None:
            return True, "There was no champion."
        sentence = f"The champion {champion.version} fails its {champion.failure.check} check"
        if champion.failure.check in _UNSERVABLE:
            return True, f"{sentence}: this code cannot serve it."
        return False, f"{sentence}; an operator must look before it is replaced."
    compared = f"average precision {quality.average_precision:.4f} against {champion_quality.average_precision:.4f}"
    if is_better(quality, champion_quality):
        return True, f"The challenger is better: {compared}."
    return False, f"The champion stays: {compared}."
