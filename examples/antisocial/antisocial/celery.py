"""The Celery app: ``celery -A antisocial worker`` and ``celery -A antisocial beat``."""

import os

from celery import Celery

from antisocial.broker import register

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "antisocial.settings")
register()

app = Celery("antisocial")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["reader"])
