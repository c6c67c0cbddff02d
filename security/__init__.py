"""Who may do what: tokens, request signatures, admission, message signatures, SAFE MODE, masking, keys.

May touch `settings` and nothing else of ours; knows neither Flask nor Celery.
"""
