"""What PostgreSQL says, in Pawl's words."""

from __future__ import annotations

from pawl.address import Lost
from pawl.errors import StateError
from pawl.postgres import Refused, Server

VARIABLE = "PAWL_LEDGER"


def described(server: Server) -> str:
    """The database as it may be shown: without user and password."""
    return f"PostgreSQL {server.place}/{server.database}"


def in_our_words(error: StateError, server: Server) -> StateError:
    """The error of a session, with the ledger it is about and what to do."""
    what = f"the ledger in {described(server)} cannot be used"
    if isinstance(error, Refused):
        return StateError(what, why=error.why, next_step=_next_step(error.code, server))
    if isinstance(error, Lost):
        at = f"-h {server.host} -p {server.port}"
        return StateError(what, why=error.why, next_step=f"see whether the server runs: pg_isready {at}")
    return error


def _next_step(code: str, server: Server) -> str:
    known = {
        "28P01": f"check the user and the password in {VARIABLE}",
        "28000": f"check the user in {VARIABLE}, and whether pg_hba.conf lets it in from here",
        "3D000": f"make it, as a user who may: createdb --owner={server.user} {server.database}",
        "42501": f'give the right, as its owner: GRANT CREATE ON DATABASE "{server.database}" TO "{server.user}"',
        "25006": f"name the primary in {VARIABLE}: this server is a standby, or the database read-only",
        "53300": "raise max_connections on the server, or free some",
        "53100": "free some space on the server's disk; pawld then goes on by itself",
        "57014": "see what keeps the server busy: SELECT * FROM pg_stat_activity",
        "55P03": "see what holds a lock on the ledger's tables: SELECT * FROM pg_locks",
    }
    return known.get(code, f"see the server's log (SQLSTATE {code})")


def damaged(server: Server, place: str, why: str) -> StateError:
    """The error for a ledger that cannot be trusted any more."""
    return StateError(
        f"the ledger of {place} in {described(server)} is damaged",
        why=why,
        next_step="stop pawld and put a backup of the database back, or import an export: pawl ledger import",
    )
