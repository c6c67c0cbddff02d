"""Celery's own settings: queues, routes, serializers, delivery, beat schedule. Loaded by name from `tasks.app`."""

from celery.schedules import crontab
from kombu.entity import Exchange, Queue

from settings import load_settings
from settings.queues import DRAINS, QUEUE_OF_TASK, QUEUES, SHARD_CONSUMER_GROUPS

_settings = load_settings()

# Broker. Every wait is bounded: a frozen Redis without `socket_timeout` blocks for ever.
broker_url = _settings.celery_broker_url
broker_use_ssl = _settings.redis_tls_options(broker_url) or None
broker_connection_retry_on_startup = True
broker_connection_max_retries = None  # for ever: a worker that gives up is one that nobody starts again
worker_consumer = "workers.start.consumer:SteadyConsumer"
broker_transport_options = {
    "socket_timeout": _settings.redis_socket_timeout_seconds,
    "socket_connect_timeout": _settings.redis_socket_timeout_seconds,
    "socket_keepalive": True,
    "health_check_interval": 5,
    # A publish to a dead broker fails at once, not after six seconds; a worker reconnects by other means.
    "max_retries": 0,
    "priority_steps": [0],
    "body_encoding": "utf-8",
    # A message that Redis hands out is gone from it. Recording every message as unacknowledged and clearing it costs
    # more than the scoring task itself, and still loses a message whose worker dies between the two steps. No lost
    # message stops anything: a scoring message ends at its sender's deadline, a doorbell is followed by the next one, a
    # scheduled run has its next slot.
    "ack_emulation": False,
}

# Queues and routes: `settings.queues` says which task belongs to which queue.
task_default_queue = "retrain"
task_create_missing_queues = False
_exchange = Exchange("shrike", type="direct")
task_queues = [Queue(name, _exchange, routing_key=name) for name in QUEUES]
task_routes = {task: {"queue": queue} for task, queue in QUEUE_OF_TASK.items()}

# Messages: text only, never pickle.
accept_content = ["json"]
task_serializer = "json"
result_serializer = "json"
event_serializer = "json"

# Delivery. Answers travel on reply lists and streams, so Celery keeps no results.
task_ignore_result = True
result_expires = None  # or Celery schedules a clean-up of results that nobody stores
task_store_errors_even_if_ignored = False
task_acks_late = False
task_publish_retry = False
worker_prefetch_multiplier = 1
worker_disable_rate_limits = True
worker_hijack_root_logger = False
worker_redirect_stdouts = False
worker_send_task_events = True
worker_soft_shutdown_timeout = 10.0
worker_enable_soft_shutdown_on_idle = False
worker_cancel_long_running_tasks_on_connection_loss = False
enable_utc = True
timezone = "UTC"

# Beat. RedBeat keeps a lock and last runs in Redis: of two beats one is idle. The schedule itself is only here.
redbeat_redis_url = _settings.celery_broker_url
redbeat_redis_use_ssl = broker_use_ssl
redbeat_key_prefix = "shrike:redbeat:"
redbeat_lock_timeout = 30
redbeat_redis_options = {
    "socket_timeout": _settings.redis_socket_timeout_seconds,
    "socket_connect_timeout": _settings.redis_socket_timeout_seconds,
    "socket_keepalive": True,
    "health_check_interval": 5,
}
beat_scheduler = "workers.start.schedule:FixedScheduler"
beat_max_loop_interval = 1
_fallback = _settings.drain_fallback_seconds
beat_schedule = {
    # The scoring worker sends doorbells to the drains; these cover a lost one. However many are sent, one waits in the
    # queue (`tasks.messaging.doorbells`).
    **{f"drain {group}": {"task": task, "schedule": _fallback} for group, task in DRAINS.items()},
    "retrain": {"task": "retraining.run", "schedule": crontab.from_string(_settings.retrain_cron)},
    "check drift": {"task": "drift.check", "schedule": crontab.from_string(_settings.drift_cron)},
    "reconcile": {"task": "reconcile.run", "schedule": crontab.from_string(_settings.reconcile_cron)},
}
if _settings.shard is not None:
    # A shard's beat sends doorbells to the drains of its shard; the beat of no shard schedules all other tasks.
    beat_schedule = {name: beat_schedule[name] for name in (f"drain {group}" for group in SHARD_CONSUMER_GROUPS)}
