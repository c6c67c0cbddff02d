"""Start-up and shutdown of a Celery process, its consumer, its control and beat's schedule.

May touch `tasks` and below.
"""
