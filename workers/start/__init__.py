"""Start-up and shutdown of a Celery process, its consumer, its control and beat's schedule.

May touch `workers.health`, `tasks` and below.
"""
