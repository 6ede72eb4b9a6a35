"""Real servers for the tests of saturation: PostgreSQL, RabbitMQ and Redis on loopback, in folders of their own.

Each runs as a user without rights (the one that Debian's package makes, when the tests run as root), on free ports, and
ends with the test module. Nothing of the machine's own servers is used or touched.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pg8000.native  # type: ignore[import-untyped]

from tests.support import eventually, free_port, program

PASSWORD = "pä/s?s#w@r:d%41"
"""Every sign that has a meaning in a URL."""


@dataclass(frozen=True)
class Owner:
    """The user that a server runs as: who runs the tests, or for root the one of the package."""

    name: str

    @property
    def is_other(self) -> bool:
        return os.geteuid() == 0

    def prefix(self) -> list[str]:
        return ["setpriv", "--reuid", self.name, "--regid", self.name, "--clear-groups"] if self.is_other else []

    def own(self, *paths: Path) -> None:
        if self.is_other:
            user = pwd.getpwnam(self.name)
            for path in paths:
                os.chown(path, user.pw_uid, user.pw_gid)


@contextmanager
def folder_of(owner: Owner) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="ps-", dir="/tmp"))
    owner.own(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running(
    command: Sequence[str], folder: Path, *, end: signal.Signals, **env: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A program and its children, in a group of their own so that none stays."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", **env}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, end)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@dataclass(frozen=True)
class Certificate:
    """A self-signed one for ``localhost``; who trusts it names it as its authority."""

    path: Path
    key: Path


def certificate(folder: Path, owner: Owner) -> Certificate:
    made = Certificate(folder / "server.crt", folder / "server.key")
    subprocess.run(
        [program("openssl", package="openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", made.key, "-out", made.path],
        check=True, capture_output=True,
    )  # fmt: skip
    made.key.chmod(0o600)
    made.path.chmod(0o644)
    owner.own(made.key, made.path)
    made.path.parent.chmod(0o755)
    return made


@dataclass
class Database:
    """A PostgreSQL with few connections, 3 of them kept for superusers; ``app`` owns the database ``news``."""

    port: int
    folder: Path
    certificate: Certificate

    def url(
        self, host: str = "127.0.0.1", *, password: str = PASSWORD, scheme: str = "postgres", tail: str = ""
    ) -> str:
        return f"{scheme}://app:{quote(password, safe='')}@{host}:{self.port}/news{tail}"

    def connect(self, user: str = "app", database: str = "news") -> Any:
        return pg8000.native.Connection(user, host="127.0.0.1", port=self.port, password=PASSWORD, database=database)

    def ask(self, sql: str) -> list[list[Any]]:
        """As superuser, in a connection of its own."""
        connection = self.connect("postgres", "postgres")
        try:
            rows: list[list[Any]] = connection.run(sql)
        finally:
            connection.close()
        return rows


@contextmanager
def database(*, fsync: str = "off", connections: int = 12) -> Iterator[Database]:
    owner = Owner("postgres")
    places = "usr/lib/postgresql/*/bin"
    initdb = program("initdb", package="postgresql", folders=places)
    server = program("postgres", package="postgresql", folders=places)
    with folder_of(owner) as folder:
        secret = folder / "secret"
        secret.write_text(PASSWORD)
        owner.own(secret)
        subprocess.run(
            [*owner.prefix(), initdb, "--pgdata", folder / "data", "--username", "postgres", "--pwfile", secret,
             "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"],
            check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        port, made = free_port(), certificate(folder, owner)
        settings = {
            "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "fsync": fsync,
            "max_connections": connections, "superuser_reserved_connections": 3, "autovacuum": "off",
            "ssl": "on", "ssl_cert_file": made.path, "ssl_key_file": made.key,
        }  # fmt: skip
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [*owner.prefix(), server, "-D", str(folder / "data"), *arguments]
        with running(command, folder, end=signal.SIGQUIT):
            found = Database(port, folder, made)
            eventually(lambda: answers(lambda: found.ask("SELECT 1")), within_s=30)
            found.ask(f"CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'")
            found.ask("CREATE DATABASE news OWNER app")
            yield found


@dataclass
class Broker:
    """A RabbitMQ or Redis that trusts :data:`PASSWORD`, in the clear at ``port`` and under TLS at ``tls_port``."""

    port: int
    tls_port: int
    certificate: Certificate


@dataclass
class RabbitMQ(Broker):
    """``app`` logs in with ``secret``."""

    control: Callable[[str], None]
    """Runs one command of ``rabbitmqctl``."""
    secret: str = "plain-secret"

    def url(self) -> str:
        return f"amqp://app:{self.secret}@127.0.0.1:{self.port}//"


@contextmanager
def rabbitmq() -> Iterator[RabbitMQ]:
    owner = Owner("rabbitmq")
    # The package's own command insists on the user and folders of the machine's server.
    server = program("rabbitmq-server", package="rabbitmq-server", folders="usr/lib/rabbitmq/bin")
    tool = program("rabbitmqctl", package="rabbitmq-server", folders="usr/lib/rabbitmq/lib/*/sbin")
    names = program("epmd", package="rabbitmq-server")
    with folder_of(owner) as folder:
        port, tls_port, names_port, made = free_port(), free_port(), free_port(), certificate(folder, owner)
        config = {
            "listeners.tcp.1": f"127.0.0.1:{port}", "listeners.ssl.1": f"127.0.0.1:{tls_port}",
            "ssl_options.certfile": made.path, "ssl_options.keyfile": made.key, "ssl_options.verify": "verify_none",
            "ssl_options.fail_if_no_peer_cert": "false", "default_user": "app", "default_pass": RabbitMQ.secret,
            "channel_max": 5, "log.console": "true", "log.file": "false",
        }  # fmt: skip
        (folder / "rabbitmq.conf").write_text("".join(f"{name} = {value}\n" for name, value in config.items()))
        (folder / "enabled_plugins").write_text("[].\n")
        owner.own(folder / "rabbitmq.conf", folder / "enabled_plugins")
        own_names = {"ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(names_port)}
        environ = {
            **own_names,
            "RABBITMQ_NODENAME": f"pawl-{port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CTL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RUNNING_UNDER_SYSTEMD": "true",  # that is how it is told to stay in the foreground
        }

        def control(command: str) -> None:
            outside = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
            subprocess.run(
                [*owner.prefix(), tool, command], check=True, capture_output=True, cwd=folder, env=outside | environ
            )

        (folder / "names").mkdir()
        owner.own(folder / "names")
        with (
            running([*owner.prefix(), names], folder / "names", end=signal.SIGTERM, **own_names),
            running([*owner.prefix(), server], folder, end=signal.SIGKILL, **environ) as process,
        ):
            eventually(lambda: is_open(port) or process.poll() is not None, within_s=180)
            assert process.poll() is None, (folder / "output").read_text()
            yield RabbitMQ(port, tls_port, made, control)


@contextmanager
def redis() -> Iterator[Broker]:
    owner = Owner("redis")
    server = program("redis-server", package="redis-server")
    with folder_of(owner) as folder:
        port, tls_port, made = free_port(), free_port(), certificate(folder, owner)
        config = {
            "bind": "127.0.0.1", "port": port, "tls-port": tls_port, "tls-cert-file": made.path,
            "tls-key-file": made.key, "tls-ca-cert-file": made.path, "tls-auth-clients": "no", "save": '""',
            "dir": folder, "unixsocket": folder / "redis.sock", "unixsocketperm": "777",
            "requirepass": f'"{PASSWORD}"',
        }  # fmt: skip
        (folder / "redis.conf").write_text("".join(f"{name} {value}\n" for name, value in config.items()))
        owner.own(folder / "redis.conf")
        command = [*owner.prefix(), server, str(folder / "redis.conf")]
        with running(command, folder, end=signal.SIGTERM) as process:
            eventually(lambda: is_open(port) or process.poll() is not None, within_s=30)
            assert process.poll() is None, (folder / "output").read_text()
            yield Broker(port, tls_port, made)


def answers(question: Callable[[], object]) -> bool:
    with suppress(pg8000.native.Error, OSError):
        question()
        return True
    return False


class Relay:
    """Stands between a client and a server: counts connections, cuts them, or says nothing any more."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._door = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.port = int(self._door.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def accepted(self) -> int:
        return len(self._pairs)

    def cut(self) -> None:
        for line in (line for pair in self._pairs for line in pair):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self.cut()
        for line in (line for pair in self._pairs for line in pair):
            line.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            self._pairs.append((near, far))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while part := one.recv(65536):
                other.sendall(part)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)


@contextmanager
def relay(target: int) -> Iterator[Relay]:
    made = Relay(target)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def answering(reply: bytes) -> Iterator[int]:
    """The port of a server that says ``reply`` to whoever connects, and then nothing; the connection stays."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        lines: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    line, _ = door.accept()
                except OSError:
                    return
                lines.append(line)
                with suppress(OSError):
                    line.sendall(reply)

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield int(door.getsockname()[1])
        finally:
            with suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)
            for line in lines:
                line.close()


def values(gauges: Sequence[Any]) -> Mapping[tuple[str, str], float]:
    """By name and instance."""
    return {(gauge.name, gauge.instance): gauge.value for gauge in gauges}
