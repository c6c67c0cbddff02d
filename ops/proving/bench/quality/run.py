"""Runs the benchmark: every detector on the same test payments of every fold."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ml.data.table import TransactionTable
from ops.proving.bench.quality.detectors.ablation import FAMILIES, Ablated, ablate_components, ablate_family
from ops.proving.bench.quality.detectors.baselines import baseline_rows, fit_baselines
from ops.proving.bench.quality.detectors.handbook_features import handbook_features
from ops.proving.bench.quality.detectors.hybrid import Hybrid, Outputs, fit_hybrid
from ops.proving.bench.quality.detectors.novelty import Novelty, patterns, search_hidden
from ops.proving.bench.quality.figures import FoldFigures, Row
from ops.proving.bench.quality.plan import Plan
from ops.proving.bench.quality.protocol.counted_week import TestWeek
from ops.proving.bench.quality.protocol.fold import Fold, test_rows
from ops.proving.bench.quality.steps import Steps

_FEATURES_COST, _BASELINES_COST, _SERVED_COST = 4.0, 10.0, 150.0
_TRAINING_COST = 8.0


@dataclass(frozen=True, slots=True)
class Week:
    """The size of a test week: all transactions, and the rows and frauds that count."""

    fold: Fold
    transactions: int
    rows: int
    frauds: int


@dataclass(frozen=True)
class AblationRow:
    """One part alone or removed, for one training window."""

    kind: str
    part: str
    row: Row


@dataclass(frozen=True)
class Results:
    """Everything measured.

    Attributes:
        plan: what was to be measured.
        weeks: the test weeks.
        hybrids: the hybrid by length of its training window, scored offline.
        served: the hybrid of our window, scored by the running platform; None if that was not asked for.
        baselines: the Handbook's two.
        ablation: for each window.
        novelty: for each hidden pattern.
    """

    plan: Plan
    weeks: list[Week]
    hybrids: dict[float, Row]
    served: Row | None
    baselines: list[Row]
    ablation: list[AblationRow]
    novelty: list[Novelty]

    @property
    def offline(self) -> Row:
        """The hybrid of our window, scored offline."""
        return self.hybrids[self.plan.days]

    @property
    def ours(self) -> Row:
        """The hybrid of our window, as served if that was measured."""
        return self.served or self.offline


def run(table: TransactionTable, plan: Plan) -> Results:
    """Measures everything that is planned.

    Raises:
        DataError: a training window does not hold enough to learn from.
    """
    return _Run(table, plan).results()


@dataclass
class _Run:
    table: TransactionTable
    plan: Plan
    weeks: list[Week] = field(default_factory=list)
    hybrids: dict[float, list[FoldFigures]] = field(default_factory=lambda: defaultdict(list))
    served: list[FoldFigures] = field(default_factory=list)
    baselines: dict[str, list[FoldFigures]] = field(default_factory=lambda: defaultdict(list))
    ablation: dict[tuple[float, str, str], list[FoldFigures]] = field(default_factory=lambda: defaultdict(list))
    novelty: list[Novelty] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.patterns = {fold: patterns(self.table, fold) for fold in self.plan.novelty}
        self.steps = Steps(sum(self._cost(fold) for fold in self.plan.folds))

    def results(self) -> Results:
        features = handbook_features(self.table) if self.plan.baselines else None
        for fold in self.plan.folds:
            self._measure_fold(fold, features)
        plan = self.plan
        return Results(
            plan=plan,
            weeks=self.weeks,
            hybrids={days: Row("hybrid", days, tuple(self.hybrids[days])) for days in plan.windows},
            served=Row("hybrid, served", plan.days, tuple(self.served)) if plan.served else None,
            baselines=baseline_rows(self.baselines),
            ablation=[
                AblationRow(kind, part, Row(f"{kind} {part}", days, tuple(items)))
                for (days, kind, part), items in self.ablation.items()
            ],
            novelty=self.novelty,
        )

    def _measure_fold(self, fold: Fold, features: NDArray[np.float64] | None) -> None:
        with self.steps.step(f"test week {fold.test_week}: features", cost=_FEATURES_COST):
            week = TestWeek.load(self.table, fold)
        self.weeks.append(Week(fold, len(test_rows(self.table, fold)), len(week), int(week.labels.sum())))
        if features is not None:
            with self.steps.step("the Handbook's baselines", cost=_BASELINES_COST):
                for name, figures in fit_baselines(features, self.table, week, threads=self.plan.settings.threads):
                    self.baselines[name].append(figures)
        for days in self.plan.windows:
            self._measure_window(week, days)

    def _measure_window(self, week: TestWeek, days: float) -> None:
        fold = week.fold
        with self.steps.step(f"hybrid of {days:g} days", cost=days + _TRAINING_COST) as progress:
            hybrid = fit_hybrid(self.table, fold, days=days, settings=self.plan.settings, progress=progress)
            outputs = hybrid.outputs(week.vectors, week.sequences)
        figures = self._figures(hybrid, week, outputs["score"])
        self.hybrids[days].append(figures)
        is_ours = days == self.plan.days
        if is_ours and self.plan.served:
            self._serve(hybrid, week)
        if fold in self.plan.ablation:
            self._ablate(hybrid, week, outputs, days)
        if is_ours and fold in self.plan.novelty:
            self._hide(week, outputs["score"], days)

    def _serve(self, hybrid: Hybrid, week: TestWeek) -> None:
        from ops.proving.bench.quality.served.replay import served_scores

        with self.steps.step("the test week through the running platform", cost=_SERVED_COST) as progress:
            scores = served_scores(self.table, fold=week.fold, trained=hybrid.trained, progress=progress)
        counted = np.searchsorted(test_rows(self.table, week.fold), week.rows)
        self.served.append(self._figures(hybrid, week, scores[counted]))

    def _ablate(self, hybrid: Hybrid, week: TestWeek, outputs: Outputs, days: float) -> None:
        for ablated in ablate_components(hybrid, week, outputs):
            self._record(ablated, week.fold, days)
        for family in FAMILIES:
            with self.steps.step(f"hybrid of {days:g} days without {family}", cost=days + _TRAINING_COST) as progress:
                ablated = ablate_family(
                    family, self.table, week, days=days, settings=self.plan.settings, progress=progress
                )
            self._record(ablated, week.fold, days)

    def _record(self, ablated: Ablated, fold: Fold, days: float) -> None:
        self.ablation[days, ablated.kind, ablated.part].append(FoldFigures(fold.name, ablated.quality))

    def _hide(self, week: TestWeek, scores: NDArray[np.float64], days: float) -> None:
        for pattern in self.patterns[week.fold]:
            with self.steps.step(f"hybrid without pattern {pattern}", cost=days + _TRAINING_COST) as progress:
                self.novelty.append(
                    search_hidden(
                        pattern,
                        self.table,
                        week,
                        known_scores=scores,
                        days=days,
                        settings=self.plan.settings,
                        progress=progress,
                    )
                )

    def _cost(self, fold: Fold) -> float:
        plan = self.plan
        ablations = len(FAMILIES) if fold in plan.ablation else 0
        trainings = sum((1 + ablations) * (days + _TRAINING_COST) for days in plan.windows)
        novelty = len(self.patterns.get(fold, ())) * (plan.days + _TRAINING_COST)
        baselines, served = plan.baselines * _BASELINES_COST, plan.served * _SERVED_COST
        return _FEATURES_COST + baselines + trainings + novelty + served

    @staticmethod
    def _figures(hybrid: Hybrid, week: TestWeek, scores: NDArray[np.float64]) -> FoldFigures:
        return FoldFigures(week.fold.name, week.measure(scores), hybrid.training_rows, hybrid.training_seconds)
