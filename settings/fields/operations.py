"""Schedules, metrics, the watchdog and Flower."""

from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from settings.cron import check_cron
from settings.fields.process import ProcessSettings


class OperationsSettings(ProcessSettings):
    """When beat starts its tasks, and how workers are watched."""

    retrain_cron: str = Field("0 3 * * *", description="When beat starts a retraining: five cron fields, UTC.")
    drift_cron: str = Field("*/15 * * * *", description="When beat checks drift.")
    reconcile_cron: str = Field("*/5 * * * *", description="When beat compares answered, stored and published.")
    reconcile_window_minutes: int = Field(
        15, ge=1, le=55, description="How far back answers are looked for in MongoDB and Kafka, minutes."
    )
    metrics_port_base: int = Field(
        17_000,
        ge=0,
        le=60_000,
        description="Where the ports of the /metrics and /health of workers and beat begin, each fixed by role and "
        "number (docs/operations.md): score 1 is 101 above. 0 takes free ones.",
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port of this one process's /metrics and /health; 0 takes a free one. Default: by "
        "METRICS_PORT_BASE.",
    )
    metrics_host: str = Field("127.0.0.1", description="Address of the /metrics and /health of workers and beat.")
    watchdog_seconds: float = Field(
        2.0,
        ge=0,
        le=3_600,
        description="How often a worker sends itself a probe through its queue; 0 switches the watchdog off.",
    )
    watchdog_patience_seconds: float = Field(
        10.0,
        ge=1,
        le=3_600,
        description="How long a scoring worker may leave a probe unread before it ends, to be replaced.",
    )
    flower_user: str = Field("operator", description="User name of Flower.")
    flower_password: SecretStr | None = Field(None, description="Password of Flower.")
    flower_port: int = Field(5555, ge=0, le=65535, description="Port of Flower.")
    flower_max_tasks: int = Field(
        1_000, ge=10, le=1_000_000, description="Tasks that Flower keeps in memory; 100,000 take some 300 MB."
    )
    flower_host: str = Field("127.0.0.1", description="Address Flower listens on.")
    prometheus_multiproc_dir: Path | None = Field(
        None, description="Folder in which the web processes share their metrics; default: VAR_DIR/metrics."
    )

    @field_validator("retrain_cron", "drift_cron", "reconcile_cron")
    @classmethod
    def _refuse_unreadable_cron(cls, text: str) -> str:
        return check_cron(text)

    @field_validator("flower_user", "flower_password")
    @classmethod
    def _refuse_what_flower_would_split(cls, value: str | SecretStr | None, field: ValidationInfo) -> Any:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value or ""
        if "," in text:
            raise ValueError("it has a comma, which Flower takes for the beginning of another user; leave it out.")
        if field.field_name == "flower_user" and ":" in text:
            raise ValueError("it has a colon, where Flower takes a name to end; leave it out.")
        if not text.isprintable():
            raise ValueError("it has a line end or another character that is not printed; leave it out.")
        return value

    @property
    def metrics_path(self) -> Path:
        """Folder of the web processes' shared metrics."""
        return self.prometheus_multiproc_dir or self.var_dir / "metrics"
