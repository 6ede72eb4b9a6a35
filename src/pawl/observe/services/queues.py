"""Which broker an app's Celery has, by its environment, and what its queues are called."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from pawl.address import Address, reason, scheme_of
from pawl.errors import StateError
from pawl.observe.gauges import Gauge
from pawl.observe.services import rabbitmq, redis
from pawl.observe.services.service import Service

VARIABLES = ("CELERY_BROKER_URL", "BROKER_URL", "AMQP_URL", "RABBITMQ_URL", "CLOUDAMQP_URL", "REDIS_URL")
"""Where a broker's URL may be; the first that is set counts. Redis comes last: it may be there as a cache only."""

_FOLDER_SCHEMES = ("filesystem", "folder")


def broker(environ: Mapping[str, str]) -> Service | None:
    """The app's broker; None when it has none, or of a kind that is not read.

    Raises:
        UsageError: the URL cannot be read.
    """
    variable = next((name for name in VARIABLES if environ.get(name)), "")
    url, queues = environ.get(variable, ""), names(environ)
    scheme = scheme_of(url)
    if scheme in rabbitmq.SCHEMES:
        return rabbitmq.RabbitMQ(url, queues, variable=variable)
    if scheme in redis.SCHEMES:
        return redis.Redis(url, queues, variable=variable)
    if scheme in _FOLDER_SCHEMES:
        path = Address.parse(url, variable=variable).path
        return Folder(Path(environ.get("PAWL_DATA", "/"), path), queues) if path else None
    return None


def names(environ: Mapping[str, str]) -> list[str]:
    """The queues: the default one, and those of ``CELERY_QUEUES``, separated by commas.

    >>> names({}), names({"CELERY_TASK_DEFAULT_QUEUE": "feeds", "CELERY_QUEUES": "mail, feeds"})
    (['celery'], ['feeds', 'mail'])
    >>> names({"CELERY_QUEUES": "fast,slow"})
    ['fast', 'slow']
    """
    listed = [environ.get("CELERY_TASK_DEFAULT_QUEUE", ""), *environ.get("CELERY_QUEUES", "").split(",")]
    return list(dict.fromkeys(name.strip() for name in listed if name.strip())) or ["celery"]


class Folder:
    """The queues of kombu's file-system transport: a message is a file ``ID.QUEUE.msg``.

    kombu has the folder from the app's settings and makes nothing of a URL's path, so that is where Pawl is told of
    it: ``filesystem://localhost/queue/messages`` is in the app's data folder, one with ``//`` before the path is not.
    """

    def __init__(self, folder: Path, queues: Sequence[str]) -> None:
        self._folder = folder
        self._queues = queues

    def read(self) -> list[Gauge]:
        """``queue_length`` of each queue.

        Raises:
            StateError: there is no such folder.
        """
        try:
            found = Counter(name.partition(".")[2] for name in os.listdir(self._folder))
        except OSError as error:
            raise StateError(f"the queue in {self._folder} cannot be read", why=reason(error)) from error
        return [Gauge("queue_length", float(found[f"{queue}.msg"]), instance=queue) for queue in self._queues]

    def close(self) -> None:
        """There is nothing to close."""
