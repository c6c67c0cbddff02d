"""Whether a worker lives and works: endpoint, sign of life, probe, watchdog.

May touch `tasks` and below.
"""
