"""Every metric of the platform, defined once; `docs/metrics.md` is written from here.

A web process group shares its numbers through files: the launcher sets `PROMETHEUS_MULTIPROC_DIR` before Python
starts, and `observability.exposition` adds the processes up. Workers run alone and expose their own registry.
Every label has few values: route templates, never paths; reasons, never messages.
"""

from prometheus_client import Counter, Gauge, Histogram

from observability.shared_files import use_reserved_files

use_reserved_files()

# Dense where the targets lie: p50 a few milliseconds, the alert at 60, the deadline at 250.
_LATENCY_MS = (1, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 40, 60, 80, 100, 150, 250, 500, 1000, 2500, 10_000)
_LATENCY_SECONDS = tuple(milliseconds / 1000 for milliseconds in _LATENCY_MS)
# A model call takes tens of microseconds to some milliseconds; waits in the queue take longer.
_INFERENCE_MS = (0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5, 7.5, 10, 20, 40, 60, 100, 250, 1000)
_INFERENCE_SECONDS = tuple(milliseconds / 1000 for milliseconds in _INFERENCE_MS)
_WAIT_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
# Most payments score far below a hundredth; thresholds lie anywhere above.
_SCORES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)
_RUNTIME_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600, 3600)

# Requests
requests_total = Counter("fraud_backend_requests_total", "HTTP requests answered.", ["method", "path", "status"])
request_latency_seconds = Histogram(
    "fraud_backend_request_latency_seconds",
    "Time from the first byte of a request to its answer, in seconds.",
    ["method", "path"],
    buckets=_LATENCY_SECONDS,
)
request_latency_ms = Histogram(
    "request_latency_ms",
    "Time from the first byte of a request to its answer, in milliseconds.",
    ["method", "path"],
    buckets=_LATENCY_MS,
)

# Scoring
inference_requests_total = Counter(
    "fraud_inference_requests_total",
    "Transactions by outcome: scored, replayed (decided before), conflict, overloaded, safe_mode, expired, failed, "
    "unavailable (its histories did not answer) or untrusted (something else stands in its record's place).",
    ["outcome"],
)
inference_latency_seconds = Histogram(
    "fraud_inference_request_latency_seconds",
    "Time of one step of scoring a batch, in seconds.",
    ["component"],
    buckets=_INFERENCE_SECONDS,
)
inference_latency_ms = Histogram(
    "infer_request_latency_ms",
    "Time of one step of scoring a batch, in milliseconds.",
    ["component"],
    buckets=_INFERENCE_MS,
)
decisions_total = Counter(
    "model_decisions_total", "Decisions; a transaction counts once.", ["decision", "channel", "model_version"]
)
model_score = Histogram(
    "model_score",
    "Scores that a model gave, one per decision; those of the rules of SAFE MODE are no probabilities and missing.",
    ["model_version"],
    buckets=_SCORES,
)

# Security
auth_failures_total = Counter("auth_failures_total", "Requests or messages refused by a security check.", ["reason"])
jwt_validations_total = Counter(
    "jwt_validations_total", "Tokens verified, by result: accepted or rejected.", ["result"]
)
jwt_failures_total = Counter("jwt_failures_total", "Tokens refused, by reason.", ["reason"])
hmac_verifications_total = Counter(
    "hmac_verifications_total",
    "Request signatures verified, by result: accepted, accepted_legacy, accepted_rfc9421 or rejected.",
    ["result"],
)
scrape_credentials_expiry_timestamp_seconds = Gauge(
    "scrape_credentials_expiry_timestamp_seconds",
    "When the token or certificate of the last scrape of the API expires, epoch seconds.",
    multiprocess_mode="mostrecent",
)
rate_limit_block_total = Counter("rate_limit_block_total", "Requests refused by a rate limit.", ["bucket"])
requests_shed_total = Counter("requests_shed_total", "Requests refused because the process had no room for them.")
safe_mode_record_faults_total = Counter(
    "safe_mode_record_faults_total",
    "Readings that found the SAFE MODE record in Redis wrong; the known state was obeyed and written back.",
    ["service", "fault"],
)
safe_mode_state = Gauge(
    "safe_mode_state", "1 while the service is in SAFE MODE.", ["service"], multiprocess_mode="livemax"
)

# Stores
mongo_write_ms = Histogram(
    "mongo_write_ms",
    "Time of one bulk write to MongoDB, in milliseconds.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 250, 500, 1000, 2500, 10_000),
)
redis_ops_total = Counter("redis_ops_total", "Redis round trips of the platform's own stores.", ["operation"])
clock_offset_seconds = Gauge(
    "clock_offset_seconds",
    "How far this machine's clock is ahead of Redis's, by which deadlines and signs of life go.",
    ["service"],
    multiprocess_mode="mostrecent",
)
clock_refusals_total = Counter(
    "clock_refusals_total",
    "Requests refused for their time by a web process whose own clock is more than a second off Redis's.",
    ["reason"],
)
redis_refusals_total = Counter(
    "redis_refusals_total",
    "Commands that Redis refused for now, by the first word of its answer: READONLY, NOREPLICAS, OOM and such.",
    ["code"],
)

