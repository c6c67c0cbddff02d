"""`python -m ops.checks.vulnerabilities`: are there known vulnerabilities in what is pinned?

pip-audit asks, strictly: a package that cannot be looked up fails the check, because pip-audit alone would call it
clean. Vulnerabilities accepted for a while stand in `vulnerabilities.toml`, with a reason and a date.

It needs the advisory service of PyPI. Where that cannot be reached, which a look-up of a package that certainly exists
shows, the check says in capitals that nothing was checked, and passes unless `--required` is given.
"""

import argparse
import datetime as dt
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

ACCEPTED = Path(__file__).with_name("vulnerabilities.toml")
REQUIREMENTS = (Path("requirements.txt"), Path("requirements/bench.txt"))
_CERTAINLY_THERE = "pip==24.0"
_UNCHECKED = """\
================================================================================
NO VULNERABILITY WAS LOOKED UP: THE ADVISORY SERVICE CANNOT BE REACHED FROM HERE.
{cause}
Run `make security` where https://pypi.org/pypi/<package>/json answers.
================================================================================"""


class AllowlistError(Exception):
    """The list of accepted vulnerabilities is not what it must be."""


class ServiceError(Exception):
    """pip-audit could not look everything up."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A vulnerability that is known and borne until a date."""

    id: str
    package: str
    reason: str
    until: dt.date


@dataclass(frozen=True, slots=True)
class Found:
    """A vulnerability of an installed version, with all names it goes by."""

    package: str
    version: str
    ids: frozenset[str]


def read_accepted(text: str) -> list[Accepted]:
    """Returns the accepted vulnerabilities of a list.

    Raises:
        AllowlistError: an entry lacks a reason, a date or a name.
    """
    try:
        entries = tomllib.loads(text).get("accepted", [])
    except tomllib.TOMLDecodeError as error:
        raise AllowlistError(f"the list is not TOML: {error}") from error
    return [_accepted(entry) for entry in entries]


def problems(found: Sequence[Found], accepted: Sequence[Accepted], *, today: dt.date) -> Iterator[str]:
    """Yields what stands in the way: vulnerabilities nobody accepted, and entries that are over or needless."""
    needed: set[Accepted] = set()
    for item in found:
        entry = next((entry for entry in accepted if entry.package == item.package and entry.id in item.ids), None)
        if entry is None:
            yield f"{item.package} {item.version} has {', '.join(sorted(item.ids))}."
        else:
            needed.add(entry)
    for entry in accepted:
        if entry.until < today:
            yield f"{entry.id} of {entry.package} was accepted until {entry.until}, which is over."
        elif entry not in needed:
            yield f"{entry.id} of {entry.package} is accepted and no longer found; take it off the list."


def read_report(report: bytes) -> list[Found]:
    """Returns what a JSON report of pip-audit found.

    Raises:
        ServiceError: it is no report, or packages were skipped.
    """
    try:
        dependencies = orjson.loads(report)["dependencies"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ServiceError("pip-audit gave no report.") from error
    skipped = [item["name"] for item in dependencies if "skip_reason" in item]
    if skipped:
        raise ServiceError(f"pip-audit skipped {', '.join(skipped)}.")
    return [
        Found(item["name"], item["version"], frozenset({vulnerability["id"], *vulnerability.get("aliases", ())}))
        for item in dependencies
        for vulnerability in item["vulns"]
    ]


def audit(requirements: Path) -> list[Found]:
    """Returns the known vulnerabilities of pinned requirements.

    Raises:
        ServiceError: they could not all be looked up.
    """
    command = [sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", "--no-deps", "--progress-spinner", "off"]
    done = subprocess.run([*command, "--format", "json", "-r", str(requirements)], capture_output=True, check=False)
    try:
        return read_report(done.stdout)
    except ServiceError as error:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise ServiceError(lines[-1] if lines else str(error)) from error


def service_answers() -> bool:
    """Whether a package that certainly exists can be looked up."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(_CERTAINLY_THERE + "\n")
        file.flush()
        try:
            audit(Path(file.name))
        except ServiceError:
            return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ops.checks.vulnerabilities")
    parser.add_argument("--required", action="store_true", help="fail where the advisory service cannot be reached")
    required = parser.parse_args(arguments).required
    accepted = read_accepted(ACCEPTED.read_text(encoding="utf-8"))
    try:
        found: Sequence[Found] = [item for pins in REQUIREMENTS for item in audit(pins)]
    except ServiceError as error:
        if service_answers():
            print(f"vulnerabilities: {error}", file=sys.stderr)
            return 1
        print(_UNCHECKED.format(cause=error), file=sys.stderr)
        # Dates pass without any service.
        found = [Found(entry.package, "?", frozenset({entry.id})) for entry in accepted]
        if required:
            return 1
    refused = list(problems(found, accepted, today=dt.datetime.now(dt.UTC).date()))
    for problem in refused:
        print(f"vulnerabilities: {problem}", file=sys.stderr)
    return 1 if refused else 0


def _accepted(entry: Mapping[str, Any]) -> Accepted:
    name = entry.get("id", "an entry")
    for member, kind in (("id", str), ("package", str), ("reason", str), ("until", dt.date)):
        if not isinstance(entry.get(member), kind) or not entry[member]:
            raise AllowlistError(f"{name} needs a {member}.")
    if unknown := entry.keys() - {"id", "package", "reason", "until"}:
        raise AllowlistError(f"{name} has {', '.join(sorted(unknown))}, which means nothing.")
    return Accepted(entry["id"], entry["package"], entry["reason"], entry["until"])


if __name__ == "__main__":
    sys.exit(main())
