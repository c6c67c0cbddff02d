"""Flower: `celery -A workers.flower flower`. The Celery app with this project's logs.

Flower sets its own logging up only where nobody has; its access lines hold every requested address.
"""

from observability import logs
from security.masking import masker
from settings import load_settings
from tasks.app import app

__all__ = ["app"]

_settings = load_settings()
logs.configure("flower", level=_settings.log_level, mask=masker(_settings))
