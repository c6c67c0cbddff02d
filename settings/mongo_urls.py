"""MongoDB URLs: checked early, and asked what the client will do with them.

Nothing here needs MongoDB's own client, which most images do not have.
"""

from dataclasses import dataclass
from typing import Self

from settings.server_urls import parse_server_url

FORM = "mongodb://host:port/?replicaSet=NAME"

_SCHEMES = ("mongodb", "mongodb+srv")
_UNCHECKED = frozenset({"tlsinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames"})
_TLS = frozenset({"tls", "ssl"})
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class MongoUrl:
    """What a MongoDB URL says.

    Attributes:
        database: named in its path; where credentials are given, also the one that holds the user.
        has_credentials: whether it names a user.
        is_encrypted: whether the client speaks TLS.
        unchecked: the options by which the client does not check the server, as they were written.
    """

    database: str
    has_credentials: bool
    is_encrypted: bool
    unchecked: tuple[str, ...]

    @classmethod
    def parse(cls, url: str) -> Self:
        """Returns what a URL says.

        Raises:
            ValueError: one sentence, without any part of a password.
        """
        parts = parse_server_url("MONGO_URL", url, form=FORM)
        if parts.scheme not in _SCHEMES:
            raise ValueError(f"MONGO_URL has the scheme {parts.scheme}://, and MongoDB has none such; write {FORM}.")
        if parts.scheme == "mongodb+srv" and (len(parts.hosts) > 1 or ":" in parts.hosts[0]):
            raise ValueError("MONGO_URL names a port or several hosts, and mongodb+srv:// takes one name without.")
        if parts.credentials.startswith(":"):
            raise ValueError("MONGO_URL has a password without a user name.")
        switches = {
            option: _truth(option, value) for option, value in parts.options if option.lower() in _TLS | _UNCHECKED
        }
        encrypted = [is_on for option, is_on in switches.items() if option.lower() in _TLS]
        if len(set(encrypted)) > 1:
            raise ValueError("MONGO_URL says both that TLS is on and that it is off; keep one of tls and ssl.")
        return cls(
            database=parts.path,
            has_credentials=bool(parts.credentials),
            is_encrypted=encrypted[0] if encrypted else parts.scheme == "mongodb+srv",
            unchecked=tuple(option for option, is_on in switches.items() if is_on and option.lower() in _UNCHECKED),
        )


def _truth(option: str, value: str) -> bool:
    if value not in _TRUTHS:
        raise ValueError(f"MONGO_URL: {option} is neither true nor false.")
    return _TRUTHS[value]
