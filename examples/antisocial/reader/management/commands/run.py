"""``manage.py run``: all of the reader in one go, on one's own machine."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

WORKER = ("worker", "--beat", "--loglevel", "INFO", "--pool", "threads", "--concurrency", "2")
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")


class Command(BaseCommand):
    help = "Bring the database up to date, then serve the pages, fetch feeds and keep the schedule until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address", nargs="?", default="127.0.0.1:8000", help="[HOST:]PORT (127.0.0.1:8000)")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0, stdout=self.stdout)
        manage = str(Path(settings.BASE_DIR, "manage.py"))
        parts = [
            subprocess.Popen([sys.executable, manage, "runserver", "--noreload", options["address"]]),  # noqa: S603 (the user's own)
            subprocess.Popen([sys.executable, "-m", "celery", "-A", "antisocial", *WORKER, *QUIET]),  # noqa: S603
        ]
        # What ends this process ends its parts: a shell's Ctrl-C reaches all of them, a supervisor's SIGTERM only this.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            while all(part.poll() is None for part in parts):
                time.sleep(0.2)
        except KeyboardInterrupt:
            pass
        finally:
            for part in parts:
                part.terminate()
            for part in parts:
                part.wait()
