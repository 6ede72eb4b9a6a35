"""How full and how busy a PostgreSQL is, as the app's own user sees it.

The client is pg8000: Python alone, no libpq to be there. It is imported with the first reading (11 MiB resident, with
TLS and the sign-in).
"""

from __future__ import annotations

import contextlib
import getpass
import socket
import ssl
from pathlib import Path
from typing import Any

from pawl.errors import StateError, UsageError
from pawl.observe.gauges import Gauge
from pawl.observe.services.address import TIMEOUT_S, Address, Lost, opened, reason
from pawl.observe.services.service import Kept

SCHEMES = ("postgres", "postgresql", "postgis", "pgsql", "psql")

_PORT = 5432
_FOLDERS = ("/var/run/postgresql", "/tmp")
_NO_SLOT_FREE = "53300"  # too_many_connections: of the server, of the database or of the user

# A user without rights on other users' sessions sees them with an empty backend_type: what has a user and a database is
# taken for a client then. Slots kept back for superusers are none an app can have. reserved_connections: version 16.
_QUESTION = """
SELECT current_database()::text,
    (SELECT count(*) FROM pg_stat_activity WHERE usesysid IS NOT NULL AND datid IS NOT NULL
        AND coalesce(backend_type, 'client backend') = 'client backend'),
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true), '0')::int,
    (SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend'
        AND datname = current_database() AND pid <> pg_backend_pid()),
    pg_database_size(current_database())
"""


class Postgres:
    """The gauges of one database; ``instance`` is its name.

    ``db_connections`` are those of the whole server, ours included, and ``db_connections_share`` their share of what
    it lets ordinary users have: ``max_connections`` less what is reserved. A server that turns us away because it is
    full has a share of 1. ``db_active`` are sessions of this database that run a statement now, without ours; a user
    that may not see the sessions of other users (``pg_read_all_stats``) counts its own only.

    Asks in a read-only transaction whose settings end with it, so that it is right behind a pooler too.
    """

    def __init__(self, url: str, *, variable: str = "DATABASE_URL") -> None:
        """Connects to nothing yet.

        Raises:
            UsageError: the URL cannot be read.
        """
        address = Address.parse(url, variable=variable)
        options = address.options
        self._user = address.user or options.get("user") or getpass.getuser()
        self._password = options.get("password") if address.password is None else address.password
        self._database = address.path or options.get("dbname") or self._user
        self._port = address.port or _number(options.get("port", str(_PORT)), variable)
        self._host = options.get("host") or address.host or _folder(self._port)
        self._is_local = self._host.startswith("/")
        self._tls = False if self._is_local else _tls(options, variable)
        self._kept = Kept(self._dial)

    def read(self) -> list[Gauge]:
        """The gauges now. Blocks, for some seconds at most.

        Raises:
            StateError: the database cannot be asked.
        """
        try:
            name, used, available, active, size = self._kept.ask(_Session.row)
        except _FullError:
            return [Gauge("db_connections_share", 1.0, instance=self._database)]
        except StateError as error:
            raise StateError(f"PostgreSQL at {self._place} cannot be asked", why=error.why) from error
        share = min(1.0, used / available) if available > 0 else 1.0
        values = {"db_connections": used, "db_connections_share": share, "db_active": active, "db_bytes": size}
        return [Gauge(key, float(value), instance=name) for key, value in values.items()]

    def close(self) -> None:
        self._kept.close()

    @property
    def _place(self) -> str:
        return f"{self._host}/.s.PGSQL.{self._port}" if self._is_local else f"{self._host}:{self._port}"

    def _dial(self) -> _Session:
        line = opened(self._place if self._is_local else (self._host, self._port))
        try:
            return _Session(self._signed_in(line))
        except BaseException:
            line.close()
            raise

    def _signed_in(self, line: socket.socket) -> Any:
        import pg8000.native  # type: ignore[import-untyped]  # only for an app that has such a database

        try:
            return pg8000.native.Connection(
                self._user,
                password=self._password,
                host=None if self._is_local else self._host,
                database=self._database,
                sock=line,
                ssl_context=self._tls,
                application_name="pawl",
            )
        except Exception as error:  # whatever answers at that port, and be it another protocol
            raise _translated(error) from error


class _FullError(StateError):
    """The server has no connection left for us."""


class _Session:
    """A connection that somebody signed in with."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def row(self) -> tuple[str, int, int, int, int]:
        try:
            self._connection.run("BEGIN READ ONLY")
            self._connection.run(f"SET LOCAL statement_timeout = {round(TIMEOUT_S * 1000)}")
            [row] = self._connection.run(_QUESTION)
            self._connection.run("ROLLBACK")
        except Exception as error:  # a reply cut off in the middle can fail anywhere in the client
            raise _translated(error) from error
        name, used, available, active, size = row
        return str(name), int(used), int(available), int(active), int(size)

    def close(self) -> None:
        with contextlib.suppress(Exception):  # it is given up, whatever state it is in
            self._connection.close()


def _translated(error: Exception) -> StateError:
    import pg8000.exceptions  # type: ignore[import-untyped]

    if isinstance(error, pg8000.exceptions.DatabaseError) and error.args and isinstance(error.args[0], dict):
        said = error.args[0]
        kind = _FullError if said.get("C") == _NO_SLOT_FREE else _kind_of(str(said.get("C", "")))
        return kind("PostgreSQL refused", why=reason(str(said.get("M", "no reason given"))))
    cause = error.__cause__ or error
    if isinstance(cause, OSError | pg8000.exceptions.Error):
        return Lost("no connection", why=reason(cause))
    return Lost("no connection", why=f"what answers there is no PostgreSQL ({type(error).__name__})")


def _kind_of(code: str) -> type[StateError]:
    """A session that the server ended (57P and 08: shut down, crashed, timed out when idle) is worth a second try."""
    return Lost if code.startswith(("57P", "08")) else StateError


def _folder(port: int) -> str:
    """Where a server of this machine has its socket when the URL names no host, as libpq would look."""
    return next((folder for folder in _FOLDERS if Path(folder, f".s.PGSQL.{port}").exists()), _FOLDERS[0])


def _number(text: str, variable: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"{variable} has a port that is no number")
    return int(text)


def _tls(options: dict[str, str] | Any, variable: str) -> ssl.SSLContext | bool | None:
    """What pg8000 takes for ``sslmode`` as libpq has it. None: if the server can, and whoever it is.

    https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS
    """
    mode, authority = options.get("sslmode", "prefer"), options.get("sslrootcert")
    certificate = options.get("sslcert")
    if mode == "disable":
        return False
    if mode in ("allow", "prefer"):
        return None
    if mode not in ("require", "verify-ca", "verify-full"):
        raise UsageError(f"{variable} has an sslmode that is not known")
    try:
        context = ssl.create_default_context(cafile=None if authority == "system" else authority)
        context.check_hostname = mode == "verify-full" or authority == "system"
        if mode == "require" and not authority:
            context.verify_mode = ssl.CERT_NONE
        if certificate:
            context.load_cert_chain(certificate, options.get("sslkey"))
    except OSError as error:
        raise UsageError(f"a certificate that {variable} names cannot be read", why=reason(error)) from error
    return context
