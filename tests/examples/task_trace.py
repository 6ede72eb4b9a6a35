"""Which Celery tasks were queued and which were done, told by who knows: the broker, and the workers' logs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import amqp  # type: ignore[import-untyped]

from tests.integration.services.services_rig import RabbitMQ

_END = re.compile(r"Task (?P<name>[\w.]+)\[(?P<id>[\w-]+)\] (?P<end>succeeded|raised|retry)|"
                  r"Discarding revoked task: (?P<late_name>[\w.]+)\[(?P<late_id>[\w-]+)\]")  # fmt: skip


class Task(NamedTuple):
    """One task, by its name and the id that its caller gave it."""

    name: str
    id: str


class Ends(NamedTuple):
    """What the workers say: each time a task was done, and each that had expired before a worker had time for it."""

    done: list[Task]
    expired: list[Task]
    failed: list[Task]

    @classmethod
    def of(cls, log: str) -> Ends:
        ends = cls([], [], [])
        for found in _END.finditer(log):
            if found["late_id"]:
                ends.expired.append(Task(found["late_name"], found["late_id"]))
            else:
                place = ends.done if found["end"] == "succeeded" else ends.failed
                place.append(Task(found["name"], found["id"]))
        return ends


class Trace:
    """RabbitMQ's own trace: a copy of each message that is published, and of each that is handed to a worker."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._seen: dict[str, list[Task]] = {"publish": [], "deliver": []}
        self._queue = channel.queue_declare(exclusive=True).queue
        for kind in self._seen:
            channel.queue_bind(self._queue, exchange="amq.rabbitmq.trace", routing_key=f"{kind}.#")

    def queued(self) -> list[Task]:
        """Every task that was queued since the trace began, in its order."""
        self._read()
        return list(self._seen["publish"])

    def undelivered(self) -> list[Task]:
        """Tasks that no worker has got: they wait, or RabbitMQ dropped them when they expired."""
        self._read()
        delivered = set(self._seen["deliver"])
        return [task for task in self._seen["publish"] if task not in delivered]

    def waiting(self) -> int:
        """How many tasks wait for a worker."""
        return int(self._channel.queue_declare("celery", passive=True).message_count)

    def _read(self) -> None:
        while (message := self._channel.basic_get(self._queue, no_ack=True)) is not None:
            headers = message.headers["properties"].get("headers", {})
            if "task" in headers:
                kind = message.delivery_info["routing_key"].partition(".")[0]
                self._seen[kind].append(Task(headers["task"], headers["id"]))


@contextmanager
def task_trace(broker: RabbitMQ) -> Iterator[Trace]:
    broker.control("trace_on")
    with amqp.Connection(f"127.0.0.1:{broker.port}", userid="app", password=broker.secret) as connection:
        yield Trace(connection.channel())
