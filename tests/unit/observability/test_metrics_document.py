"""`docs/metrics.md` says what the code defines."""

import ast
from pathlib import Path

from observability.metrics_document import LABELS, defined_metrics, document, label_names

ROOT = Path(__file__).parents[3]
ROOMS = ("web", "workers", "tasks", "ml", "security", "observability", "ops")
KINDS = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}


def test_the_document_is_the_one_that_is_generated() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == document(), "run `python -m ops metrics > docs/metrics.md`"


def test_every_label_is_described_and_no_other() -> None:
    assert {name for metric in defined_metrics().values() for name in label_names(metric)} == LABELS.keys()


def test_no_cell_breaks_the_table() -> None:
    tables = [line for line in document().splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {3, 6}


def test_metrics_are_defined_in_one_module_only() -> None:
    modules = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    defining = {path.relative_to(ROOT).as_posix() for path in modules if _defines_metrics(path.read_text())}
    assert defining == {"observability/metrics.py"}


def _defines_metrics(source: str) -> bool:
    nodes = list(ast.walk(ast.parse(source)))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "prometheus_client"]
    kinds = {alias.name for node in imports for alias in node.names} & KINDS
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds for node in nodes
    )
