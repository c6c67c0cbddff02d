from datetime import UTC, datetime
from typing import Any

import pytest
from celery import signals

from security.messages.message_signer import MessageSigner
from tasks.messaging.doorbells import sign_doorbells

SIGNER = MessageSigner(b"k" * 32)
NOTHING_AFTER = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def sent(task: str, *, args: tuple[Any, ...] = (), kwargs: Any = None, **extra: Any) -> dict[str, Any]:
    """Returns the headers of a message as they leave the process."""
    sign_doorbells(SIGNER)
    headers = {"id": "m-1", "expires": extra.pop("expires", None)}
    body = (args, kwargs or {}, NOTHING_AFTER | extra)
    signals.before_task_publish.send(sender=task, body=body, headers=headers)
    return headers


def test_a_doorbell_is_signed_until_its_expiry() -> None:
    expires = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
    headers = sent("explanations.drain", expires=expires.isoformat())
    assert headers["deadline_ms"] == int(expires.timestamp() * 1000)
    SIGNER.verify("explanations.drain", "m-1", headers["deadline_ms"], "", signature=headers["signature"])


def test_a_doorbell_without_an_expiry_is_over_after_an_hour() -> None:
    headers = sent("retraining.run")
    assert headers["deadline_ms"] == pytest.approx(headers["sent_at"] * 1000 + 3_600_000, abs=1_000)


@pytest.mark.parametrize(
    ("task", "extra"),
    [
        ("scoring.score", {"args": ("{}",)}),
        ("scoring.score", {}),
        ("retraining.run", {"args": (1,)}),
        ("retraining.run", {"kwargs": {"a": 1}}),
        ("retraining.run", {"callbacks": [{"task": "x"}]}),
        ("retraining.run", {"chain": [{"task": "x"}]}),
        ("celery.map", {}),
    ],
)
def test_nothing_but_a_bare_doorbell_is_signed(task: str, extra: dict[str, Any]) -> None:
    assert "signature" not in sent(task, **extra)
