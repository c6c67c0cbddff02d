"""The application as gunicorn runs it: `web.server.wsgi:make_application()`, called in each worker after the fork."""

from flask import Flask

from observability import logs
from security.masking import masker
from settings import load_settings
from settings.production_rules import refuse_unsafe
from tasks.wiring.perf_mode import warn_of_perf_mode
from web.app import create_app
from web.server.log_output import GatheringHandler


def make_application() -> Flask:
    """Returns the application of this process, its logs set up.

    Raises:
        settings.problems.SettingsRefusedError: production refuses to serve the API with these settings.
    """
    settings = load_settings()
    refuse_unsafe(settings, "web")  # again: gunicorn may have been started by hand
    logs.configure("web", level=settings.log_level, mask=masker(settings), make_handler=GatheringHandler)
    warn_of_perf_mode(settings)
    return create_app(settings)
