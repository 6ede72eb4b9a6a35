"""A PostgreSQL by its URL: where it is, how it is reached, and its errors without a secret in them.

The client is pg8000: Python alone, no libpq to be there. It is imported with the first connection (11 MiB resident,
with TLS and the sign-in).
"""

from __future__ import annotations

import getpass
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pawl.address import TIMEOUT_S, Address, Lost, opened, reason
from pawl.errors import StateError, UsageError

SCHEMES = ("postgres", "postgresql", "postgis", "pgsql", "psql")

_PORT = 5432
_FOLDERS = ("/var/run/postgresql", "/tmp")


class Refused(StateError):
    """The server answered with an error; ``code`` is its SQLSTATE."""

    code = ""


@dataclass(frozen=True, slots=True)
class Server:
    """A database and who signs in to it; ``options`` are those of the URL."""

    user: str
    database: str
    host: str
    port: int
    password: str | None = field(repr=False)
    tls: ssl.SSLContext | bool | None = field(repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, url: str, *, variable: str) -> Server:
        """What the URL in ``variable`` names, in the ways that libpq knows; connects to nothing.

        Raises:
            UsageError: it cannot be read. Nothing of the URL is quoted.
        """
        address = Address.parse(url, variable=variable)
        options = address.options
        user = address.user or options.get("user") or getpass.getuser()
        port = address.port or _number(options.get("port", str(_PORT)), variable)
        host = options.get("host") or address.host or _folder(port)
        return cls(
            user=user,
            database=address.path or options.get("dbname") or user,
            host=host,
            port=port,
            password=options.get("password") if address.password is None else address.password,
            tls=False if host.startswith("/") else _tls(options, variable),
            options=options,
        )

    @property
    def place(self) -> str:
        """Where it listens."""
        return f"{self.host}/.s.PGSQL.{self.port}" if self.host.startswith("/") else f"{self.host}:{self.port}"

    def connect(self, *, answers_within_s: float = TIMEOUT_S) -> tuple[Any, socket.socket]:
        """A signed-in ``pg8000.native.Connection``, and the socket below it, which has the time limit.

        Raises:
            Lost: there is no connection to be had.
            Refused: the server turned the user away.
            StateError: what answers there is no PostgreSQL.
        """
        import pg8000.native  # type: ignore[import-untyped]  # only where a PostgreSQL is asked

        is_local = self.host.startswith("/")
        line = opened(self.place if is_local else (self.host, self.port))
        try:
            line.settimeout(answers_within_s)
            connection = pg8000.native.Connection(
                self.user,
                password=self.password,
                host=None if is_local else self.host,
                database=self.database,
                sock=line,
                ssl_context=self.tls,
                application_name="pawl",
            )
        except Exception as error:  # whatever answers at that port, and be it another protocol
            line.close()
            raise translated(error) from error
        except BaseException:
            line.close()
            raise
        return connection, connection._usock  # noqa: SLF001  # under TLS it is another than ``line``


def translated(error: Exception) -> StateError:
    """What pg8000 raised, in our words."""
    import pg8000.exceptions  # type: ignore[import-untyped]

    if isinstance(error, pg8000.exceptions.DatabaseError) and error.args and isinstance(error.args[0], dict):
        code, text = (str(error.args[0].get(name, "")) for name in "CM")
        why = reason(text or "no reason given")
        # A session that the server ended (shut down, crashed, timed out when idle) is worth a second try.
        if code.startswith(("57P", "08")):
            return Lost("PostgreSQL refused", why=why)
        refused = Refused("PostgreSQL refused", why=why)
        refused.code = code
        return refused
    cause = error.__cause__ or error
    if isinstance(cause, OSError | pg8000.exceptions.Error):
        return Lost("no connection", why=reason(cause))
    return Lost("no connection", why=f"what answers there is no PostgreSQL ({type(error).__name__})")


def _folder(port: int) -> str:
    """Where a server of this machine has its socket when the URL names no host, as libpq would look."""
    return next((folder for folder in _FOLDERS if Path(folder, f".s.PGSQL.{port}").exists()), _FOLDERS[0])


def _number(text: str, variable: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"{variable} has a port that is no number")
    return int(text)


def _tls(options: Mapping[str, str], variable: str) -> ssl.SSLContext | bool | None:
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
