"""Tokens, request signatures, admission, message signatures, masking, keys: nothing here knows Flask or Celery."""
