"""A dashboard as Grafana reads it (schema 39, Grafana 10 and newer)."""

import json
from collections.abc import Iterator
from typing import Any, Final

from observability.alerts.scraping import JOBS
from observability.dashboards.panel import PLACE, Dashboard, Kind, Panel, Unit

_SCHEMA: Final = 39
_PROMETHEUS: Final = {"type": "prometheus", "uid": "${datasource}"}
_LOKI: Final = {"type": "loki", "uid": "${loki}"}
_COLUMNS: Final = 24


def grafana_file(dashboard: Dashboard, *, runbooks_url: str) -> str:
    """Returns the dashboard as JSON."""
    content = {
        "uid": dashboard.uid.value,
        "title": f"Shrike / {dashboard.title}",
        "description": dashboard.description,
        "tags": ["shrike"],
        "editable": False,
        "graphTooltip": 1,
        "refresh": "15s",
        "schemaVersion": _SCHEMA,
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "links": [_link_to_others()],
        "templating": {"list": list(_variables(dashboard))},
        "panels": list(_panels(dashboard, runbooks_url)),
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _link_to_others() -> dict[str, Any]:
    return {
        "type": "dashboards",
        "title": "Shrike",
        "tags": ["shrike"],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
    }


def _variables(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    yield {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus"}
    yield _choice("job", f"label_values(up{{{JOBS}}}, job)", every="shrike.*")
    yield _choice("instance", 'label_values(up{job=~"$job"}, instance)', every=".*")
    if any(panel.kind is Kind.LOGS for panel in dashboard.panels):
        yield {"type": "datasource", "name": "loki", "label": "Logs", "query": "loki"}
        yield {"type": "textbox", "name": "correlation_id", "label": "Correlation id", "query": ""}


def _choice(name: str, query: str, *, every: str) -> dict[str, Any]:
    return {
        "type": "query",
        "name": name,
        "label": name.capitalize(),
        "datasource": _PROMETHEUS,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": every,
        "current": {"text": "All", "value": "$__all"},
    }


def _panels(dashboard: Dashboard, runbooks_url: str) -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for row in dashboard.rows:
        number += 1
        place = {"h": 1, "w": _COLUMNS, "x": 0, "y": top}
        yield {"type": "row", "id": number, "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
        left, top, tallest = 0, top + 1, 0
        for panel in row.panels:
            number += 1
            if left + panel.width > _COLUMNS:
                left, top, tallest = 0, top + tallest, 0
            place = {"h": panel.height, "w": panel.width, "x": left, "y": top}
            yield {"id": number, "gridPos": place, **_panel(panel, runbooks_url)}
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest


def _panel(panel: Panel, runbooks_url: str) -> dict[str, Any]:
    source = _LOKI if panel.kind is Kind.LOGS else _PROMETHEUS
    note = f" Figures of {panel.exporter}; not tried against one." if panel.exporter else ""
    return {
        "type": panel.kind.value,
        "title": panel.title,
        "description": panel.description + note,
        "datasource": source,
        "targets": [
            _target(place, query.expression.replace("$at", PLACE), query.legend, panel)
            for place, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": _options(panel),
        "links": [
            {"title": f"Runbook {name}", "url": f"{runbooks_url}/{name}.md", "targetBlank": True}
            for name in panel.alerts
        ],
    }


def _target(place: int, expression: str, legend: str, panel: Panel) -> dict[str, Any]:
    found: dict[str, Any] = {
        "refId": chr(ord("A") + place),
        "datasource": _LOKI if panel.kind is Kind.LOGS else _PROMETHEUS,
        "expr": expression,
        "legendFormat": legend,
    }
    if panel.kind in {Kind.NUMBER, Kind.BARS, Kind.TABLE}:
        found |= {"instant": True, "range": False}
    if panel.kind is Kind.TABLE:
        found["format"] = "table"
    return found


def _field(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.is_bad_below:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": panel.bad_from}]
    else:
        bounds = (("orange", panel.warn_from), ("red", panel.bad_from))
        steps += [{"color": color, "value": value} for color, value in bounds if value is not None]
    is_judged = panel.warn_from is not None or panel.bad_from is not None
    field: dict[str, Any] = {
        "unit": panel.unit.value,
        "noValue": panel.empty,
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": steps},
        "color": {"mode": "thresholds" if is_judged and panel.kind is not Kind.LINES else "palette-classic"},
    }
    if panel.unit is Unit.MOMENT or panel.is_bad_below:
        del field["min"]
    if panel.names:
        texts = {str(value): {"text": text} for value, text in panel.names}
        field["mappings"] = [{"type": "value", "options": texts}]
    if panel.kind is Kind.LINES:
        style = "line" if is_judged else "off"
        field["custom"] = {"fillOpacity": 10, "showPoints": "never", "thresholdsStyle": {"mode": style}}
    return field


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind is Kind.LINES:
        return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    if panel.kind is Kind.LOGS:
        return {"showTime": True, "wrapLogMessage": True, "enableLogDetails": True}
    if panel.kind is Kind.TABLE:
        return {"showHeader": True}
    shown: dict[str, Any] = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    return {**shown, "colorMode": "background"} if panel.kind is Kind.NUMBER else {**shown, "displayMode": "basic"}
