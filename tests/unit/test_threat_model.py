"""docs/threat-model.md names tests; what it names must exist, and every threat must name one."""

import re
from pathlib import Path

import pytest

from tests.unit.test_guarantees import names_in

PAGE = Path("docs/threat-model.md")
TEXT = PAGE.read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)+)`", TEXT)))
ACTORS = ("Stranger", "Listener", "Client", "Insider in Redis", "Insider in the registry", "Log reader", "Supplier")


@pytest.mark.parametrize("named", NAMED)
def test_every_named_test_exists(named: str) -> None:
    path, _, name = named.partition("::")
    assert name in names_in(path)


def test_every_threat_has_a_control_and_names_a_test() -> None:
    threats = TEXT.partition("## Threats")[2].partition("## Open")[0]
    rows = [line for line in threats.splitlines() if line.startswith("| ") and "---" not in line]
    rows = [row for row in rows if row != "| threat | control | test |"]
    assert len(rows) >= 30
    assert [row for row in rows if row.count(" | ") != 2 or "`tests/" not in row] == []


def test_every_actor_has_threats_and_what_is_open_is_said() -> None:
    assert [actor for actor in ACTORS if f"### {actor}" not in TEXT] == []
    assert TEXT.partition("## Open")[2].count("\n- **") >= 5


@pytest.mark.parametrize("page", [PAGE, Path("docs/transport.md"), Path("SECURITY.md")])
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
