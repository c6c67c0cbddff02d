"""The results as text for a terminal."""

from collections.abc import Iterator

from ops.proving.bench.quality.detectors.ablation import ALONE
from ops.proving.bench.quality.detectors.baselines import TOLERANCE, reproductions
from ops.proving.bench.quality.detectors.novelty import ALERTS_PER_DAY
from ops.proving.bench.quality.figures import FIGURES, Row
from ops.proving.bench.quality.protocol.data import BenchmarkData
from ops.proving.bench.quality.protocol.folds import TEST_FOLDS
from ops.proving.bench.quality.protocol.published import PUBLISHED, SOURCE
from ops.proving.bench.quality.protocol.selection import compares_with_published, selection
from ops.proving.bench.quality.report.checks import (
    SERVED_TOLERANCE,
    SUSPICIOUS_AVERAGE_PRECISION,
    agrees,
    is_suspicious,
    served_differences,
    targets,
)
from ops.proving.bench.quality.run import Results
from ops.proving.bench.report import columns

_HEADINGS = ("AUC", "avg precision", "CP@100")
_FIGURE_NAMES = dict(zip(FIGURES, ("AUC", "average precision", "card precision@100"), strict=True))


def to_text(results: Results, data: BenchmarkData) -> str:
    """Returns everything measured, a paragraph per question."""
    paragraphs = [
        _introduction(results, data),
        _comparison(results, data),
        _served(results),
        _reproduced(results, data),
        _ablation(results),
        _novelty(results),
        _verdict(results, data),
    ]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _introduction(results: Results, data: BenchmarkData) -> str:
    lines = [
        f"Detection quality on {data.name}: {len(data.table):,} transactions, {data.first_day} to {data.last_day}.",
        "Training, 7 days until labels are known, 7 days of test. Customers known as compromised are left out.",
    ]
    lines += [
        f"  test week {week.fold.test_week}: {week.rows:,} of {week.transactions:,} transactions count, "
        f"{week.frauds:,} of them fraud"
        for week in results.weeks
    ]
    return "\n".join([*lines, selection(results.plan.folds, data)])


def _comparison(results: Results, data: BenchmarkData) -> str:
    folds = len(results.weeks)
    measured = f"{folds} fold{'s' if folds > 1 else ''}"
    rows = [["Measured here" + (", mean ± deviation" if folds > 1 else ""), "folds", *_HEADINGS, "training"]]
    hybrids = list(results.hybrids.values())
    named = [(f"hybrid, {row.window_days:g} days, offline features", row) for row in hybrids]
    if results.served:
        named.insert(1, (f"hybrid, {results.served.window_days:g} days, served", results.served))
    named += [(f"{row.name}, Handbook's features, {row.window_days:g} days", row) for row in results.baselines]
    rows += [[name, measured, *_figures(row), _training(row)] for name, row in named]
    rows.append(["perfect scores", measured, "1.000", "1.000", f"{results.ours.ceiling:.3f}", ""])
    if not compares_with_published(results.plan.folds, data):
        return columns(rows)
    rows.append(["Published, 7 days", "", "", "", "", ""])
    rows += [
        [
            published.model,
            published.weeks,
            *(f"{getattr(published, figure):.3f}" for figure in FIGURES),
            "",
        ]
        for published in PUBLISHED
    ]
    return f"{columns(rows)}\n  Source of the published figures: {SOURCE}."


def _figures(row: Row) -> Iterator[str]:
    for figure in FIGURES:
        deviation = f" ± {row.deviation(figure):.3f}" if len(row.folds) > 1 else ""
        yield f"{row.mean(figure):.3f}{deviation}"


def _training(row: Row) -> str:
    if row.training_seconds is None or row.training_rows is None:
        return ""
    return f"{row.training_seconds:.1f} s, {row.training_rows:,.0f} rows"


def _served(results: Results) -> str:
    if results.served is None:
        return ""
    differences = served_differences(results.served, results.offline)
    verdict = "the same" if agrees(differences) else "NOT the same"
    listed = ", ".join(f"{_FIGURE_NAMES[figure]} {value:+.4f}" for figure, value in differences.items())
    return f"Served and offline figures are {verdict} within {SERVED_TOLERANCE}: {listed} (largest of any fold)."


def _reproduced(results: Results, data: BenchmarkData) -> str:
    reproduced = reproductions(results.baselines) if data.is_handbook else []
    if not reproduced:
        return ""
    lines = [f"The protocol is the Handbook's if its baselines reach its figures within {TOLERANCE} on the first week:"]
    for item in reproduced:
        listed = ", ".join(f"{_FIGURE_NAMES[figure]} {item.difference(figure):+.4f}" for figure in FIGURES)
        lines.append(f"  {item.published.model}: {'yes' if item.is_close else 'NO'} ({listed})")
    return "\n".join(lines)


def _ablation(results: Results) -> str:
    if not results.ablation:
        return ""
    weeks = ", ".join(fold.test_week for fold in results.plan.ablation)
    parts = [f"Ablation, test week {weeks}; a removed component leaves a fusion fitted anew, removed features a model"]
    parts[0] += " trained anew."
    for days, whole in results.hybrids.items():
        ablated = [item for item in results.ablation if item.row.window_days == days]
        names = {item.fold for item in ablated[0].row.folds}
        same = Row(whole.name, days, tuple(item for item in whole.folds if item.fold in names))
        rows = [[f"{days:g} days of training", *_HEADINGS], ["whole hybrid", *_figures(same)]]
        for item in ablated:
            name = f"{item.part} alone" if item.kind == ALONE else f"{item.kind.partition(' ')[0]} {item.part}"
            kind = " features" if item.kind.endswith("features") else ""
            rows.append([name + kind, *_figures(item.row)])
        parts.append(columns(rows))
    return "\n".join(parts)


def _novelty(results: Results) -> str:
    if not results.novelty:
        return ""
    plan = results.plan
    weeks = ", ".join(fold.test_week for fold in plan.novelty)
    heading = (
        f"Novelty, {plan.days:g} days of training, test week {weeks}: one fraud pattern's labels hidden, then searched "
        "among legitimate payments."
    )
    recall = f"recall in {ALERTS_PER_DAY}/day"
    rows = [["pattern hidden", "frauds", "model", recall, "CP@100", "ceiling", "avg precision"]]
    for item in results.novelty:
        for name, search in (
            ("hybrid", item.hybrid),
            ("supervised part alone", item.supervised),
            ("hybrid that knows it", item.known),
        ):
            rows.append(
                [
                    f"{item.pattern}, fold {item.fold}",
                    f"{item.frauds:,}",
                    name,
                    f"{search.recall:.3f}",
                    f"{search.card_precision_at_100:.3f}",
                    f"{item.ceiling:.3f}",
                    f"{search.average_precision:.3f}",
                ]
            )
    return f"{heading}\n{columns(rows)}"


def _verdict(results: Results, data: BenchmarkData) -> str:
    if not compares_with_published(results.plan.folds, data):
        return ""
    folds = len(results.weeks)
    how = "served" if results.served else "offline"
    lines = [
        f"Targets, for the mean of {len(TEST_FOLDS)} folds; measured {how} on {folds}, {results.plan.days:g} days:"
    ]
    for target in targets(results.ours):
        reached = "reached" if target.is_met else "NOT reached"
        lines.append(f"  {_FIGURE_NAMES[target.figure]} {target.value:.4f}, at least {target.least}: {reached}")
    if is_suspicious(results.ours):
        lines.append(
            f"WARNING: an average precision above {SUSPICIOUS_AVERAGE_PRECISION} means a leak until proven otherwise."
        )
    return "\n".join(lines)
