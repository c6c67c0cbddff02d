"""Examples that the OpenAPI document shows; tests check each against its schema."""

from typing import Any, Final

_CORRELATION_ID = "checkout-4711-a9f3"
_VERSION = "v20261101T030412-5f0c1e"

TRANSACTION: Final[dict[str, Any]] = {
    "transaction_id": "t-20261123-000017",
    "timestamp": "2026-11-23T14:03:27Z",
    "customer_id": "c-1009",
    "terminal_id": "pos-77",
    "amount": "249.90",
    "currency": "EUR",
    "channel": "ecom",
    "country": "FR",
    "merchant_category": "5732",
    "device_id": "d-5a1c",
    "ip": "203.0.113.7",
    "metadata": {"basket": "electronics"},
}

STORED_DECISION: Final[dict[str, Any]] = {
    "transaction_id": TRANSACTION["transaction_id"],
    "decision": "review",
    "score": 0.347,
    "threshold": {"review": 0.2, "decline": 0.7},
    "breakdown": {"tabular": 0.41, "anomaly": 0.58, "autoencoder": 0.22, "sequence": 0.31},
    "reasons": [
        {
            "code": "AMOUNT_ABOVE_NORM",
            "feature": "amount_to_customer_mean",
            "value": 4.2,
            "contribution": 1.37,
            "text": "The amount is 4.2 times this customer's usual amount.",
        }
    ],
    "model_version": _VERSION,
    "scored_at": "2026-11-23T14:03:27.412Z",
}

DECISION: Final[dict[str, Any]] = {
    **STORED_DECISION,
    "correlation_id": _CORRELATION_ID,
    "timings": {"queue_ms": 0.6, "features_ms": 0.4, "model_ms": 0.1, "total_ms": 2.8},
}

BATCH: Final[dict[str, Any]] = {"transactions": [TRANSACTION, {**TRANSACTION, "amount": "-1"}]}

BATCH_ANSWER: Final[dict[str, Any]] = {
    "results": [
        DECISION,
        {
            "type": "/docs#problem-invalid-body",
            "title": "Body refused",
            "status": 422,
            "detail": "The body is JSON, but not what this route expects.",
            "correlation_id": _CORRELATION_ID,
            "errors": [{"pointer": "/transactions/1/amount", "message": "must be digits with at most 4 decimals"}],
            "transaction_id": TRANSACTION["transaction_id"],
        },
    ],
    "correlation_id": _CORRELATION_ID,
    "timings": {"total_ms": 3.1},
}

LABEL: Final[dict[str, Any]] = {
    "transaction_id": TRANSACTION["transaction_id"],
    "label": "fraud",
    "source": "chargeback",
    "labelled_at": "2026-11-30T09:00:00Z",
    "customer_id": TRANSACTION["customer_id"],
    "terminal_id": TRANSACTION["terminal_id"],
}

LABEL_ANSWER: Final[dict[str, Any]] = {
    "transaction_id": TRANSACTION["transaction_id"],
    "status": "accepted",
    "correlation_id": _CORRELATION_ID,
}

EXPLANATION: Final[dict[str, Any]] = {
    **STORED_DECISION,
    "customer_id": TRANSACTION["customer_id"],
    "correlation_id": _CORRELATION_ID,
    "transaction": TRANSACTION,
    "model": {"version": _VERSION, "hash": "9d2f"},
    "explanation": {
        "bias": -3.1,
        "tabular_log_odds": 1.2,
        "vector": {"amount": 412.5},
        "contributions": [
            {
                "feature": "amount",
                "family": "amount_time",
                "code": "AMOUNT",
                "value": 412.5,
                "contribution": 4.3,
                "text": "the amount is 412.50",
            }
        ],
    },
}

EXPLANATION_PAGE: Final[dict[str, Any]] = {"items": [EXPLANATION], "next_cursor": None}

SAFE_MODE_REQUEST: Final[dict[str, Any]] = {"reason": "model under investigation"}

SAFE_MODE: Final[dict[str, Any]] = {
    "enabled": True,
    "reason": "model under investigation",
    "by": "alice",
    "since": "2026-11-23T14:10:00.000Z",
}

MODELS: Final[dict[str, Any]] = {
    "champion": _VERSION,
    "challenger": None,
    "versions": [
        {
            "version": _VERSION,
            "created_at": "2026-11-01T03:04:12Z",
            "metrics": {"average_precision": 0.75, "auc": 0.88},
            "feature_schema_hash": "b1946ac9",
            "code_version": "0.1.0",
            "aliases": ["champion"],
        }
    ],
}

QUEUES: Final[dict[str, Any]] = {
    "queues": [{"queue": "score", "depth": 0, "oldest_seconds": None, "consumers": 2}],
    "outbox": {"explain": {"entries": 12, "oldest_seconds": 0.4, "dead_letters": 0}},
    "workers": [{"name": "score@host-1", "queue": "score", "model_version": _VERSION, "started_at": 1795442400.0}],
}

LIVE: Final[dict[str, Any]] = {"status": "alive"}

READY: Final[dict[str, Any]] = {
    "status": "ready",
    "checks": {
        "broker": {"ok": True, "detail": "reachable"},
        "scoring_worker": {"ok": True, "detail": "2 alive"},
        "model": {"ok": True, "detail": _VERSION},
        "safe_mode": {"ok": True, "detail": "off"},
    },
}

NOT_READY: Final[dict[str, Any]] = {
    "status": "not_ready",
    "checks": {**READY["checks"], "scoring_worker": {"ok": False, "detail": "0 alive"}},
}
