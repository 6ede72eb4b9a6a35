"""The URL of a service, taken apart, and the first socket to it. What it holds in secret is shown nowhere."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pawl.errors import StateError, UsageError

TIMEOUT_S = 2.0
"""How long a service may take to accept a connection, and for each answer."""

_LONGEST_REASON = 200


class Lost(StateError):
    """A connection that did not come about or is gone; a kept one may have been cut off long ago, so try once more."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service is: ``host`` empty means a socket of this machine, ``path`` is without its leading slash.

    ``user`` and ``password`` are None when the URL has none. ``options`` are those after ``?``; they may hold secrets.
    """

    scheme: str
    host: str
    port: int | None
    path: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, url: str, *, variable: str) -> Address:
        """The parts of the URL that ``variable`` holds, percent-decoded.

        Raises:
            UsageError: it cannot be taken apart. The text names the variable and quotes nothing of the URL, for where
                a URL is malformed there is no telling which part of it is the password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise _malformed(variable) from None
        if _is_cut_short(parts):
            raise _malformed(variable)
        place = parts.netloc.rpartition("@")[2]
        host = parts.hostname if place.startswith("[") else place.partition(":")[0]
        return cls(
            scheme=parts.scheme,
            host=unquote(host or ""),  # not hostname alone: that is in small letters, and a host may be a path
            port=port,
            path=unquote(parts.path).removeprefix("/"),
            user=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
            options=dict(parse_qsl(parts.query)),
        )


def scheme_of(url: str) -> str:
    """What stands before ``:``, in small letters and without a driver: ``postgresql`` of ``postgresql+psycopg://…``."""
    return url.partition(":")[0].partition("+")[0].lower()


def opened(where: str | tuple[str, int]) -> socket.socket:
    """A connected socket with a time limit: to the path of a unix socket, or to host and port.

    Raises:
        Lost: nobody accepts there within :data:`TIMEOUT_S`.
    """
    try:
        if not isinstance(where, str):
            return socket.create_connection(where, TIMEOUT_S)
        line = socket.socket(socket.AF_UNIX)
        try:
            line.settimeout(TIMEOUT_S)
            line.connect(where)
        except OSError:
            line.close()
            raise
        return line
    except (OSError, UnicodeError) as error:
        raise Lost("no connection", why=reason(error)) from error


def wrapped(line: socket.socket, host: str, options: Mapping[str, str]) -> ssl.SSLSocket:
    """The socket under TLS; ``ssl_cert_reqs`` and ``ssl_ca_certs`` are the options that redis-py and kombu know.

    Raises:
        OSError: the handshake failed, or the certificate is not trusted (``ssl.SSLError`` is one).
    """
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    if is_unverified(options):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(line, server_hostname=host)


def is_unverified(options: Mapping[str, str]) -> bool:
    """Whether the URL asks that any certificate be taken."""
    return options.get("ssl_cert_reqs", "").lower().removeprefix("cert_") == "none"


def reason(error: BaseException | str) -> str:
    """One line of what went wrong, of a text that a service or the system wrote."""
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s"
    if isinstance(error, OSError):
        error = error.strerror or str(error) or type(error).__name__
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in str(error)).split())
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…"


def _is_cut_short(parts: SplitResult) -> bool:
    """Whether a bare ``/``, ``?`` or ``#`` in the password ended the host too early: its ``@`` is then further on."""
    is_late = "@" not in parts.netloc and "@" in parts.query
    return is_late or "@" in parts.path or "@" in parts.fragment


def _malformed(variable: str) -> UsageError:
    return UsageError(
        f"{variable} is no URL that can be read",
        why="signs such as / ? # @ : in a user or password are written as %2F %3F %23 %40 %3A",
        next_step=f"see: pawl secrets set {variable}",
    )
