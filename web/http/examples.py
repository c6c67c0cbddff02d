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

_SEQUENCE_TEXT = (
    "the order and timing of this customer's last 3 payments; the one of 180.00 on 23 Nov 13:58 UTC, 4 min after the "
    "one before, raised the risk most"
)
_SEQUENCE_REASON = {
    "code": "UNUSUAL_ORDER",
    "feature": "sequence",
    "value": 0.31,
    "contribution": 0.82,
    "text": _SEQUENCE_TEXT,
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
            "feature": "customer_ratio_mean_30d",
            "value": 4.2,
            "contribution": 1.37,
            "text": "the amount 249.90 is 4.2 times this customer's mean over 30 days",
        },
        _SEQUENCE_REASON,
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
            "errors": [
                {
                    "pointer": "/transactions/1/amount",
                    "message": "must be greater than 0: verifications without an amount and refunds cannot be scored",
                }
            ],
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
    "labelled_at": "2026-11-24T09:00:00Z",
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
    "fingerprint": "5f1a7c0e9b3d4a6f8e2c1b0d9a7f6e5c",
    "transaction": TRANSACTION,
    "model": {"version": _VERSION, "hash": "9d2f"},
    "explanation": {
        "bias": -3.1,
        "log_odds": -0.632,
        "vector": {"customer_ratio_mean_30d": 4.2, "customer_count_1h": 2.0},
        "contributions": [
            {**STORED_DECISION["reasons"][0], "family": "customer_norm"},
            {**_SEQUENCE_REASON, "family": "component"},
            {
                "feature": "autoencoder",
                "family": "component",
                "code": "UNUSUAL_PAYMENT",
                "value": 0.22,
                "contribution": 0.278,
                "text": (
                    "the combination of this payment's features is more unusual than 98% of legitimate ones; "
                    "least expected: 2 payments in 1 h, this customer's norm is 0.08"
                ),
            },
        ],
        "sequence": {
            "log_odds": -0.8,
            "lowest": -4.4,
            "decisive": 1,
            "text": _SEQUENCE_TEXT,
            "steps": [
                {"at": "2026-11-23T13:54:02Z", "amount": 31.5, "log_odds": -4.2, "rise": 0.2},
                {"at": "2026-11-23T13:58:11Z", "amount": 180.0, "log_odds": -1.1, "rise": 3.1},
                {"at": "2026-11-23T14:03:27Z", "amount": 249.9, "log_odds": -0.8, "rise": 0.3},
            ],
        },
        "unusual": {
            "anomaly": {"rarer_than": 0.95},
            "autoencoder": {
                "rarer_than": 0.98,
                "least_expected": [
                    {
                        "feature": "customer_count_1h",
                        "value": 2.0,
                        "expected": 0.1,
                        "share": 0.41,
                        "text": "2 payments in 1 h, this customer's norm is 0.08",
                    }
                ],
            },
        },
    },
}

EXPLANATION_PAGE: Final[dict[str, Any]] = {"items": [EXPLANATION], "next_cursor": None}

SAFE_MODE_REQUEST: Final[dict[str, Any]] = {"reason": "model under investigation"}

SAFE_MODE: Final[dict[str, Any]] = {
    "enabled": True,
    "reason": "model under investigation",
    "by": "alice",
    "since": "2026-11-23T14:10:00.000Z",
    "way_out": "Mend the cause, then POST /admin/safe-mode/disable: it tests every scoring process first, and names "
    "what fails.",
}

REASON_REQUEST: Final[dict[str, Any]] = {"reason": "it declines every payment at night"}

ALIASES: Final[dict[str, Any]] = {"champion": _VERSION, "challenger": None}

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
    "workers": [
        {
            "name": "score@host-1",
            "queue": "score",
            "model_version": _VERSION,
            "started_at": 1795442400.0,
            "shard": None,
            "histories": None,
            "is_blind": False,
            "figures": {"approve": 48210.0, "review": 311.0, "decline": 96.0},
        }
    ],
    "shards": [],
}

LIVE: Final[dict[str, Any]] = {"status": "alive"}

READY: Final[dict[str, Any]] = {
    "status": "ready",
    "checks": {
        "serving": {"ok": True, "detail": "yes"},
        "broker": {"ok": True, "detail": "reachable"},
        "scoring_worker": {"ok": True, "detail": "2 alive"},
        "model": {"ok": True, "detail": _VERSION},
        "histories": {"ok": True, "detail": "reachable"},
        "safe_mode": {"ok": True, "detail": "off"},
    },
    "perf_mode": False,
    "environment": "production",
}

NOT_READY: Final[dict[str, Any]] = {
    **READY,
    "status": "not_ready",
    "checks": {**READY["checks"], "scoring_worker": {"ok": False, "detail": "0 alive"}},
}

STATUS_LINK: Final[dict[str, Any]] = {
    "path": "/status/sign-in#eyJzIjoib3BlcmF0b3IifQ.c2VhbA",
    "expires_at": 1795442700,
}

STATUS_SESSION_REQUEST: Final[dict[str, Any]] = {"link": "eyJzIjoib3BlcmF0b3IifQ.c2VhbA"}

STATUS: Final[dict[str, Any]] = {
    "at": 1795442400.0,
    "level": "warn",
    "verdict": "Scoring works; 1 thing needs attention.",
    "findings": ["publish: the oldest of 1,204 entries has waited for 3 min: Kafka or its worker does not keep up."],
    "sections": [
        {
            "title": "Outbox",
            "rows": [{"name": "publish", "value": "1,204 waiting, oldest 3 min", "level": "warn"}],
            "note": "",
        }
    ],
}
