"""How full and how busy a PostgreSQL is, as the app's own user sees it."""

from __future__ import annotations

import contextlib
from typing import Any

from pawl.address import TIMEOUT_S
from pawl.errors import StateError
from pawl.observe.gauges import Gauge
from pawl.observe.services.service import Kept
from pawl.postgres import SCHEMES, Refused, Server, translated

__all__ = ["SCHEMES", "Postgres"]

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
        self._server = Server.parse(url, variable=variable)
        self._kept = Kept(self._dial)

    def read(self) -> list[Gauge]:
        """The gauges now. Blocks, for some seconds at most.

        Raises:
            StateError: the database cannot be asked.
        """
        try:
            name, used, available, active, size = self._kept.ask(_Session.row)
        except StateError as error:
            if isinstance(error, Refused) and error.code == _NO_SLOT_FREE:
                return [Gauge("db_connections_share", 1.0, instance=self._server.database)]
            raise StateError(f"PostgreSQL at {self._server.place} cannot be asked", why=error.why) from error
        share = min(1.0, used / available) if available > 0 else 1.0
        values = {"db_connections": used, "db_connections_share": share, "db_active": active, "db_bytes": size}
        return [Gauge(key, float(value), instance=name) for key, value in values.items()]

    def close(self) -> None:
        self._kept.close()

    def _dial(self) -> _Session:
        return _Session(self._server.connect()[0])


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
            raise translated(error) from error
        name, used, available, active, size = row
        return str(name), int(used), int(available), int(active), int(size)

    def close(self) -> None:
        with contextlib.suppress(Exception):  # it is given up, whatever state it is in
            self._connection.close()
