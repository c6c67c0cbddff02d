"""The Celery app. Importing it connects to nothing; settings are read at first use."""

from celery import Celery

from tasks.connections_redis import make_celery_hang_up

make_celery_hang_up()
app = Celery("shrike", set_as_current=True, task_cls="tasks.messaging.sealed_task:SealedTask")
app.config_from_object("celeryconfig")
