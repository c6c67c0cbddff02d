"""The Celery app and thin task functions: decode, one call, encode. The rooms beneath serve them.

May touch `ml`, `security` and `observability`; knows neither the web nor the workers that run it.
"""
