"""gunicorn's configuration, made from the settings: `gunicorn --config web/server/gunicorn_conf.py`.

The master only forks: each worker builds its application after the fork, so no connection, thread or event loop is
ever shared. Times are in seconds.
"""

import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from settings import load_settings

_settings = load_settings()
_metrics_dir = _settings.metrics_path.absolute()

wsgi_app = "web.server.wsgi:make_application()"
worker_class = "web.server.gunicorn_worker.ProblemGeventWorker"
_host = f"[{_settings.web_host}]" if ":" in _settings.web_host else _settings.web_host
bind = f"{_host}:{_settings.web_port}"
reuse_port = _settings.web_reuse_port
workers = _settings.web_processes
worker_connections = _settings.web_connections
preload_app = False
# prometheus_client looks at this variable when it is imported, which each worker does after gunicorn has set it.
raw_env = [f"PROMETHEUS_MULTIPROC_DIR={_metrics_dir}"]

# A worker that does not answer for `timeout` is killed; at a stop, requests under way get `_UNDER_WAY_SECONDS` after
# the drain, and the master counts both. The worker bounds all other waits for a client by REQUEST_TIMEOUT_SECONDS.
_UNDER_WAY_SECONDS = 15
timeout = 30
graceful_timeout = _UNDER_WAY_SECONDS + _settings.web_drain_seconds
keepalive = _settings.web_keepalive_seconds

# Strict parsing. The signature covers the raw path, so the request line must hold the longest query we document.
limit_request_line = 4094
# A head takes at most 250 KB of memory, and a token of the longest kind still fits into one field.
limit_request_fields = 40
limit_request_field_size = 6144
header_map = "refuse"
forwarded_allow_ips = ""
permit_obsolete_folding = False
strip_header_spaces = False
permit_unconventional_http_method = False
permit_unconventional_http_version = False
casefold_http_method = False
http_parser = "python"
http_protocols = "h1"
control_socket_disable = True

certfile = str(_settings.tls_certificate_file) if _settings.tls_certificate_file else None
keyfile = str(_settings.tls_key_file) if _settings.tls_key_file else None
ca_certs = str(_settings.tls_client_ca_file) if _settings.tls_client_ca_file else None
cert_reqs = ssl.CERT_NONE
if ca_certs is not None:
    cert_reqs = ssl.CERT_REQUIRED if _settings.tls_client_certificates == "required" else ssl.CERT_OPTIONAL

# gunicorn's own lines become JSON and pass the mask like all others; the access log is the application's.
logger_class = "web.server.gunicorn_logger.JsonLogger"
accesslog = None
loglevel = _settings.log_level.lower()


def ssl_context(_config: Any, make_context: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Returns the context of the API's TLS: 1.2 or newer, no renegotiation, no compression."""
    context = make_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    # The worker shakes hands itself, with a bound: here a client could take its time.
    context.wrap_socket = partial(context.wrap_socket, do_handshake_on_connect=False)  # type: ignore[method-assign]
    return context


def when_ready(_server: Any) -> None:
    """Forgets the metrics of an earlier run, which would be added to this one's.

    Not before the port is taken: an instance that does not get it would forget those of the one that has it.
    """
    from observability.exposition import prepare

    prepare(Path(_metrics_dir))


def post_worker_init(worker: Any) -> None:
    """Loads the modules, keys and connections of the request path, so that no request pays for them."""
    import gc

    from web.server.warm_up import warm_up
    from web.services import services_of

    warm_up(services_of(worker.wsgi))
    # Freeze start-up objects out of later GC passes, which would walk all of them again.
    gc.collect()
    gc.freeze()


def child_exit(_server: Any, _worker: Any) -> None:
    """Drops the gauges of a worker that ended."""
    from observability.exposition import forget_dead_processes

    forget_dead_processes(_metrics_dir)


def worker_exit(_server: Any, worker: Any) -> None:
    """Answers the waiting requests before the process ends: admission first, because it leads to the dispatcher."""
    from web.services import services_of

    application = getattr(worker, "wsgi", None)  # a worker that could not start has none
    if application is not None:
        services = services_of(application)
        services.admission.close(_UNDER_WAY_SECONDS)
        services.dispatcher.close(_UNDER_WAY_SECONDS)
        services.tokens.stop()
        services.signatures.keys.stop()
        if services.local_scoring is not None:
            services.local_scoring.stop()
        if services.upkeep is not None:
            services.upkeep.stop()
