"""Builds clients and stores from the settings, and holds what a Celery process works with.

The only place below `web`, `workers` and `ops` that connects to a server.
"""
