"""Builds a process's connections and stores from the settings, and the scorer over them.

The only place below `web`, `workers` and `ops` that connects to a server.
"""
