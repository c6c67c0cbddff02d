"""The one settings object: every setting of every process, read once from the environment.

Values come from, in rising priority: the defaults below, the development key file that `python -m ops keys`
writes (`var/keys/dev.env`), a `.env` file in the working directory, the process environment.
Nothing else in the project reads the environment.
"""

import base64
import re
import ssl
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DEVELOPMENT_MARK = "dev_"
"""Every secret and key id that `ops keys` makes starts with this; production refuses it."""

DEVELOPMENT_ENV_FILE = Path("var/keys/dev.env")

_SERVER_SCHEMES = ("redis://", "rediss://", "unix://")
_CREDENTIALS = re.compile(r"[a-z][a-z0-9-]{0,31}:[A-Za-z0-9_-]{16,128}", re.ASCII)
_CLUSTER_URL = re.compile(r"(rediss?)\+cluster://([^@/?]*@)?([^@/?,]+:\d+(?:,[^@/?,]+:\d+)*)/?(\?.*)?")


_PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)


class Environment(StrEnum):
    """Where the process runs; production refuses every insecure choice."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """All settings. The environment variable of a field is its name in upper case."""

    model_config = SettingsConfigDict(
        env_file=(DEVELOPMENT_ENV_FILE, ".env"),
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        # A refusal shows what was set, and that may be a key.
        hide_input_in_errors=True,
    )

    # Where and what
    environment: Environment = Field(Environment.DEVELOPMENT, description="development or production.")
    var_dir: Path = Field(Path("var"), description="Folder for everything the platform writes on local disk.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Lowest level that is logged.")

    # Servers
    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        description="Redis or Valkey that holds decisions, outbox, security state and, by default, all else.",
    )
    broker_url: str | None = Field(None, description="Celery's broker; default: REDIS_URL.")
    feature_redis_url: str | None = Field(
        None,
        description="The online feature store: redis://host:port/0 or, on a Redis Cluster, "
        "redis+cluster://host:port,host:port with any of its nodes; default: REDIS_URL.",
    )
    score_shard_urls: dict[str, str] = Field(
        default_factory=dict,
        description="Spreads scoring over several Redis servers, each with the queues, decision records and outbox of "
        'its customers: JSON, URL by name, such as {"s1": "redis://10.0.0.1:6379/0", "s2": "redis://10.0.0.2:6379/0"}. '
        "A name stays with its server for ever. REDIS_URL keeps what all share; see docs/capacity.md.",
    )
    score_shards_retiring: list[str] = Field(
        default_factory=list, description="Shards that get no new transactions and only answer retries, JSON."
    )
    shard: str | None = Field(
        None, description="The shard that this worker or beat belongs to; a web process belongs to none."
    )
    redis_credentials_file: Path | None = Field(
        None,
        description="File with one line user:password, put into every Redis URL that names none; "
        "`python -m ops keys` makes one per kind of process.",
    )
    redis_socket_timeout_seconds: float = Field(
        5.0, gt=0, description="Longest wait for one Redis reply before the connection counts as dead."
    )
    redis_ca_file: Path | None = Field(
        None, description="PEM certificates that rediss:// servers are checked against; default: the system's."
    )
    redis_certificate_file: Path | None = Field(None, description="PEM client certificate for rediss:// servers.")
    redis_key_file: Path | None = Field(None, description="PEM private key of REDIS_CERTIFICATE_FILE.")
    mongo_ca_file: Path | None = Field(
        None, description="PEM certificates that MongoDB is checked against; default: the system's."
    )
    mongo_certificate_file: Path | None = Field(
        None, description="PEM client certificate for MongoDB, with its private key in the same file."
    )
    mongo_url: str = Field("mongodb://127.0.0.1:27017/", description="MongoDB for explanations, labels and audit.")
    mongo_database: str = Field("shrike", description="Database name in MongoDB.")
    kafka_bootstrap: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, comma separated.")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL"] = Field(
        "PLAINTEXT", description="How the Kafka connection is protected."
    )
    kafka_ca_file: Path | None = Field(None, description="PEM certificates that Kafka's brokers are checked against.")
    kafka_certificate_file: Path | None = Field(None, description="PEM client certificate for Kafka's brokers.")
    kafka_key_file: Path | None = Field(None, description="PEM private key of KAFKA_CERTIFICATE_FILE.")
    kafka_topic_scored: str = Field("transactions.scored", description="Topic of decisions.")
    kafka_topic_raw: str = Field("transactions.raw", description="Topic of the transactions as received.")
    mlflow_tracking_uri: str | None = Field(
        None, description="MLflow tracking and registry; default: SQLite at VAR_DIR/mlflow.db."
    )
    mlflow_experiment: str = Field("shrike", description="MLflow experiment and registered model name.")

    # Web
    web_host: str = Field("127.0.0.1", description="Address the API listens on.")
    web_port: int = Field(8080, ge=0, le=65535, description="Port of the API.")
    web_processes: int = Field(1, ge=1, le=64, description="gunicorn worker processes.")
    web_reuse_port: bool = Field(
        default=False,
        description="Lets several instances of the API on one machine listen on WEB_PORT, so that one can be replaced "
        "while another serves; a port that is taken by mistake is then noticed by nobody.",
    )
    web_connections: int = Field(1000, ge=1, description="Open connections per web process.")
    request_timeout_seconds: int = Field(
        10,
        ge=1,
        le=60,
        description="Longest time that a TLS handshake, a request's head, its body, or a client's taking of the answer "
        "may last; also how long an idle connection is kept.",
    )
    body_limit_bytes: int = Field(64 * 1024, ge=1024, description="Largest body of a single request, bytes.")
    batch_body_limit_bytes: int = Field(1024 * 1024, ge=1024, description="Largest body of a batch request, bytes.")
    batch_limit: int = Field(1000, ge=1, le=1000, description="Most transactions in one batch request.")
    transaction_max_future_seconds: int = Field(
        86_400, ge=0, description="How far in the future a transaction's event time may lie."
    )

    # Tokens and request signatures
    jwt_algorithm: Literal["HS256", "RS256", "ES256", "EdDSA"] = Field(
        "HS256", description="The one accepted algorithm."
    )
    jwt_secret: SecretStr | None = Field(None, description="HS256 secret, at least 32 bytes.")
    jwt_public_key_file: Path | None = Field(None, description="PEM public key for RS256, ES256 and EdDSA.")
    jwt_key_id: str | None = Field(None, description="Key id (`kid`) of the current JWT key.")
    jwt_previous_secret: SecretStr | None = Field(None, description="HS256 secret still accepted during a rotation.")
    jwt_previous_public_key_file: Path | None = Field(None, description="PEM key still accepted during a rotation.")
    jwt_previous_key_id: str | None = Field(None, description="Key id of the previous JWT key.")
    jwt_jwks_url: str | None = Field(
        None, description="URL of a JSON Web Key Set that replaces the keys above; https in production."
    )
    jwt_jwks_file: Path | None = Field(
        None, description="File with a JSON Web Key Set that replaces the keys above; read again every second."
    )
    jwt_jwks_ca_file: Path | None = Field(None, description="PEM certificates that JWT_JWKS_URL is checked against.")
    jwt_jwks_refresh_seconds: float = Field(300.0, ge=1, description="How often JWT_JWKS_URL is read.")
    jwt_jwks_max_age_seconds: float = Field(
        3600.0, ge=10, description="How long known keys hold while the key set cannot be read; then no token is good."
    )
    jwt_issuer: str = Field("shrike", description="Required `iss`.")
    jwt_audience: str = Field("shrike-api", description="Required `aud`.")
    jwt_leeway_seconds: int = Field(30, ge=0, le=300, description="Clock leeway for `exp` and `iat`.")
    jwt_max_lifetime_seconds: int = Field(
        30 * 86_400, ge=60, le=400 * 86_400, description="Longest `exp` minus `iat`; revocations are kept as long."
    )
    hmac_key: SecretStr | None = Field(None, description="Shared key of X-Request-Signature, at least 32 bytes.")
    hmac_previous_key: SecretStr | None = Field(None, description="HMAC_KEY still accepted during a rotation.")
    hmac_keys_file: Path | None = Field(
        None, description="JSON file with clients' own signature keys (docs/authentication.md); read every second."
    )
    hmac_max_skew_seconds: int = Field(
        120, ge=1, le=3600, description="Largest distance of X-Request-Timestamp from now."
    )
    hmac_accept_legacy_hex: bool = Field(
        default=False, description="Also accept the lower-case hex form of the signature."
    )
    message_key: SecretStr | None = Field(None, description="Key that signs Celery messages, at least 32 bytes.")

    # Limits
    rate_limit_capacity: int = Field(100, ge=0, description="Token bucket size per JWT subject; 0 switches it off.")
    rate_limit_refill_per_minute: float = Field(50.0, ge=0, description="Tokens a subject regains per minute.")
    rate_limit_overrides: dict[str, tuple[int, float]] = Field(
        default_factory=dict, description='Per subject (capacity, refill per minute), JSON: {"demo": [0, 0]}.'
    )
    device_rate_limit_capacity: int = Field(
        100, ge=0, description="Token bucket size per device_id; 0 switches it off."
    )
    device_rate_limit_refill_per_minute: float = Field(50.0, ge=0, description="Tokens a device regains per minute.")

    # Scoring path
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
    cb_max_failures: int = Field(5, ge=1, description="Failures within CB_WINDOW_SEC that open the circuit breaker.")
    cb_window_sec: float = Field(30.0, gt=0, description="Window in which failures are counted.")
    cb_open_sec: float = Field(15.0, gt=0, description="How long an open breaker refuses.")
    decision_ttl_seconds: int = Field(
        86_400, ge=60, description="How long a decision answers retries of its transaction."
    )

    # Outbox and drains
    durability: Literal["aof-everysec", "aof-fsync"] = Field(
        "aof-everysec",
        description="What an answer waits for: Redis's memory and its once-a-second disk writes, or the disk itself. "
        "aof-fsync needs Redis 7.2 or Valkey, and appendfsync always to stay within SCORE_TIMEOUT_MS.",
    )
    outbox_limit: int = Field(100_000, ge=100, description="Entries in the outbox beyond which scoring answers 503.")
    drain_batch_rows: int = Field(500, ge=1, le=10_000, description="Most outbox entries per write to a sink.")
    drain_batch_bytes: int = Field(
        4 * 1024 * 1024, ge=1024, description="Most bytes of outbox entries per write; a larger one goes alone."
    )
    drain_linger_ms: int = Field(
        200, ge=0, le=5_000, description="How long a drain waits for more entries before it writes."
    )
    drain_claim_idle_ms: int = Field(
        30_000, ge=100, description="Idle time after which another worker claims an unacknowledged entry."
    )
    drain_max_deliveries: int = Field(5, ge=1, description="Deliveries after which an entry becomes a dead letter.")
    drain_fallback_seconds: float = Field(2.0, gt=0, description="How often beat rings the drains.")
    kafka_linger_ms: int = Field(5, ge=0, le=1000, description="Kafka producer linger.")
    kafka_timeout_seconds: float = Field(10.0, gt=0, description="Longest wait for Kafka's delivery reports.")

    # Model
    model_dir: Path | None = Field(None, description="Model registry folder; default: VAR_DIR/models.")
    model_poll_seconds: float = Field(1.0, gt=0, description="How often a scoring process looks for a new champion.")
    artifact_signing_key_file: Path | None = Field(None, description="Ed25519 private key (PEM); trainer only.")
    artifact_verify_key_file: Path | None = Field(None, description="Ed25519 public key (PEM) of the artifacts.")
    artifact_trust_file: Path | None = Field(
        None,
        description="JSON list of accepted artifact keys with their validity, and of what was revoked; read again when "
        "it changes. It takes the place of ARTIFACT_VERIFY_KEY_FILE and ARTIFACT_KEY_ID where models are loaded.",
    )
    artifact_key_id: str | None = Field(None, description="Key id that manifests name.")
    artifact_encryption_key: SecretStr | None = Field(
        None, description="Base64 of the 32-byte AES key that wraps data keys."
    )

    # Schedule
    retrain_cron: str = Field("0 3 * * *", description="When beat starts a retraining: five cron fields, UTC.")
    drift_cron: str = Field("*/15 * * * *", description="When beat checks drift.")
    reconcile_cron: str = Field("*/5 * * * *", description="When beat compares answered, stored and published.")
    reconcile_window_minutes: int = Field(
        15, ge=1, le=55, description="How far back answers are looked for in MongoDB and Kafka, minutes."
    )
    training_history: Path | None = Field(
        None, description="History file that retraining adds the stored transactions to."
    )
    training_window_days: int = Field(28, ge=1, description="Days of transactions a training uses.")
    label_delay_days: float = Field(7.0, ge=0, description="Days until an unlabelled history counts as labelled.")

    # Operations
    metrics_port: int = Field(
        0, ge=0, le=65535, description="Port of a worker's /metrics and /health; 0 takes a free one."
    )
    metrics_host: str = Field("127.0.0.1", description="Address of a worker's /metrics and /health.")
    watchdog_seconds: float = Field(
        2.0, ge=0, description="How often a worker sends itself a probe through its queue; 0 switches the watchdog off."
    )
    watchdog_patience_seconds: float = Field(
        10.0, ge=1, description="How long a scoring worker may leave a probe unread before it ends, to be replaced."
    )
    flower_user: str = Field("operator", description="User name of Flower.")
    flower_password: SecretStr | None = Field(None, description="Password of Flower.")
    flower_port: int = Field(5555, ge=0, le=65535, description="Port of Flower.")
    flower_host: str = Field("127.0.0.1", description="Address Flower listens on.")
    prometheus_multiproc_dir: Path | None = Field(
        None, description="Folder in which the web processes share their metrics; default: VAR_DIR/metrics."
    )
    tls_certificate_file: Path | None = Field(None, description="PEM certificate chain of the API.")
    tls_key_file: Path | None = Field(None, description="PEM private key of the API.")
    tls_client_ca_file: Path | None = Field(
        None,
        description="PEM certificates that clients' are checked against; without it none is asked for.",
    )
    tls_client_certificates: Literal["optional", "required"] = Field(
        "optional", description="Whether a client without a certificate may connect, for probes and tokens."
    )
    mtls_only: bool = Field(
        default=False,
        description="A verified client certificate counts instead of token and request signature; nothing else does.",
    )
    mtls_identities: dict[str, tuple[str, list[str]]] = Field(
        default_factory=dict,
        description="Whom certificates speak for, JSON of name to subject and roles: "
        '{"URI:spiffe://shop/checkout": ["checkout", ["service"]]}; names are URI:, DNS: or CN:.',
    )
    tls_terminated_by_proxy: bool = Field(default=False, description="A proxy in front of the API speaks TLS.")

    @property
    def waits_for_disk(self) -> bool:
        """Whether an answer waits until it is on Redis's disk."""
        return self.durability == "aof-fsync"

    @property
    def delivery_url(self) -> str:
        """Where this process's queues, decision records and outbox are: on its shard, or on REDIS_URL."""
        return self.score_shard_urls[self.shard] if self.shard else self.redis_url

    @property
    def celery_broker_url(self) -> str:
        """Celery's broker."""
        return self.delivery_url if self.shard else self.broker_url or self.redis_url

    @property
    def open_shards(self) -> tuple[str, ...]:
        """The shards that take new transactions; none if scoring is not sharded."""
        return tuple(name for name in self.score_shard_urls if name not in self.score_shards_retiring)

    def of_shard(self, name: str) -> "Settings":
        """Returns the settings of a process that belongs to a shard."""
        return self.model_copy(update={"shard": name})

    @property
    def feature_store_url(self) -> str:
        """The online feature store."""
        return self.feature_redis_url or self.redis_url

    @property
    def feature_cluster_urls(self) -> list[str]:
        """The feature store's cluster, one redis:// or rediss:// URL per named node; empty if it is one server."""
        match = _CLUSTER_URL.fullmatch(self.feature_store_url)
        if match is None:
            return []
        scheme, credentials, nodes, options = match.groups(default="")
        return [f"{scheme}://{credentials}{node}{options}" for node in nodes.split(",")]

    def redis_tls_options(self, url: str) -> dict[str, Any]:
        """Returns what a Redis client needs beside the URL: nothing unless it is a `rediss://` one.

        A name that is not in the server's certificate, an unknown authority or a version below 1.2 ends the connection.
        """
        if not url.startswith("rediss"):
            return {}
        options = {
            "ssl_cert_reqs": ssl.CERT_REQUIRED,
            "ssl_check_hostname": True,
            "ssl_min_version": ssl.TLSVersion.TLSv1_2,
        }
        files = {
            "ssl_ca_certs": self.redis_ca_file,
            "ssl_certfile": self.redis_certificate_file,
            "ssl_keyfile": self.redis_key_file,
        }
        return options | {name: str(path.absolute()) for name, path in files.items() if path is not None}

    @property
    def models_path(self) -> Path:
        """The model registry folder."""
        return self.model_dir or self.var_dir / "models"

    @property
    def mlflow_uri(self) -> str:
        """MLflow's tracking and registry store."""
        return self.mlflow_tracking_uri or f"sqlite:///{(self.var_dir / 'mlflow.db').absolute()}"

    @property
    def metrics_path(self) -> Path:
        """Folder of the web processes' shared metrics."""
        return self.prometheus_multiproc_dir or self.var_dir / "metrics"

    @model_validator(mode="before")
    @classmethod
    def _use_redis_credentials(cls, data: dict[str, Any]) -> dict[str, Any]:
        if not data.get("redis_credentials_file"):
            return data
        credentials = _read_credentials(Path(data["redis_credentials_file"]))
        default = cls.model_fields["redis_url"].default
        urls = {name: data.get(name) for name in ("broker_url", "feature_redis_url")}
        urls["redis_url"] = data.get("redis_url") or default
        named = {name: _with_credentials(url, credentials) for name, url in urls.items() if url}
        shards = data.get("score_shard_urls")
        if isinstance(shards, dict):
            own = {shard: _with_credentials(url, credentials) for shard, url in shards.items()}
            return data | named | {"score_shard_urls": own}
        return data | named

    @field_validator("redis_url", "broker_url")
    @classmethod
    def _refuse_cluster(cls, url: str | None, field: ValidationInfo) -> str | None:
        if url is not None and "+cluster://" in url:
            raise ValueError(f"{str(field.field_name).upper()} names a cluster, and only FEATURE_REDIS_URL may.")
        return url

    @field_validator("feature_redis_url")
    @classmethod
    def _refuse_unknown_form(cls, url: str | None) -> str | None:
        if url and not url.startswith(_SERVER_SCHEMES) and not _CLUSTER_URL.fullmatch(url):
            raise ValueError(
                "FEATURE_REDIS_URL is neither redis://host:port/0 nor, for a cluster, "
                "redis+cluster://host:port,host:port without a database number; with TLS, rediss instead of redis."
            )
        return url or None

    @model_validator(mode="after")
    def _refuse_impossible_shards(self) -> Self:
        for problem in self._shard_problems():
            raise ValueError(problem)
        return self

    def _shard_problems(self) -> Iterator[str]:
        shards = self.score_shard_urls
        for name, url in shards.items():
            if not re.fullmatch(r"[a-z0-9-]{1,32}", name):
                yield f"SCORE_SHARD_URLS names a shard {name!r}; a name is 1 to 32 of a-z, 0-9 and -."
            if not url.startswith(_SERVER_SCHEMES):
                yield f"SCORE_SHARD_URLS gives shard {name} no redis://, rediss:// or unix:// URL of one server."
        if len(set(shards.values())) < len(shards):
            yield "SCORE_SHARD_URLS names one server twice; each shard needs its own."
        for setting, named in (("SHARD", [self.shard]), ("SCORE_SHARDS_RETIRING", self.score_shards_retiring)):
            if unknown := [name for name in named if name is not None and name not in shards]:
                yield f"{setting} names {unknown[0]!r}, which is not in SCORE_SHARD_URLS."
        if shards and not self.open_shards:
            yield "SCORE_SHARDS_RETIRING names every shard; one must take the transactions."
        if shards and self.use_local_inference:
            yield "USE_LOCAL_INFERENCE scores in the web process and SCORE_SHARD_URLS on shards; choose one."

    @model_validator(mode="after")
    def _refuse_rules_that_overlap(self) -> Self:
        if self.safe_mode_decline_from < self.safe_mode_approve_up_to:
            raise ValueError("SAFE_MODE_DECLINE_FROM is below SAFE_MODE_APPROVE_UP_TO.")
        return self

    @model_validator(mode="after")
    def _refuse_insecure_production(self) -> Self:
        if self.environment is Environment.PRODUCTION:
            problems = list(self._production_problems())
            if problems:
                raise ValueError("production refuses to start: " + " ".join(problems))
        return self

    def _production_problems(self) -> list[str]:
        problems = [
            f"{name.upper()} is a development key; generate one for production."
            for name in (
                "jwt_secret",
                "jwt_previous_secret",
                "hmac_key",
                "hmac_previous_key",
                "message_key",
                "artifact_encryption_key",
                "flower_password",
            )
            if (secret := getattr(self, name)) is not None and secret.get_secret_value().startswith(DEVELOPMENT_MARK)
        ]
        problems.extend(
            f"{name.upper()} names a development key; generate one for production."
            for name in ("jwt_key_id", "jwt_previous_key_id", "artifact_key_id")
            if (getattr(self, name) or "").startswith(DEVELOPMENT_MARK)
        )
        problems.extend(
            f"{name.upper()} is a development certificate; use one of your own."
            for name in type(self).model_fields
            if name.endswith(("_certificate_file", "_ca_file"))
            and (path := getattr(self, name)) is not None
            and _is_development_certificate(path)
        )
        if self.mtls_only and self.tls_terminated_by_proxy:
            problems.append("MTLS_ONLY sees no certificate behind TLS_TERMINATED_BY_PROXY; choose one of them.")
        if self.tls_certificate_file is None and not self.tls_terminated_by_proxy:
            problems.append("TLS is missing; set TLS_CERTIFICATE_FILE and TLS_KEY_FILE, or TLS_TERMINATED_BY_PROXY.")
        problems.extend(
            f"{name.upper()} is not encrypted; use rediss://."
            for name in ("redis_url", "broker_url", "feature_redis_url")
            if (url := getattr(self, name)) is not None and not url.startswith(("rediss://", "rediss+cluster://"))
        )
        problems.extend(
            f"SCORE_SHARD_URLS does not encrypt shard {name}; use rediss://."
            for name, url in self.score_shard_urls.items()
            if not url.startswith("rediss://")
        )
        if "tls=true" not in self.mongo_url and not self.mongo_url.startswith("mongodb+srv://"):
            problems.append("MONGO_URL is not encrypted; add tls=true.")
        if self.kafka_security_protocol == "PLAINTEXT":
            problems.append("KAFKA_SECURITY_PROTOCOL is PLAINTEXT; set SSL, and KAFKA_CA_FILE for a private CA.")
        if self.perf_mode:
            problems.append("PERF_MODE keeps no decision and checks neither replays nor request rates; switch it off.")
        if self.rate_limit_capacity == 0:
            problems.append("RATE_LIMIT_CAPACITY is 0; the rate limit cannot be switched off for everyone.")
        if self.jwt_jwks_url is not None and not self.jwt_jwks_url.startswith("https://"):
            problems.append("JWT_JWKS_URL is not encrypted; use https://.")
        if self.hmac_accept_legacy_hex:
            problems.append("HMAC_ACCEPT_LEGACY_HEX accepts the legacy signature form; switch it off.")
        return problems


def _is_development_certificate(path: Path) -> bool:
    """Whether a certificate in the file carries the development mark; an unreadable file is its user's to refuse."""
    try:
        blocks = _PEM_CERTIFICATE.findall(path.read_bytes())
        return any(DEVELOPMENT_MARK.encode() in base64.b64decode(block) for block in blocks)
    except (OSError, ValueError):
        return False


def _read_credentials(path: Path) -> str:
    try:
        content = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise ValueError(f"REDIS_CREDENTIALS_FILE {path} cannot be read.") from error
    if not _CREDENTIALS.fullmatch(content):
        raise ValueError(f"REDIS_CREDENTIALS_FILE {path} does not hold one line user:password.")
    return content


def _with_credentials(url: str, credentials: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or "@" in rest or scheme == "unix":
        return url
    return f"{scheme}://{credentials}@{rest}"


def load_settings() -> Settings:
    """Reads the settings from the environment and the env files.

    Raises:
        pydantic.ValidationError: a value is malformed, or production refuses it.
    """
    return Settings()  # type: ignore[call-arg,unused-ignore]