# Drift
psi_feature = Gauge(
    "psi_feature",
    "Population stability index of a feature against the training data.",
    ["feature"],
    multiprocess_mode="mostrecent",
)
psi_score = Gauge(
    "psi_score", "Population stability index of the score against the training data.", multiprocess_mode="mostrecent"
)
drift_alerts_total = Counter(
    "drift_alerts_total",
    "Drift alerts: one per feature whose index is above its threshold, one for the score.",
    ["kind"],
)

# Celery
celery_queue_length = Gauge(
    "celery_queue_length",
    "Messages waiting in a queue; the active beat and the API show the same: take the maximum, not the sum.",
    ["queue"],
    multiprocess_mode="mostrecent",
)
celery_queue_oldest_seconds = Gauge(
    "celery_queue_oldest_seconds",
    "How long the oldest message of a queue has waited, in seconds; shown by the active beat.",
    ["queue"],
    multiprocess_mode="mostrecent",
)
celery_queue_consumers = Gauge(
    "celery_queue_consumers",
    "Workers of a queue that gave a sign of life within 5 seconds; shown by the active beat.",
    ["queue"],
    multiprocess_mode="mostrecent",
)
celery_queue_wait_seconds = Histogram(
    "celery_queue_wait_seconds",
    "Time from sending a message to the start of its task, in seconds.",
    ["queue"],
    buckets=_WAIT_SECONDS,
)
celery_task_runtime_seconds = Histogram(
    "celery_task_runtime_seconds", "Run time of a task, in seconds.", ["task"], buckets=_RUNTIME_SECONDS
)
celery_task_total = Counter(
    "celery_task_total",
    "Tasks ended, by state: success, failure, retry, ignored, revoked, rejected or unknown.",
    ["task", "state"],
)
celery_worker_up = Gauge(
    "celery_worker_up", "1 while this worker consumes from the queue.", ["queue"], multiprocess_mode="livemax"
)

worker_probe_seconds = Gauge(
    "worker_probe_seconds",
    "Time in seconds from this worker's last probe to its answer, through a queue of its own.",
    ["queue"],
    multiprocess_mode="mostrecent",
)
workers_replaced = Gauge(
    "workers_replaced",
    "Workers that ended themselves because they took no messages; counted in Redis, never reset.",
    ["queue"],
    multiprocess_mode="mostrecent",
)

# Delivery: the outbox and the label stream
outbox_lag = Gauge(
    "outbox_lag", "Stream entries that a sink has not acknowledged.", ["sink"], multiprocess_mode="mostrecent"
)
outbox_oldest_seconds = Gauge(
    "outbox_oldest_seconds",
    "Age in seconds of the oldest stream entry that a sink has not acknowledged.",
    ["sink"],
    multiprocess_mode="mostrecent",
)
redis_data_lost_total = Counter(
    "redis_data_lost_total", "Times that this process found a Redis emptied, or with an old copy of its data."
)
redis_answers_restored_total = Counter(
    "redis_answers_restored_total",
    "Answers that Redis had lost, at a failover or a restart, and that were recorded again.",
)
redis_answers_lost_total = Counter(
    "redis_answers_lost_total", "Answers that Redis had lost, at a failover or a restart, and that are gone for good."
)
redis_histories_unrestored_total = Counter(
    "redis_histories_unrestored_total",
    "Answers recorded again whose payments the histories of their customers and terminals may lack.",
)
outbox_dead_letters_total = Counter(
    "outbox_dead_letters_total", "Stream entries moved to the dead letters after too many deliveries.", ["sink"]
)
labels_unmatched_total = Counter(
    "labels_unmatched_total",
    "Deliveries of labels that were stored and reach no features: nobody knows whose transaction it was.",
)
explanations_stored_total = Counter("explanations_stored_total", "Explanations stored.", ["sink"])
predictions_published_total = Counter("predictions_published_total", "Decisions published.", ["sink"])
reconciliation_compared_total = Counter(
    "reconciliation_compared_total", "Answers that the reconciliation looked for in a sink.", ["sink"]
)
reconciliation_repaired_total = Counter(
    "reconciliation_repaired_total", "Answers that a sink lacked and that were put into its stream again.", ["sink"]
)
reconciliation_lost_total = Counter(
    "reconciliation_lost_total", "Answers that a sink lacked and whose decision record has expired.", ["sink"]
)
kafka_delivery_failures_total = Counter(
    "kafka_delivery_failures_total", "Kafka messages without a delivery report.", ["topic"]
)
kafka_producers_replaced_total = Counter(
    "kafka_producers_replaced_total",
    "Kafka producers replaced; reason: fatal (librdkafka gave it up) or failing (several calls in a row).",
    ["reason"],
)

# Health
redis_promises_kept = Gauge(
    "redis_promises_kept",
    "0 while Redis is configured to lose answers: without append-only file, with eviction, or too slow for DURABILITY.",
    multiprocess_mode="mostrecent",
)
circuit_breaker_state = Gauge(
    "circuit_breaker_state",
    "0 closed, 1 half open, 2 open; the highest of all processes.",
    ["dependency"],
    multiprocess_mode="livemax",
)
model_info = Gauge(
    "model_info",
    "1 for the model version that serves, 0 for one that served before.",
    ["model_version", "manifest_hash"],
    multiprocess_mode="livemax",
)
model_load_failures_total = Counter(
    "model_load_failures_total", "Model versions refused at load, by the check that failed.", ["check"]
)
