"""The Celery app and thin task functions: decode, one call, encode."""
