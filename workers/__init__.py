"""The Celery processes, one module per queue beside beat and Flower: what each is wired with, its start, its health.

May touch `tasks` and below; nothing but `ops` starts them.
"""
