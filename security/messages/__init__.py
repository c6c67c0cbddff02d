"""Signatures of queue messages, and the memory of those already taken.

Knows nothing of Celery.
"""
