"""gunicorn around the application: its configuration, worker, log lines, warm-up.

Nothing imports it; it may touch everything in `web`.
"""
