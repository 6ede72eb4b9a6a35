"""Points at which a test may kill pawld, to show that the next one makes everything good.

``PAWL_FAULT_POINT=name`` ends the process with SIGKILL when that point is reached, ``name#2`` at the second time.
The points of a deploy are ``STAGE: before``, ``begun``, ``done`` and ``ended``, and a few within stages.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping


def fault_point(environ: Mapping[str, str]) -> Callable[[str], None]:
    """The function to call at each point; it does nothing unless the environment asks for a fault."""
    wanted, _, times = environ.get("PAWL_FAULT_POINT", "").partition("#")
    if not wanted:
        return lambda _name: None
    left = int(times or 1)

    def reached(name: str) -> None:
        nonlocal left
        if name == wanted:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return reached
