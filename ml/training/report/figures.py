"""The report's figures, each from plain numbers to SVG."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter
from numpy.typing import NDArray

from ml.domain.decision import Thresholds
from ml.training.evaluation import Quality
from ml.training.report.cost import DecisionCost
from ml.training.report.drawing import THEME, new_figure, stretch, stretched, style, to_svg
from ml.training.report.reliability import ReliabilityBin
from ml.training.report.stability import Shift

Scores = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]
Place = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Maps scores to places on an axis."""

COMPONENT_TITLES: Mapping[str, str] = {
    "score": "fused score",
    "tabular": "gradient boosting",
    "anomaly": "isolation forest",
    "autoencoder": "autoencoder",
    "sequence": "LSTM sequence",
}
"""The components' names in text; `score` is all of them together."""

# Dashes as well as colours: a print may be grey.
_LINES: Mapping[str, Mapping[str, Any]] = {
    "score": {"color": THEME["fused"], "linestyle": "-", "linewidth": 2.2},
    "tabular": {"color": THEME["tabular"], "linestyle": "--", "linewidth": 1.3},
    "anomaly": {"color": THEME["anomaly"], "linestyle": "-.", "linewidth": 1.3},
    "autoencoder": {"color": THEME["autoencoder"], "linestyle": ":", "linewidth": 1.5},
    "sequence": {"color": THEME["sequence"], "linestyle": (0, (6, 1, 1, 1, 1, 1)), "linewidth": 1.3},
}

_FEW_TICKS = (0.0001, 0.01, 0.5, 0.99, 0.9999)
_GRID_POINTS = 400


