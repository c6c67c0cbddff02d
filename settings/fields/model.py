"""Models: their registry, artifact keys, tracking and training."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from settings.fields.process import ProcessSettings
from settings.server_urls import check_web_url

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql", "file")


class ModelSettings(ProcessSettings):
    """Where models are, which are trusted and how they are trained."""

    mlflow_tracking_uri: str | None = Field(
        None, description="MLflow tracking and registry; default: SQLite at VAR_DIR/mlflow.db."
    )
    mlflow_experiment: str = Field("shrike", description="MLflow experiment and registered model name.")
    mlflow_timeout_seconds: int = Field(
        10,
        ge=1,
        le=600,
        description="Longest wait for one answer of an MLflow server; a run is given up after twelve times as long.",
    )
    model_dir: Path | None = Field(None, description="Model registry folder; default: VAR_DIR/models.")
    model_poll_seconds: float = Field(
        1.0, gt=0, le=86_400, description="How often a scoring process looks for a new champion."
    )
    artifact_signing_key_file: Path | None = Field(None, description="Ed25519 private key (PEM); trainer only.")
    artifact_verify_key_file: Path | None = Field(None, description="Ed25519 public key (PEM) of the artifacts.")
    artifact_trust_file: Path | None = Field(
        None,
        description="JSON list of accepted artifact keys with their validity, and of revocations; read again when "
        "it changes. It takes the place of ARTIFACT_VERIFY_KEY_FILE and ARTIFACT_KEY_ID where models are loaded.",
    )
    artifact_key_id: str | None = Field(None, description="Key id that manifests name.")
    artifact_encryption_key: SecretStr | None = Field(
        None, description="Base64 of the 32-byte AES key that wraps data keys."
    )
    artifact_previous_encryption_key: SecretStr | None = Field(
        None, description="ARTIFACT_ENCRYPTION_KEY still, or already, accepted during a rotation."
    )
    training_history: Path | None = Field(
        None, description="History file that retraining adds the stored transactions to."
    )
    training_window_days: int = Field(28, ge=1, le=36_500, description="Days of transactions a training uses.")
    label_delay_days: float = Field(
        7.0, ge=0, le=36_500, description="Days until an unlabelled history counts as labelled."
    )

    @field_validator("mlflow_tracking_uri")
    @classmethod
    def _refuse_unreadable_uri(cls, uri: str | None) -> str | None:
        """Refuses what MLflow would take for a folder, or for a scheme that it does not know, at its first use."""
        scheme, separator, _ = (uri or "").partition(":")
        if uri is None or not separator or scheme.partition("+")[0] in _DATABASES:
            return uri
        return check_web_url("MLFLOW_TRACKING_URI", uri)

    @property
    def models_path(self) -> Path:
        """The model registry folder."""
        return self.model_dir or self.var_dir / "models"

    @property
    def mlflow_uri(self) -> str:
        """MLflow's tracking and registry store."""
        return self.mlflow_tracking_uri or f"sqlite:///{(self.var_dir / 'mlflow.db').absolute()}"
