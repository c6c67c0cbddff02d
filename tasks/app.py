"""The Celery app. Importing it connects to nothing; settings are read at first use."""

from celery import Celery

app = Celery("shrike", set_as_current=True, task_cls="tasks.messaging.sealed_task:SealedTask")
app.config_from_object("celeryconfig")
