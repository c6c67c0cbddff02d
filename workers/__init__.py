"""What a Celery process is made of: start-up, preload and warm-up, hot reload, drain and shutdown, health, metrics."""
