"""A singleton that knows when it is not alone: it holds a lock while it lives, and tells of any that came meanwhile."""

import fcntl
import os
import signal
import sys
import time
from pathlib import Path

signal.signal(signal.SIGTERM, lambda *_arguments: sys.exit(0))
data = Path(os.environ["PAWL_DATA"])


def note(what: str) -> None:
    """Add a line to the journal."""
    with (data / "beats").open("a") as journal:
        journal.write(f"{time.time():.3f} {os.environ['PAWL_RELEASE']} {os.getpid()} {what}\n")


if "--broken" in sys.argv:
    sys.exit("cannot reach the broker")
with (data / "beat.lock").open("w") as lock:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        note("is not alone")
    else:
        note("began")
    while True:
        time.sleep(0.02)
