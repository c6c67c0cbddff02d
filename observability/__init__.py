"""Metric definitions, structured logs, and the hooks that feed both from Flask and Celery.

May touch `settings` and nothing else of ours.
"""
