"""How full the services are that an app stands on: its PostgreSQL, the queue of its Celery.

Belongs here: what an app's environment names (``DATABASE_URL``, a broker's URL) read as gauges, and the hard limits
they are held against (``limits.py``). Does not belong here: services that no app names, starting or repairing one, and
statistics. A client is imported with the first reading of a service that needs it, for pawld has to stay small.

A URL holds a password. It stays in the service's own object: never in a log, an error, a repr or an argument of a
program.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from pawl.address import scheme_of
from pawl.errors import PawlError
from pawl.observe.gauges import Gauge
from pawl.observe.services import postgres, queues
from pawl.observe.services.service import Service

__all__ = ["Services"]


class Services:
    """The services that an app's environment names; one connection to each is kept between readings.

    ``app`` and ``release`` are put on the gauges. Reading and closing may be done from several threads, one waits for
    the other.
    """

    def __init__(self, environ: Mapping[str, str], *, app: str = "", release: str = "") -> None:
        """Connects to nothing yet. A URL that cannot be read is a service in :attr:`trouble`."""
        self._app, self._release = app, release
        self._services: list[Service] = []
        self._malformed: list[str] = []
        self._trouble: list[str] = []
        self._lock = threading.Lock()
        self._add(lambda: _database(environ))
        self._add(lambda: queues.broker(environ))

    def __bool__(self) -> bool:
        """Whether there is anything to read."""
        return bool(self._services)

    @property
    def trouble(self) -> str:
        """Why a service had no reading the last time, in one line without secrets; empty when all had one."""
        return "; ".join([*self._malformed, *self._trouble])

    def read(self) -> list[Gauge]:
        """The gauges of every service that answers. Blocks: up to some 10 s for each that does not."""
        found: list[Gauge] = []
        trouble: list[str] = []
        with self._lock:
            for service in self._services:
                try:
                    found += service.read()
                except PawlError as error:
                    trouble.append(_line(error))
            self._trouble = trouble
        return [replace(gauge, app=self._app, release=self._release) for gauge in found]

    def close(self) -> None:
        """Close the connections for good; may be done twice. A reading under way ends first, a later one is empty."""
        with self._lock:
            services, self._services = self._services, []
            for service in services:
                service.close()

    def _add(self, make: Callable[[], Service | None]) -> None:
        try:
            service = make()
        except PawlError as error:
            self._malformed.append(_line(error))
        else:
            self._services += [service] if service is not None else []


def _database(environ: Mapping[str, str]) -> Service | None:
    url = environ.get("DATABASE_URL", "")
    return postgres.Postgres(url) if scheme_of(url) in postgres.SCHEMES else None


def _line(error: PawlError) -> str:
    return ": ".join(part for part in (error.what, error.why) if part)
