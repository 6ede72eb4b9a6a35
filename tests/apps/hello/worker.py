"""A worker that writes down when it runs, and finishes the task it is at when it is told to stop."""

import os
import signal
import sys
import time
from pathlib import Path

stopping = False


def stop(*_arguments):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)
name = os.environ.get("PAWL_PROCESS", "worker")
journal = Path(os.environ["PAWL_DATA"]) / "journal"


def note(what):
    with journal.open("a") as file:
        file.write(f"{time.time():.3f} {name} {os.environ['PAWL_RELEASE']} {os.getpid()} {what}\n")


if "--broken" in sys.argv:
    print("cannot reach the broker", flush=True)
    sys.exit(4)
note("began")
while not stopping:
    time.sleep(0.02)
note("stopping")
time.sleep(float(os.environ.get("TASK_S", "0")))
note("ended")
