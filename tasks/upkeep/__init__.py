"""The jobs that processes do beside their work: audit, completeness, durability, housekeeping, the state of the queues.

Called by tasks and workers; no task of its own.
"""
