"""Signatures with the message key: of queue messages, and of values that Redis holds sealed.

May touch the floor of `security`; knows nothing of Celery.
"""
