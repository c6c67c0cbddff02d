import datetime as dt

import orjson
import pytest

from ops.checks import vulnerabilities
from ops.checks.vulnerabilities import (
    ACCEPTED,
    Accepted,
    AllowlistError,
    Found,
    ServiceError,
    problems,
    read_accepted,
    read_report,
)

TODAY = dt.date(2026, 11, 24)
ENTRY = """
[[accepted]]
id = "CVE-2026-1"
package = "example"
reason = "not reachable"
until = 2026-12-31
"""
FOUND = Found("example", "1.0", frozenset({"PYSEC-2026-9", "CVE-2026-1"}))


def test_the_projects_own_list_is_readable_and_in_date() -> None:
    assert all(entry.until >= dt.datetime.now(dt.UTC).date() for entry in read_accepted(ACCEPTED.read_text()))


def test_an_accepted_vulnerability_passes_under_any_of_its_names() -> None:
    assert list(problems([FOUND], read_accepted(ENTRY), today=TODAY)) == []


def test_what_nobody_accepted_fails() -> None:
    assert list(problems([FOUND], [], today=TODAY)) == ["example 1.0 has CVE-2026-1, PYSEC-2026-9."]
    other = [Accepted("CVE-2026-1", "another", "not reachable", TODAY)]
    assert len(list(problems([FOUND], other, today=TODAY))) == 2


def test_an_entry_that_is_over_or_needless_fails() -> None:
    accepted = read_accepted(ENTRY)
    assert "which is over" in next(problems([FOUND], accepted, today=dt.date(2027, 1, 1)))
    assert "no longer found" in next(problems([], accepted, today=TODAY))


@pytest.mark.parametrize("missing", ["id", "package", "reason", "until"])
def test_an_entry_without_any_of_its_parts_is_refused(missing: str) -> None:
    text = "\n".join(line for line in ENTRY.splitlines() if not line.startswith(missing))
    with pytest.raises(AllowlistError, match=f"needs a {missing}"):
        read_accepted(text)


@pytest.mark.parametrize("text", ["[[accepted", ENTRY + 'note = "x"\n', ENTRY.replace("2026-12-31", '"soon"')])
def test_a_list_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(AllowlistError):
        read_accepted(text)


def test_a_report_gives_every_vulnerability() -> None:
    report = orjson.dumps(
        {
            "dependencies": [
                {"name": "clean", "version": "2", "vulns": []},
                {"name": "example", "version": "1.0", "vulns": [{"id": "PYSEC-2026-9", "aliases": ["CVE-2026-1"]}]},
            ]
        }
    )
    assert read_report(report) == [FOUND]


def test_a_skipped_package_is_not_a_clean_one() -> None:
    report = orjson.dumps({"dependencies": [{"name": "skipped", "skip_reason": "not found"}]})
    with pytest.raises(ServiceError, match="skipped"):
        read_report(report)
    with pytest.raises(ServiceError, match="no report"):
        read_report(b"")


def _cannot_be_asked(_requirements: object) -> list[Found]:
    raise ServiceError("no such host")


def test_without_the_service_it_says_so_and_fails_only_where_it_is_required(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(vulnerabilities, "audit", _cannot_be_asked)
    assert vulnerabilities.main([]) == 0
    assert "NO VULNERABILITY WAS LOOKED UP" in capsys.readouterr().err
    assert vulnerabilities.main(["--required"]) == 1


def test_with_the_service_a_package_that_cannot_be_looked_up_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vulnerabilities, "audit", _cannot_be_asked)
    monkeypatch.setattr(vulnerabilities, "service_answers", lambda: True)
    assert vulnerabilities.main([]) == 1
