"""The jobs that processes do beside their work: audit, completeness, durability, housekeeping, status of the queues.

Called by tasks, workers, the web processes and the command line; no task of its own.
"""
