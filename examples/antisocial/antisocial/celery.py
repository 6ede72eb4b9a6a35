"""The Celery app: ``celery -A antisocial worker`` and ``celery -A antisocial beat``."""

import os

from celery import Celery

from antisocial import reporting
from antisocial.broker import register

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "antisocial.settings")
register()
reporting.start()

app = Celery("antisocial")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["reader"])
