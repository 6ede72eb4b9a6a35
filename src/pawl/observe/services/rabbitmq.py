"""Queue lengths from RabbitMQ.

The client is py-amqp, the one that Celery uses too. It is imported with the first reading (1.2 MiB resident).
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Sequence
from typing import Any

from pawl.address import TIMEOUT_S, Address, Lost, is_unverified, reason
from pawl.errors import StateError
from pawl.observe.gauges import Gauge
from pawl.observe.services.service import Kept

SCHEMES = ("amqp", "amqps", "pyamqp")


class RabbitMQ:
    """The lengths of queues in the virtual host of an ``amqp://`` or ``amqps://`` URL.

    A queue is asked for by a passive declare, which changes nothing and which any user that may use the queue may do.
    It tells the messages that wait, not those a worker has taken and not yet acknowledged.
    """

    def __init__(self, url: str, queues: Sequence[str], *, variable: str) -> None:
        """Connects to nothing yet.

        Raises:
            UsageError: the URL cannot be read.
        """
        self._address = address = Address.parse(url, variable=variable)
        self._queues = queues
        self._is_tls = address.scheme == "amqps"
        self._host = address.host or "127.0.0.1"
        self._port = address.port or (5671 if self._is_tls else 5672)
        self._kept = Kept(self._dial)

    def read(self) -> list[Gauge]:
        """``queue_length`` of each queue that there is.

        Raises:
            StateError: RabbitMQ cannot be asked, or has none of the queues.
        """
        try:
            found = self._kept.ask(lambda line: {queue: line.length(queue) for queue in self._queues})
        except StateError as error:
            raise StateError(f"RabbitMQ at {self._host}:{self._port} cannot be asked", why=error.why) from error
        gauges = [Gauge("queue_length", float(count), instance=name) for name, count in found.items() if count >= 0]
        if not gauges:
            names = ", ".join(map(repr, self._queues))
            raise StateError(
                f"RabbitMQ at {self._host}:{self._port} has no queue {names}", why="nobody has used it yet"
            )
        return gauges

    def close(self) -> None:
        self._kept.close()

    def _dial(self) -> _Line:
        import amqp  # type: ignore[import-untyped]  # only for an app that has such a broker

        address = self._address
        tls: dict[str, Any] | bool = False
        if self._is_tls:
            tls = {"server_hostname": self._host, "cert_reqs": ssl.CERT_REQUIRED}
            tls["ca_certs"] = address.options.get("ssl_ca_certs")
            if is_unverified(address.options):
                tls = {"cert_reqs": ssl.CERT_NONE}
        connection = amqp.Connection(
            f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}",
            userid=address.user or "guest",
            password="guest" if address.password is None else address.password,
            login_method="PLAIN",
            virtual_host=address.path or "/",
            ssl=tls,
            connect_timeout=TIMEOUT_S,
            read_timeout=TIMEOUT_S,
            write_timeout=TIMEOUT_S,
            client_properties={"connection_name": "pawl"},
        )
        line = _Line(connection)
        try:
            connection.connect()
            connection.sock.settimeout(TIMEOUT_S)  # the read timeout alone goes on waiting in the middle of a frame
        except Exception as error:  # whatever answers at that port, and be it another protocol
            line.close()
            raise _translated(error) from error
        return line


class _Line:
    """One connection, and one channel on it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._channel: Any = None

    def length(self, queue: str) -> int:
        """How many messages wait; -1 for no such queue. The server closes the channel then, py-amqp opens it anew."""
        import amqp

        try:
            self._channel = self._channel or self._connection.channel()
            return int(self._channel.queue_declare(queue, passive=True).message_count)
        except amqp.exceptions.NotFound:
            return -1
        except Exception as error:  # a reply cut off in the middle can fail anywhere in the client
            raise _translated(error) from error

    def close(self) -> None:
        # Not close(): that waits for the server's answer, and there is nothing to lose.
        with contextlib.suppress(Exception):
            self._connection.collect()


def _translated(error: Exception) -> StateError:
    import amqp

    if isinstance(error, amqp.exceptions.ChannelError | amqp.exceptions.IrrecoverableConnectionError):
        return StateError("RabbitMQ refused", why=reason(error.reply_text or type(error).__name__))
    if isinstance(error, amqp.exceptions.AMQPError):
        return Lost("no connection", why=reason(error.reply_text or type(error).__name__))
    if isinstance(error, OSError):
        return Lost("no connection", why=reason(error))
    return Lost("no connection", why=f"what answers there is no RabbitMQ ({type(error).__name__})")
