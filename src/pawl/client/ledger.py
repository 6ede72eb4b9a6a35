"""A ledger out of its pawld, or out of its state folder and into it while no pawld runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import IO, Any

from pawl.client.api import Client
from pawl.errors import PawlError, Unreachable, from_dict
from pawl.home import Home

Json = dict[str, Any]
Progress = Callable[[int, int], None]


def export(home: Home, sink: IO[bytes], *, on_progress: Progress) -> Json:
    """Write the whole ledger as JSON lines; ``{"events", "ledger"}``.

    Raises:
        PawlError: it cannot be read; ``sink`` may have a part of it by then.
    """
    try:
        described = str(Client(home).get("ping")["ledger"])
        lines = Client(home).raw_lines("ledger", "export")
        head = next(lines)
    except Unreachable:
        return _moved(home, "export", "the ledger", on_progress=on_progress, sink=sink)
    events = int(json.loads(head)["events"])
    sink.write(head + b"\n")
    done = 0
    for done, line in enumerate(lines, 1):
        sink.write(line + b"\n")
        if done % 20_000 == 0 or done == events:
            on_progress(done, events)
    if done < events:
        raise PawlError(f"the export ended after {done} of {events} events", next_step="see: log/pawld.log")
    return {"events": events, "ledger": described}


def take(home: Home, source: IO[bytes], name: str, *, only_check: bool, on_progress: Progress) -> Json:
    """Put an export into the empty ledger of this home, or only see whether it is whole; ``{"events", "ledger"}``.

    Raises:
        PawlError: it is not whole, the ledger is not empty, or pawld runs; nothing is changed.
    """
    return _moved(home, "check" if only_check else "import", name, on_progress=on_progress, source=source)


def _moved(
    home: Home, verb: str, name: str, *, on_progress: Progress, sink: IO[bytes] | None = None,
    source: IO[bytes] | None = None,
) -> Json:  # fmt: skip
    if sink is not None:
        sink.flush()
    process = subprocess.Popen(
        [sys.executable, "-m", "pawl.daemon.moving", verb, name],
        stdin=source or subprocess.DEVNULL, stdout=sink or subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "PAWL_HOME": str(home.path)},
    )  # fmt: skip
    assert process.stderr is not None
    said: Json = {}
    other = ""
    with process, process.stderr as lines:
        for line in lines:
            try:
                said = json.loads(line)
            except ValueError:
                other = line.decode(errors="replace").strip() or other
                continue
            if "done" in said:
                on_progress(said["done"], said["of"])
    if "error" in said:
        raise from_dict(said["error"])
    if process.returncode != 0 or "events" not in said:
        raise PawlError(f"the {verb} did not come to its end", why=other)
    return said
