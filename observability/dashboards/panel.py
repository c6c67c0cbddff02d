"""What a panel, a row and a dashboard consist of."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from observability.alerts.alert import Board

PLACE: Final = 'job=~"$job", instance=~"$instance"'
"""The matchers that every query of the platform's own metrics carries; queries write `$at` for them."""


class Kind(StrEnum):
    """How a panel shows its queries."""

    LINES = "timeseries"
    NUMBER = "stat"
    BARS = "bargauge"
    TABLE = "table"
    LOGS = "logs"


class Unit(StrEnum):
    """Grafana's names of the units."""

    COUNT = "short"
    PER_SECOND = "reqps"
    SECONDS = "s"
    MILLISECONDS = "ms"
    SHARE = "percentunit"
    BYTES = "bytes"
    MOMENT = "dateTimeFromNow"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Query:
    """One query; `legend` names its series by their labels."""

    expression: str
    legend: str = "__auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
        description: what the figure means and when it is bad.
        queries: of Prometheus, or of Loki for logs.
        warn_from: the value from which it is shown in amber, None for none.
        bad_from: the value from which it is shown in red.
        is_bad_below: whether low values are the bad ones.
        names: texts for single values, such as 0 and 1 of a switch.
        empty: what stands there while no series exists.
        alerts: whose runbooks it links to.
        width: of 24 columns.
        exporter: the exporter that the figures come from, if they are not the platform's own.
    """

    title: str
    description: str
    queries: tuple[Query, ...]
    unit: Unit
    kind: Kind = Kind.LINES
    warn_from: float | None = None
    bad_from: float | None = None
    is_bad_below: bool = False
    names: tuple[tuple[int, str], ...] = ()
    empty: str = "nothing counted yet"
    alerts: tuple[str, ...] = ()
    width: int = 8
    height: int = 7
    exporter: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a title."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard; its `uid` is stable, because alerts link to it."""

    uid: Board
    title: str
    description: str
    rows: tuple[Row, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        """The panels of all rows."""
        return tuple(panel for row in self.rows for panel in row.panels)


def rate(metric: str, *, by: str = "", matching: str = "") -> str:
    """Returns the rate of a counter per second, by labels."""
    matchers = "$at" + (f", {matching}" if matching else "")
    total = f"rate({metric}{{{matchers}}}[$__rate_interval])"
    return f"sum by ({by}) ({total})" if by else f"sum({total})"


def quantiles(
    histogram: str, *, by: str = "", matching: str = "", shares: tuple[float, ...] = (0.5, 0.95, 0.99)
) -> tuple[Query, ...]:
    """Returns the quantiles of a histogram, one query each."""
    matchers = "$at" + (f", {matching}" if matching else "")
    labels = f"le, {by}" if by else "le"
    buckets = f"sum by ({labels}) (rate({histogram}_bucket{{{matchers}}}[$__rate_interval]))"
    of = "".join(f" {{{{{name}}}}}" for name in by.split(", ") if name)
    return tuple(Query(f"histogram_quantile({share}, {buckets})", f"p{share * 100:g}{of}") for share in shares)
