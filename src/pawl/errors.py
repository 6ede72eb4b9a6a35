"""Every error Pawl raises on purpose.

::

    PawlError                  exit 1  something failed; what, why and what to do next are in it
    ├── UsageError             exit 2  wrong use: unknown app, bad argument, not a git repository
    │   └── ConfigError        exit 2  pawl.toml or Procfile is wrong (file, line)
    ├── Unreachable            exit 3  pawld does not answer
    ├── StateError             exit 1  the state folder is corrupt, newer than this Pawl, or held by another pawld
    ├── StageFailed            exit 1  a stage of a deploy failed; the old release goes on serving
    └── CommandFailed          exit 1  a program that Pawl ran ended badly (carries the tail of its output)
        └── CommandTimedOut    exit 1  it was killed, for it had not ended within its time

Foreign exceptions are translated where they enter and chained with ``from``.
"""

from __future__ import annotations

INSTALLING = "docs/operations.md, Upgrading Pawl"
"""Where to read how another version of Pawl is installed."""


def encodable(text: str) -> str:
    """The text with ``?`` for what UTF-8 cannot hold: file names and names of people may be bytes of any kind.

    >>> encodable("café, caf" + chr(0xDCE9))
    'café, caf?'
    """
    return text.encode("utf-8", "replace").decode()


class PawlError(Exception):
    """What happened, why, and what to do next: one line each; the last two may be empty.

    ``detail`` is a block of further lines (the tail of a log), never a secret.
    """

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", next_step: str = "", detail: str = "") -> None:
        self.what, self.why, self.next_step, self.detail = map(encodable, (what, why, next_step, detail))
        super().__init__(self.what)

    def __str__(self) -> str:
        lines = [self.what, self.why, self.next_step]
        return "\n".join(line for line in lines if line)

    def as_dict(self) -> dict[str, str | int]:
        """The error as it travels through the API."""
        return {
            "kind": type(self).__name__,
            "what": self.what,
            "why": self.why,
            "next": self.next_step,
            "detail": self.detail,
            "exit_code": self.exit_code,
        }


class UsageError(PawlError):
    """The caller asked for something that cannot be: unknown app, bad argument, no such revision."""

    exit_code = 2


class ConfigError(UsageError):
    """A pawl.toml or Procfile that cannot be used; ``what`` begins with ``file:line:`` where a line is known."""


class Unreachable(PawlError):
    """No pawld answers at the state folder's socket."""

    exit_code = 3


class StateError(PawlError):
    """The state folder is corrupt, was written by a newer Pawl, or belongs to another running pawld."""


class StageFailed(PawlError):
    """A stage of a deploy failed; nothing was switched, or it was switched back."""


class CommandFailed(PawlError):
    """A program that Pawl ran ended badly; ``exit_status`` is negative for a signal."""

    def __init__(self, what: str, *, exit_status: int, why: str = "", next_step: str = "", detail: str = "") -> None:
        super().__init__(what, why=why, next_step=next_step, detail=detail)
        self.exit_status = exit_status


class CommandTimedOut(CommandFailed):
    """A program had not ended within its time and was killed; ``why`` says within how much."""


_BY_KIND: dict[str, type[PawlError]] = {
    kind.__name__: kind for kind in (PawlError, UsageError, ConfigError, Unreachable, StateError, StageFailed)
}


def from_dict(data: dict[str, object]) -> PawlError:
    """The error that :meth:`PawlError.as_dict` wrote; an unknown kind becomes a plain PawlError."""
    kind = _BY_KIND.get(str(data.get("kind")), PawlError)
    return kind(
        str(data.get("what", "pawld reported an error without a text")),
        why=str(data.get("why", "")),
        next_step=str(data.get("next", "")),
        detail=str(data.get("detail", "")),
    )
