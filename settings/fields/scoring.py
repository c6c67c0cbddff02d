"""The scoring path: its bounds, circuit breakers and SAFE MODE."""

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings


class ScoringSettings(BaseSettings):
    """How a transaction is scored, and how it is decided while scoring cannot be trusted."""

    score_timeout_ms: int = Field(250, ge=1, le=60_000, description="Longest wait of a request for its decision.")
    infer_batch_size: int = Field(
        32, ge=1, le=256, description="Most transactions in one scoring message, and so in one call of the model."
    )
    use_local_inference: bool = Field(
        default=False,
        description="The web process scores by itself, without the queue `score` and its workers: the same checks, "
        "features, records and outbox. It needs requirements/scoring.txt installed and the model at MODEL_DIR.",
    )
    perf_mode: bool = Field(
        default=False,
        description="Measures the bare path: scoring writes features and nothing else. No decision is kept, explained "
        "or published, a retry is decided anew, replays and request rates are not checked; tokens and signatures are. "
        "For web and score workers alike; refused in production.",
    )
    safe_mode_policy: Literal["reject", "rules"] = Field(
        "reject",
        description="While SAFE MODE is on, scoring answers 503 (reject), or conservative rules decide (rules) and "
        "every answer says so; for web and score workers alike.",
    )
    safe_mode_approve_up_to: float = Field(
        50.0, ge=0, description="Largest amount that the rules of SAFE MODE approve, in any currency."
    )
    safe_mode_decline_from: float = Field(
        1000.0, ge=0, description="Amount from which the rules of SAFE MODE decline, in any currency."
    )
    cb_max_failures: int = Field(
        5, ge=1, le=1_000_000, description="Failures within CB_WINDOW_SEC that open the circuit breaker."
    )
    cb_window_sec: float = Field(30.0, gt=0, le=86_400, description="Window in which failures are counted.")
    cb_open_sec: float = Field(15.0, gt=0, le=86_400, description="How long an open breaker refuses.")
    decision_ttl_seconds: int = Field(
        86_400, ge=60, le=400 * 86_400, description="How long a decision answers retries of its transaction."
    )

    @model_validator(mode="after")
    def _refuse_rules_that_overlap(self) -> Self:
        if self.safe_mode_decline_from < self.safe_mode_approve_up_to:
            raise ValueError("SAFE_MODE_DECLINE_FROM is below SAFE_MODE_APPROVE_UP_TO.")
        return self
