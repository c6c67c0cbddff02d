"""docs/guarantees.md names tests, faults and settings; what it names must exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from ops.proving.chaos.catalogue import FAULTS
from settings import Settings

PAGE = Path("docs/guarantees.md")
TEXT = PAGE.read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)+)`", TEXT)))


@cache
def names_in(path: str) -> set[str]:
    """Returns what a test file defines: `name` of functions and classes, `Class::name` of methods."""
    names = set()
    for node in ast.parse(Path(path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{item.name}" for item in node.body if isinstance(item, ast.FunctionDef)}
    return names


@pytest.mark.parametrize("named", NAMED)
def test_every_named_test_exists(named: str) -> None:
    path, _, name = named.partition("::")
    assert name in names_in(path)


def test_every_promise_names_a_test() -> None:
    promises = TEXT.partition("## Promises")[2].partition("## Figures")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 15
    assert [row for row in rows if "`tests/" not in row] == []
    assert len(NAMED) >= len(rows)


def test_every_fault_of_the_table_is_one_of_the_chaos_suite() -> None:
    table = TEXT.partition("## Faults")[2].partition("## Not promised")[0]
    heading, *rows = re.findall(r"^\| ([a-z][a-z0-9-]+) \|", table, re.MULTILINE)
    assert heading == "fault"
    assert len(rows) > 20
    assert set(rows) <= set(FAULTS)


def test_every_named_setting_exists() -> None:
    table = TEXT.partition("## Settings")[2]
    named = re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE)
    names = {name.lower() for cell in named for name in re.findall(r"`([A-Z_]+)`", cell)}
    assert names
    assert names <= set(Settings.model_fields)


def test_every_link_leads_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", TEXT)
    assert [target for target in targets if not (PAGE.parent / target).exists()] == []
