"""How work reaches a worker: signed messages, doorbells, queues in Redis, the base of every task.

May touch `ml`, `security`, `observability`; runs no work itself.
"""
