"""The work of a web process before its first request, so that the first is as fast as the rest."""

import logging
import secrets

from security.admission.admission import AdmissionRequest
from security.errors import SecurityError
from web.entrance.batcher import AdmissionCall
from web.services import Services

_SUBJECT = "warm-up"

_log = logging.getLogger(__name__)


def warm_up(services: Services) -> None:
    """Loads the process's own model, if it has one, connects the request path and loads its script.

    If a server does not answer, the first request connects to it.
    """
    if services.local_scoring is not None:
        services.local_scoring.start()
    if services.upkeep is not None:
        services.upkeep.start()
    services.dispatcher.warm_up()
    services.safe_mode.state()
    services.tokens.start()
    services.signatures.keys.start()
    try:
        services.admission.admit(AdmissionCall(AdmissionRequest(_SUBJECT, secrets.token_hex(32))))
    except SecurityError as error:
        _log.warning("replay and rate limits cannot be checked yet: %s", error)
