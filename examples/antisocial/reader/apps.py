from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_migrate


class ReaderConfig(AppConfig):
    name = "reader"

    def ready(self) -> None:
        post_migrate.connect(_make_first_user, sender=self)


def _make_first_user(**_: Any) -> None:
    """Make the account that the environment names, if there is none yet."""
    from reader.accounts import make_first

    if settings.FIRST_USER:
        make_first(settings.FIRST_USER, settings.FIRST_PASSWORD)
