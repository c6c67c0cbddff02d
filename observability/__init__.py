"""Metric definitions, structured logs, and the hooks that feed both from Flask and Celery."""
