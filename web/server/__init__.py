"""gunicorn around the application: its configuration, worker, log lines, warm-up.

May touch everything in `web`; no other room imports it.
"""
