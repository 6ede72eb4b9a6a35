"""``manage.py compress``: the second of two release tasks for static files."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from whitenoise.compress import Compressor


class Command(BaseCommand):
    help = "Put a packed copy beside each static file that gets smaller by it. collectstatic goes before."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.STATIC_BUCKET:
            self.stdout.write("static files were packed on their way to the bucket")
            return
        if not settings.STATIC_ROOT.is_dir():
            raise CommandError(f"{settings.STATIC_ROOT} is not there: run collectstatic first")
        compressor = Compressor(use_brotli=False, quiet=True)
        packed = 0
        for path in sorted(settings.STATIC_ROOT.rglob("*")):
            if path.is_file() and compressor.should_compress(path.name):
                packed += sum(1 for _ in compressor.compress(str(path)))
        self.stdout.write(f"{packed} static files packed")
