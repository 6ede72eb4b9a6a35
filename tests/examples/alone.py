"""Runs a command that should be the only one of its kind, and writes down whether it is.

``alone.py JOURNAL COMMAND…``: the command inherits a lock, which is free again when it has ended, however it ended.
"""

import fcntl
import os
import sys

journal, *command = sys.argv[1:]
lock = os.open(f"{journal}.lock", os.O_RDWR | os.O_CREAT)
os.set_inheritable(lock, True)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    what = "is not alone"
else:
    what = "began"
with open(journal, "a") as file:
    file.write(f"{os.environ['PAWL_RELEASE']} {what}\n")
os.execvp(command[0], command)
