"""`python -m ops.checks.secret_scan`: does a file under version control hold a secret?

detect-secrets finds suspects. Those that a person has reviewed stand in `.secrets.baseline`, by hash; any other fails
the check. Tests are full of secrets made up to be found, so in them only the forms of issuers' own count, such as
cloud keys and access tokens. `--accept` writes the baseline anew, for a person to review.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

BASELINE = Path(".secrets.baseline")
# Compiled pins are full of names and numbers; the standard's own example keys and the baseline are reviewed by hand.
NOT_SCANNED = (".lock", ".png", ".parquet", ".baseline")
_MADE_UP_IN_TESTS = frozenset(
    {
        "Base64 High Entropy String",
        "Hex High Entropy String",
        "Secret Keyword",
        "Basic Auth Credentials",
        "Private Key",
        "JSON Web Token",
    }
)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A suspected secret; the secret itself is known by its hash alone."""

    path: str
    line: int
    kind: str
    digest: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Identifies the suspect, also when lines move."""
        return (self.path, self.kind, self.digest)


def suspects(paths: Iterable[str]) -> Iterator[Suspect]:
    """Yields what looks like a secret in the files."""
    from detect_secrets.core.secrets_collection import SecretsCollection
    from detect_secrets.settings import default_settings

    with default_settings():
        secrets = SecretsCollection()
        for path in paths:
            secrets.scan_file(path)
        for path, secret in secrets:
            if not (path.startswith("tests/") and secret.type in _MADE_UP_IN_TESTS):
                yield Suspect(path, secret.line_number, secret.type, secret.secret_hash)


def known(baseline: Path) -> set[tuple[str, str, str]]:
    """Returns the suspects that a person has reviewed; none where there is no baseline."""
    if not baseline.exists():
        return set()
    return {(entry["path"], entry["kind"], entry["digest"]) for entry in json.loads(baseline.read_text())}


def accept(found: Iterable[Suspect], baseline: Path) -> None:
    """Writes the baseline anew."""
    entries = [
        {"path": item.path, "kind": item.kind, "digest": item.digest}
        for item in sorted(found, key=lambda item: item.key)
    ]
    baseline.write_text(json.dumps(entries, indent=1) + "\n")


def tracked_files() -> list[str]:
    """Returns the files under version control that are scanned."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True)
    names = listed.stdout.decode().split("\0")
    return [name for name in names if name and not name.endswith(NOT_SCANNED) and Path(name).is_file()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ops.checks.secret_scan")
    parser.add_argument("--accept", action="store_true", help="write what is found into the baseline")
    found = list(suspects(tracked_files()))
    if parser.parse_args(arguments).accept:
        accept(found, BASELINE)
        return 0
    accepted = known(BASELINE)
    unknown = [item for item in found if item.key not in accepted]
    for item in unknown:
        print(f"{item.path}:{item.line}: {item.kind}", file=sys.stderr)
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
