import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from security.audit.audit import AuditEvent
from security.audit.audit_memory import MemoryAuditLog
from security.roles import Role
from security.safe_mode.safe_mode import timestamp
from security.tokens.minted_tokens import MINTED, MintedTokens, TokenRequest

DETAILS: Mapping[str, Any] = {
    "token_id": "t",
    "subject": "s",
    "roles": "metrics",
    "issued_at": "1",
    "expires_at": "2",
}


def without(name: str) -> Mapping[str, Any]:
    return {key: value for key, value in DETAILS.items() if key != name}


@pytest.mark.parametrize(
    "details",
    [
        {},
        *(without(name) for name in DETAILS),
        {**DETAILS, "expires_at": "soon"},
        {**DETAILS, "expires_at": "9" * 300},
        {**DETAILS, "issued_at": "3"},
        {**DETAILS, "roles": 7},
        {**DETAILS, "token_id": "\x1b[2J"},
        {**DETAILS, "subject": 7},
    ],
)
def test_an_event_of_another_form_is_named_and_hides_no_token(
    details: Mapping[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    audit = MemoryAuditLog()
    tokens = MintedTokens(audit)
    tokens.note(TokenRequest("good", "shop", [Role.METRICS], 10, 20), by="me", reason="test")
    audit.record([AuditEvent(MINTED, "stranger", timestamp(), "", details)])
    with caplog.at_level(logging.ERROR):
        assert [token.token_id for token in tokens.minted_within(timedelta(days=1))] == ["good"]
    assert "'stranger'" in caplog.text
