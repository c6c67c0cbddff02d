"""The domain: transactions, decisions, features, models, stores. Knows nothing of Flask, Celery or Kombu."""
