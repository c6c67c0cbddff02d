"""Scores and drift: what the model says, whether that still fits its training."""

from typing import Final

from observability.alerts.alert import Board
from observability.dashboards.panel import Dashboard, Kind, Panel, Query, Row, Unit, quantiles, rate

_SUM: Final = rate("model_score_sum", by="model_version")
_COUNT: Final = rate("model_score_count", by="model_version")

SCORES: Final = Dashboard(
    Board.SCORES,
    "Scores & drift",
    "What the model says, and whether that still fits what it was trained on.",
    (
        Row(
            "Decisions and scores",
            (
                Panel(
                    title="Share of decisions",
                    description="A sudden change is a new client, drift, or fraud.",
                    queries=(
                        Query(
                            rate("model_decisions_total", by="decision")
                            + " / on () group_left () "
                            + rate("model_decisions_total"),
                            "{{decision}}",
                        ),
                    ),
                    unit=Unit.SHARE,
                    empty="no decisions",
                    alerts=("ScoreDrift",),
                ),
                Panel(
                    title="Declined by channel",
                    description="Share of a channel's payments.",
                    queries=(
                        Query(
                            rate("model_decisions_total", by="channel", matching='decision="decline"')
                            + " / "
                            + rate("model_decisions_total", by="channel"),
                            "{{channel}}",
                        ),
                    ),
                    unit=Unit.SHARE,
                    empty="none declined",
                ),
                Panel(
                    title="Average score",
                    description="By version. It moves slowly, or something is wrong.",
                    queries=(Query(f"{_SUM} / {_COUNT}", "{{model_version}}"),),
                    unit=Unit.NONE,
                    empty="no scores",
                ),
                Panel(
                    title="Spread of scores",
                    description="Half, nineteen of twenty and 99 of 100 payments score below this.",
                    queries=quantiles("model_score", by="model_version"),
                    unit=Unit.NONE,
                    empty="no scores",
                    width=12,
                ),
                Panel(
                    title="Version that serves",
                    description="1 for the one that serves, by worker.",
                    queries=(Query("max by (instance, model_version) (model_info{$at})", "{{instance}}"),),
                    unit=Unit.NONE,
                    kind=Kind.TABLE,
                    empty="no model",
                    alerts=("ModelAbsent", "ModelVersionsDiffer"),
                    width=12,
                ),
            ),
        ),
        Row(
            "Drift",
            (
                Panel(
                    title="Drift of the score",
                    description="Population stability index against training: below 0.1 stable, above 0.25 a shift.",
                    queries=(Query("max(psi_score{$at} and on (job, instance) psi_feature{$at})", "score"),),
                    unit=Unit.NONE,
                    warn_from=0.1,
                    bad_from=0.25,
                    empty="no check yet",
                    alerts=("ScoreDrift", "DriftCheckAbsent"),
                ),
                Panel(
                    title="Features that drift most",
                    description="The ten with the highest index at the last check.",
                    queries=(Query("topk(10, max by (feature) (psi_feature{$at}))", "{{feature}}"),),
                    unit=Unit.NONE,
                    warn_from=0.1,
                    bad_from=0.25,
                    kind=Kind.BARS,
                    empty="no check yet",
                    alerts=("FeatureDrift",),
                ),
                Panel(
                    title="Drift found",
                    description="Drifted features and scores that the checks of an hour found.",
                    queries=(Query("sum by (kind) (increase(drift_alerts_total{$at}[1h]))", "{{kind}}"),),
                    unit=Unit.COUNT,
                    empty="none",
                    alerts=("ScoreDrift", "FeatureDrift"),
                ),
            ),
        ),
    ),
)
