"""A ledger out of the state folder and into it, without pawld: ``python -m pawl.daemon.moving export|import|check``.

The lines go to stdout or come from stdin. On stderr there is a line of JSON for each step, ``{"done", "of"}``, and a
last one with ``{"events", "ledger"}`` or ``{"error"}``: it is for ``pawl ledger``, and not for people.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import closing

from pawl.daemon import ledgers
from pawl.daemon.pawld import lock
from pawl.errors import PawlError, StateError
from pawl.home import Home
from pawl.ledger import transfer

Json = dict[str, object]


def main() -> None:
    """Do it; exit status 0 when it is done."""
    os.umask(0o077)
    verb, name = sys.argv[1], sys.argv[2]
    work: Callable[[Home, str], Json] = {"export": _export, "import": _import, "check": _check}[verb]
    try:
        answer = work(Home.from_environ(os.environ), name)
    except BrokenPipeError:  # who read stdout has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        _tell({"error": StateError(f"{name} cannot be used", why=error.strerror or str(error)).as_dict()})
        raise SystemExit(1) from None
    except PawlError as error:
        _tell({"error": error.as_dict()})
        raise SystemExit(error.exit_code) from None
    _tell(answer)


def _export(home: Home, _name: str) -> Json:
    choice = ledgers.chosen(home, os.environ)
    with closing(choice.open_to_read()) as ledger:
        lines = transfer.exported(ledger)
        head = next(lines)
        events = json.loads(head)["events"]
        sys.stdout.buffer.write(head)
        for number, piece in enumerate(lines, 1):
            sys.stdout.buffer.write(piece)
            _step(min(events, number * transfer.AT_A_TIME), events)
        sys.stdout.buffer.flush()
    return {"events": events, "ledger": choice.described}


def _import(home: Home, name: str) -> Json:
    home.create()
    held = lock(home)
    try:
        choice = ledgers.chosen(home, os.environ, is_new=True)
        incoming = transfer.Incoming(name, sys.stdin.buffer)
        with closing(choice.open()) as ledger:
            events = transfer.imported(ledger, incoming, on_progress=lambda done: _step(done, incoming.header.events))
            ledgers.remember(home, choice, ledger.place)
    finally:
        os.close(held)
    return {"events": events, "ledger": choice.described}


def _check(_home: Home, name: str) -> Json:
    incoming = transfer.Incoming(name, sys.stdin.buffer)
    done = 0
    for batch in transfer.batches(incoming.rows()):
        done += len(batch)
        _step(done, incoming.header.events)
    return {"events": done, "ledger": ""}


def _step(done: int, of: int) -> None:
    if done % 20_000 == 0 or done == of:
        _tell({"done": done, "of": of})


def _tell(line: Json) -> None:
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
