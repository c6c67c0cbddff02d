"""The results as one JSON-ready document."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ml.training.evaluation import Quality
from ops.proving.bench.quality.detectors.baselines import TOLERANCE, Reproduction, reproductions
from ops.proving.bench.quality.figures import FIGURES, FoldFigures, Row
from ops.proving.bench.quality.protocol.data import BenchmarkData
from ops.proving.bench.quality.protocol.fold import Fold, day_of
from ops.proving.bench.quality.protocol.published import PUBLISHED, SOURCE
from ops.proving.bench.quality.protocol.selection import compares_with_published, selection
from ops.proving.bench.quality.report.checks import SERVED_TOLERANCE, agrees, is_suspicious, served_differences, targets
from ops.proving.bench.quality.run import Results


def document(results: Results, data: BenchmarkData) -> dict[str, Any]:
    """Returns the document."""
    plan, table = results.plan, data.table
    reproduced = reproductions(results.baselines) if data.is_handbook else []
    comparable = compares_with_published(results.plan.folds, data)
    window = results.hybrids[plan.windows[-1]]
    return {
        "ours": _row(results.ours) | {"measured": "served" if results.served else "offline"},
        "ours_offline": _row(results.offline),
        "ours_handbook_window": _row(window) | {"measured": "offline"},
        "served": _served(results),
        "ceiling": results.ours.ceiling,
        "folds": [_fold(results, number) for number in range(len(results.weeks))],
        "baselines": [_row(row) | {"model": row.name} for row in results.baselines],
        "reproduced": {
            "tolerance": TOLERANCE,
            "is_reproduced": all(item.is_close for item in reproduced) if reproduced else None,
            "models": [_reproduction(item) for item in reproduced],
        },
        "published": [asdict(row) | {"source": SOURCE} for row in PUBLISHED] if comparable else [],
        "ablation": [
            _row(item.row)
            | {
                "kind": item.kind,
                "part": item.part,
                "difference": _differences(item.row, results.hybrids[item.row.window_days]),
            }
            for item in results.ablation
        ],
        "novelty": [asdict(item) for item in results.novelty],
        "targets": [asdict(target) | {"is_met": target.is_met} for target in targets(results.ours)],
        "is_suspicious": is_suspicious(results.ours),
        "selection": selection(results.plan.folds, data),
        "settings": asdict(plan.settings),
        "data": {
            "name": data.name,
            "rows": len(table),
            "sha256": data.sha256,
            "first_day": data.first_day,
            "last_day": data.last_day,
            "duplicates": data.duplicates,
            "is_handbook": data.is_handbook,
        },
    }


def _quality(quality: Quality) -> dict[str, float | int]:
    figures: dict[str, float | int] = {name: value(quality) for name, value in FIGURES.items()}
    return figures | {
        "card_precision_ceiling": quality.card_precision.ceiling,
        "brier": quality.brier,
        "rows": quality.rows,
        "frauds": quality.frauds,
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        **{figure: row.mean(figure) for figure in FIGURES},
        "standard_deviation": {figure: row.deviation(figure) for figure in FIGURES},
        "ceiling": row.ceiling,
        "window_days": row.window_days,
        "training_rows": row.training_rows,
        "training_seconds": row.training_seconds,
        "folds": [{"fold": item.fold} | _quality(item.quality) for item in row.folds],
    }


def _fold(results: Results, number: int) -> dict[str, Any]:
    week = results.weeks[number]
    rows: Mapping[str, Row | None] = {
        "ours": results.ours,
        "ours_offline": results.offline,
        "ours_handbook_window": results.hybrids[results.plan.windows[-1]],
    }
    return {
        **_days(week.fold, results.plan.days),
        "transactions": week.transactions,
        "rows": week.rows,
        "frauds": week.frauds,
        "ceiling": results.ours.folds[number].quality.card_precision.ceiling,
        **{name: _trained(row.folds[number]) for name, row in rows.items() if row is not None},
        "baselines": [{"model": row.name} | _trained(row.folds[number]) for row in results.baselines],
    }


def _days(fold: Fold, days: float) -> dict[str, str]:
    window = fold.window(days)
    return {
        "fold": fold.name,
        "our_training_start": day_of(window.start),
        "training_start": day_of(fold.train_start),
        "training_end": day_of(fold.train_end - 1),
        "test_start": day_of(fold.test_start),
        "test_end": day_of(fold.test_end - 1),
    }


def _trained(item: FoldFigures) -> dict[str, Any]:
    return _quality(item.quality) | {"training_rows": item.training_rows, "training_seconds": item.training_seconds}


def _served(results: Results) -> dict[str, Any] | None:
    if results.served is None:
        return None
    differences = served_differences(results.served, results.offline)
    return _row(results.served) | {
        "difference": differences,
        "tolerance": SERVED_TOLERANCE,
        "agrees": agrees(differences),
    }


def _reproduction(item: Reproduction) -> dict[str, Any]:
    return {
        "model": item.published.model,
        "fold": item.measured.fold,
        **{name: value(item.measured.quality) for name, value in FIGURES.items()},
        "published": {figure: getattr(item.published, figure) for figure in FIGURES},
        "difference": {figure: item.difference(figure) for figure in FIGURES},
        "is_close": item.is_close,
    }


def _differences(row: Row, whole: Row) -> dict[str, float]:
    """Returns row - whole on the folds that the row was measured on."""
    measured = {item.fold for item in row.folds}
    same = Row(whole.name, whole.window_days, tuple(item for item in whole.folds if item.fold in measured))
    return {figure: row.mean(figure) - same.mean(figure) for figure in FIGURES}