def ranking(labels: Labels, outputs: Mapping[str, Scores], quality: Mapping[str, Quality]) -> Markup:
    """Draws the precision-recall and ROC curves of the fused score and of each component."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    with style("ranking"):
        figure = new_figure(3.9)
        left, right = figure.subplots(1, 2)
        for name in reversed(tuple(_LINES)):  # the fused score last, on top
            title, line, figures = COMPONENT_TITLES[name], _LINES[name], quality[name]
            precision, recall, _ = precision_recall_curve(labels, outputs[name])
            # Without its last point, which stands for no alerts at all.
            left.plot(recall[:-1], precision[:-1], label=f"{title}, {figures.average_precision:.3f}", **line)
            false_alarms, caught, _ = roc_curve(labels, outputs[name])
            right.plot(false_alarms, caught, label=f"{title}, {figures.auc:.3f}", **line)
        share = float(np.mean(labels))
        left.axhline(share, color=THEME["muted"], linewidth=0.8)
        left.annotate("chance", (1.0, share), xytext=(0, 3), textcoords="offset points", ha="right", fontsize=8)
        right.plot([0, 1], [0, 1], color=THEME["muted"], linewidth=0.8)
        right.annotate("chance", (0.8, 0.8), xytext=(4, -10), textcoords="offset points", fontsize=8)
        _label(left, "Precision and recall", "share of all frauds caught (recall)", "share of alerts that are fraud")
        _label(right, "ROC", "share of legitimate payments alerted", "share of all frauds caught")
        for axes, what, corner in ((left, "average precision", "best"), (right, "area under the curve", "lower right")):
            axes.set(xlim=(0, 1), ylim=(0, 1.02))
            handles, names = axes.get_legend_handles_labels()
            axes.legend(handles[::-1], names[::-1], title=what, title_fontsize=8, loc=corner)
        return to_svg(figure, label="Precision-recall curves and ROC curves of the fused score and its components")


def calibration(deciles: Sequence[ReliabilityBin], stretched_bins: Sequence[ReliabilityBin]) -> Markup:
    """Draws observed against expected fraud shares: on an even scale, and stretched towards 0 and 1."""
    with style("calibration"):
        figure = new_figure(4.6)
        (even, near), (even_counts, near_counts) = figure.subplots(2, 2, height_ratios=(3, 1), sharex="col")
        _reliability(even, deciles, place=np.asarray)
        _reliability(near, stretched_bins, place=stretched)
        _counts(even_counts, deciles, place=np.asarray)
        _counts(near_counts, stretched_bins, place=stretched)
        even.set(xlim=(0, 1), ylim=(0, 1.02))
        stretch(near_counts.xaxis, _FEW_TICKS)
        stretch(near.yaxis, _FEW_TICKS)
        _label(even, "Reliability", "", "share that was fraud")
        _label(near, "The same, small and large scores stretched", "", "")
        _label(even_counts, "", "mean score of the group", "payments")
        _label(near_counts, "", "mean score of the group", "")
        return to_svg(figure, label="Share of frauds against the score, with the number of payments in each group")


def _reliability(axes: Axes, bins: Sequence[ReliabilityBin], *, place: Place) -> None:
    expected, observed, low, high = (
        place(np.array([getattr(item, name) for item in bins])) for name in ("expected", "observed", "low", "high")
    )
    ends = place(np.array([0.0, 1.0]))
    axes.plot(ends, ends, color=THEME["muted"], linewidth=0.8)
    axes.vlines(expected, low, high, color=THEME["fused"], linewidth=1.2)
    is_mixed = np.array([0.0 < item.observed < 1.0 for item in bins])
    axes.plot(expected[is_mixed], observed[is_mixed], "o", color=THEME["fused"], markersize=5)
    # None or all: on a stretched axis their place is infinitely far away.
    axes.plot(expected[~is_mixed], observed[~is_mixed], "o", color=THEME["fused"], fillstyle="none", markersize=5)


def _counts(axes: Axes, bins: Sequence[ReliabilityBin], *, place: Place) -> None:
    starts, ends = (place(np.array([getattr(item, name) for item in bins])) for name in ("start", "end"))
    axes.bar(starts, [item.rows for item in bins], ends - starts, align="edge", color=THEME["legitimate"], linewidth=0)
    axes.set_yscale("log")


def distribution(labels: Labels, scores: Scores, thresholds: Thresholds) -> Markup:
    """Draws how often each score occurs, among frauds and among legitimate payments."""
    with style("distribution"):
        figure = new_figure(3.1)
        axes = figure.subplots()
        places = stretched(scores)
        edges = np.linspace(min(float(places.min()), -8.0), max(float(places.max()), 4.0), 61)
        for value, name in ((0, "legitimate"), (1, "fraud")):
            axes.hist(
                places[labels == value],
                edges.tolist(),
                histtype="stepfilled",
                color=THEME[name],
                alpha=0.55,
                edgecolor=THEME[name],
                linewidth=1.0,
                hatch=None if value == 0 else "///",
                label=name,
            )
        axes.set_yscale("log")
        stretch(axes.xaxis)
        _mark_thresholds(axes, thresholds)
        _label(axes, "", "score (stretched towards 0 and 1)", "payments (each line is ten times the last)")
        axes.legend(loc="upper right")
        return to_svg(figure, label="Number of payments by score, legitimate and fraud")


def costs(cost: DecisionCost, chosen: Thresholds) -> Markup:
    """Draws the cost of a day as one threshold moves and the other stays."""
    with style("costs"):
        figure = new_figure(3.3)
        axes = figure.subplots()
        grid = 1.0 / (1.0 + np.exp(-np.linspace(-9.2, 9.2, _GRID_POINTS)))
        below, above = grid[grid < chosen.decline], grid[grid > chosen.review]
        here = cost.per_day(chosen.review, chosen.decline)
        axes.plot(stretched(below), cost.by_review(below, chosen), color=THEME["fused"], label="review threshold moves")
        axes.plot(
            stretched(above),
            cost.by_decline(above, chosen),
            color=THEME["tabular"],
            linestyle="--",
            label="decline threshold moves",
        )
        axes.axhline(cost.of_doing_nothing(), color=THEME["muted"], linewidth=0.8)
        axes.annotate(
            "approving everything",
            (0.01, cost.of_doing_nothing()),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=8,
        )
        axes.plot(
            stretched(np.array([chosen.review, chosen.decline])), [here, here], "o", color=THEME["ink"], label="chosen"
        )
        _limit_costs(axes, cost.of_doing_nothing(), here)
        stretch(axes.xaxis)
        _mark_thresholds(axes, chosen)
        _label(axes, "", "threshold (stretched towards 0 and 1)", "cost of a day")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.legend(loc="upper right")
        return to_svg(figure, label="Cost of a day by review threshold and by decline threshold")


def _limit_costs(axes: Axes, nothing: float, here: float) -> None:
    # Reviewing nearly everything costs so much that it would press the rest of the curve flat.
    highest = 1.6 * max(nothing, here, 1.0)
    axes.set_ylim(0, min(highest, max(axes.get_ylim()[1], 1.0) * 1.15))


def importance(by_family: Mapping[str, float], by_feature: Mapping[str, float]) -> Markup:
    """Draws shares of the total absolute contribution, the largest first."""
    with style("importance"):
        figure = new_figure(4.6)
        left, right = figure.subplots(1, 2, width_ratios=(2, 3))
        for axes, shares, title in ((left, by_family, "By family"), (right, by_feature, "The first 20")):
            names = list(shares)
            axes.barh(range(len(names)), list(shares.values()), color=THEME["fused"], height=0.7)
            axes.set_yticks(range(len(names)), names)
            axes.invert_yaxis()
            axes.grid(visible=False, axis="y")
            axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            _label(axes, title, "share of all that moves scores", "")
        return to_svg(figure, label="What moves scores, by family and by feature")


def ablation(alone: Mapping[str, float], without: Mapping[str, float], everything: float) -> Markup:
    """Draws average precision of each component alone, and of the fusion without it."""
    with style("ablation"):
        figure = new_figure(2.7)
        left, right = figure.subplots(1, 2, sharex=True)
        for axes, figures, title in ((left, alone, "Alone"), (right, without, "Fusion without it")):
            names = list(figures)
            values = np.nan_to_num(list(figures.values()))
            axes.barh(range(len(names)), values, color=THEME["fused"], height=0.65)
            axes.axvline(everything, color=THEME["ink"], linewidth=1.0, linestyle="--")
            for place, value in enumerate(values):
                axes.annotate(
                    f"{value:.3f}", (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=8
                )
            axes.set_yticks(range(len(names)), names)
            axes.set_xlim(0, 1)
            axes.invert_yaxis()
            axes.grid(visible=False, axis="y")
            _label(axes, title, "average precision", "")
        return to_svg(figure, label="Average precision of components alone and of the fusion without each")


def stability(chosen: Sequence[Shift]) -> Markup:
    """Draws the reference bins of the score and of features, beside the measured slice in the same bins."""
    with style("stability"):
        columns = 4
        figure = new_figure(1.6 * -(-len(chosen) // columns))
        panels = figure.subplots(-(-len(chosen) // columns), columns, squeeze=False).ravel()
        for axes, shift in zip(panels, chosen, strict=False):
            reference, measured = shift.shares
            places = np.arange(len(reference))
            axes.bar(places - 0.2, reference, 0.4, color=THEME["legitimate"], label="reference")
            axes.bar(places + 0.2, measured, 0.4, color=THEME["fused"], label="measured")
            axes.set_title(shift.name, fontsize=7.5)
            axes.set_xlabel(f"PSI {shift.index:.3f}", fontsize=8)
            axes.set_xticks([])
            axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        for axes in panels[len(chosen) :]:
            axes.remove()
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper right", ncols=2)
        return to_svg(figure, label="Shares of payments per reference bin, reference and measured slice")


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y)


def _mark_thresholds(axes: Axes, thresholds: Thresholds) -> None:
    """Marks both on a stretched axis; their names stand on either side, so that they cannot run into each other."""
    for name, value, side in (("review", thresholds.review, "right"), ("decline", thresholds.decline, "left")):
        (spot,) = stretched(np.array([value]))
        axes.axvline(spot, color=THEME["ink"], linewidth=0.9, linestyle=(0, (2, 2)))
        axes.annotate(
            f"{name} from {value:.3g}",
            (spot, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(3 if side == "left" else -3, 4),
            textcoords="offset points",
            fontsize=8,
            ha=side,
        )
