"""The access list file of the Redis server: what it says of each user, and what an older one of it says.

Connecting, transactions and loading a script are free to all; what else a user may do is in `redis_grants` beside this.
Source: https://valkey.io/topics/acl/ (a line per user, `#` and a password's SHA-256, several passwords at once).
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ops.credentials.redis_grants import USERS
from ops.errors import OpsError

_CONNECT = "+ping +hello +select +client|setinfo +client|setname +multi +exec +discard +time +info +waitaof +wait"
_SCRIPTS = "+script|load +script|exists"
_DEFAULT_USER = "default"
_LINE = re.compile(r"user (?P<name>\S+)(?P<rules> [^(]*)?")
_DIGEST = re.compile(r"(?<= )#([0-9a-f]{64})\b")


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list holds that must outlive its rewriting.

    Attributes:
        digests: by user of the platform, the SHA-256 of each password that is accepted.
        others: the lines of users that are not the platform's.
    """

    digests: Mapping[str, Sequence[str]] = field(default_factory=dict)
    others: Sequence[str] = ()


def digest(password: str) -> str:
    """Returns a password as the list holds it."""
    return hashlib.sha256(password.encode()).hexdigest()


def access_list(listed: Listed) -> str:
    """Returns the access list file of these users: passwords as SHA-256, strangers may only PING."""
    lines = [f"user {_DEFAULT_USER} on nopass resetkeys resetchannels -@all +ping"]
    for name, digests in listed.digests.items():
        accepted = " ".join(f"#{each}" for each in digests)
        selectors = " ".join(f"({grant.on} {_allowed(grant.may)})" for grant in USERS[name])
        base = f"user {name} on {accepted} resetkeys resetchannels -@all {_CONNECT} {_SCRIPTS}"
        lines.append(f"{base} {selectors}")
    return "\n".join([*lines, *listed.others, ""])


def _allowed(commands: str) -> str:
    return "-@all " + " ".join(f"+{command}" for command in commands.split())


def read_access_list(path: Path) -> Listed:
    """Returns what a list file holds, nothing if there is no file.

    Raises:
        OpsError: the file cannot be read, or a server would refuse it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return Listed()
    except (OSError, UnicodeError) as error:
        raise OpsError(f"{path} cannot be read as text.") from error
    digests, others = {}, []
    for number, line in enumerate(lines, start=1):
        found = _LINE.match(line)
        if found is None and line.strip():
            raise OpsError(f"{path}, line {number}, does not begin with `user NAME`; correct the line or remove it.")
        if found and found["name"] in USERS:
            digests[found["name"]] = _DIGEST.findall(found["rules"] or "")
        elif found and found["name"] != _DEFAULT_USER:
            others.append(line)
    return Listed(digests, others)
