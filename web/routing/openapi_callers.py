"""What the OpenAPI document says of callers, as it is configured: tokens and signatures, or client certificates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from security.roles import Role
from settings import Settings
from web.http import problems
from web.http.problems import Kind

_SECONDS_OF = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@dataclass(frozen=True, slots=True)
class Callers:
    """How this API knows its callers.

    Attributes:
        description: for the document's description.
        schemes: OpenAPI's security schemes; the first one carries the role.
        of_signed: the schemes that a signed route asks for beside the first.
        signature_problems: what is answered to a signature that does not hold.
    """

    description: str
    schemes: Mapping[str, Any]
    of_signed: tuple[str, ...] = ()
    signature_problems: tuple[Kind, ...] = ()

    def security(self, roles: Sequence[Role], *, signed: bool) -> list[dict[str, list[str]]]:
        """Returns what a route asks of its caller, one alternative per role; none if it is for everybody."""
        bearer = next(iter(self.schemes))
        signature: dict[str, list[str]] = {name: [] for name in self.of_signed} if signed else {}
        return [{bearer: [role.value]} | signature for role in roles]


_BY_TOKEN = Callers(
    """\
Every protected request carries a bearer token, `X-Request-Timestamp` (epoch seconds) and `X-Request-Signature`: \
base64 of the HMAC-SHA256 of `METHOD|path-with-query|timestamp|body`, under the shared key or, named by `X-Key-Id`, a \
key of the client's own. An HTTP message signature (RFC 9421) may take their place. A signature is accepted once. The \
checks run in this order: size, token, role, timestamp, signature, replay, rate limit, body.""",
    {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Roles are in `roles`."},
        "timestamp": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Request-Timestamp",
            "description": "Epoch seconds, close to the server's time.",
        },
        "signature": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Request-Signature",
            "description": "base64(HMAC-SHA256(key, `METHOD|path-with-query|timestamp|body`)).",
        },
    },
    ("timestamp", "signature"),
    (problems.SIGNATURE_REJECTED, problems.REPLAYED),
)

_BY_CERTIFICATE = Callers(
    """\
Every protected request comes over a connection with a TLS client certificate, which names its caller and the caller's \
roles. Tokens and signatures count for nothing. The checks run in this order: size, certificate, role, rate limit, \
body.""",
    {
        "certificate": {
            "type": "mutualTLS",
            "description": "A client certificate that the operator of this API has given a subject and roles.",
        }
    },
)


def callers_of(settings: Settings) -> Callers:
    """Returns how the API with these settings knows its callers."""
    return _BY_CERTIFICATE if settings.mtls_only else _BY_TOKEN


def life_of_decisions(settings: Settings) -> str:
    """Returns for how long a decision answers the retries of its transaction, in a sentence.

    >>> life_of_decisions(Settings(_env_file=None, decision_ttl_seconds=86_400))
    'A decision answers retries of its transaction for 1 day.'
    >>> life_of_decisions(Settings(_env_file=None, decision_ttl_seconds=5_400))
    'A decision answers retries of its transaction for 90 minutes.'
    """
    seconds = settings.decision_ttl_seconds
    unit, length = next((unit, length) for unit, length in _SECONDS_OF if seconds % length == 0)
    count = seconds // length
    return f"A decision answers retries of its transaction for {count:,} {unit}{'' if count == 1 else 's'}."
