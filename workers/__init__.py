"""The Celery processes, one module per queue beside beat and Flower: how each is wired, started and watched.

May touch `tasks` and below; nothing but `ops` starts them.
"""
