"""A deployment that gets test traffic: looked at first, and spared if it is production.

Its readiness says what it is. Synthetic transactions are scored, stored and published like all others and stay in the
histories, so production gets them only from somebody who says so.
"""

from http import HTTPStatus
from typing import Any

from ops.client import Answer, NoAnswerError, printable
from ops.errors import OpsError
from ops.stack.api_access import ApiAccess
from settings import Environment

SCORE_PATH = "/predictions/score"
_READY_PATH = "/health/ready"
_LOOK_SECONDS = 10.0
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_LONGEST_DETAIL = 500


class DeploymentError(OpsError):
    """The deployment cannot get test traffic, or must not."""


def check_deployment(access: ApiAccess, *, allow_production: bool) -> str | None:
    """Returns why the deployment cannot score just now, None if it can.

    Raises:
        DeploymentError: it does not answer, is no Shrike, or is production and `allow_production` is false.
    """
    try:
        with access.client(None, timeout_seconds=_LOOK_SECONDS) as client:
            answer = client.send("GET", _READY_PATH, is_signed=False)
    except NoAnswerError as error:
        raise DeploymentError(f"{access.url} does not answer; is it running, and is --url right? ({error})") from error
    except UnicodeError as error:  # a host name that cannot be one
        raise DeploymentError(f"{access.url} names no host.") from error
    readiness = _readiness(answer)
    if readiness is None:
        raise DeploymentError(
            f"{access.url} is no Shrike: GET {_READY_PATH} was answered {answer.status} and not with its readiness."
        )
    is_production = _says_production(readiness) or access.settings.environment is Environment.PRODUCTION
    if is_production and not allow_production:
        raise DeploymentError(
            f"{access.url} is production, where test transactions are stored, published and remembered like all "
            "others; say --allow-production if that is what you want."
        )
    failed = [f"{name}: {check.get('detail')}" for name, check in readiness["checks"].items() if not check.get("ok")]
    return _line("; ".join(failed)) or None


def refuse_foreign_keys(access: ApiAccess, answer: Answer) -> None:
    """Does nothing unless the deployment refused the very token or signature.

    Raises:
        DeploymentError: it did; no further request can fare better.
    """
    if answer.status in _REFUSED:
        raise DeploymentError(
            f"{access.url} refuses this machine's credentials ({answer.status}: {detail(answer)}) "
            "JWT_SECRET and HMAC_KEY must be those of the deployment, or --cert a certificate that it knows."
        )


def detail(answer: Answer) -> str:
    """Returns what a problem says, in its own words; the reason of the status where there is none. Never empty."""
    try:
        content = answer.json()
        text = str(content.get("detail") or content.get("title") or "")
    except (ValueError, AttributeError):
        text = ""
    phrase = HTTPStatus(answer.status).phrase if answer.status in set(HTTPStatus) else "no status of HTTP"
    return _line(text) or phrase


def _line(text: str) -> str:
    """Returns a stranger's words as one line for a terminal, and not a long one."""
    text = printable(text)
    return text if len(text) <= _LONGEST_DETAIL else f"{text[:_LONGEST_DETAIL]} …"


def _says_production(readiness: dict[str, Any]) -> bool:
    """Whether it is production, or does not say in a word what else it is."""
    said = readiness.get("environment")
    return not isinstance(said, str) or said == Environment.PRODUCTION


def _readiness(answer: Answer) -> dict[str, Any] | None:
    try:
        content = answer.json()
    except ValueError:
        return None
    if not isinstance(content, dict) or content.get("status") not in ("ready", "not_ready"):
        return None
    checks = content.get("checks")
    if not isinstance(checks, dict) or not all(isinstance(check, dict) for check in checks.values()):
        return None
    return content
