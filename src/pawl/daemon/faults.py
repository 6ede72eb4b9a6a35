"""Points at which a test may kill pawld, to show that the next one makes everything good.

``PAWL_FAULT_POINT=name`` ends the process with SIGKILL when that point is reached, ``name#2`` at the second time.
``@FILE``: what that file says just then, so that a pawld that runs can be told; nothing while there is none.
The points of a deploy are ``STAGE: before``, ``begun``, ``done`` and ``ended``, and a few within stages;
of a removal, ``app removed``.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path


def fault_point(environ: Mapping[str, str]) -> Callable[[str], None]:
    """The function to call at each point; it does nothing unless the environment asks for a fault."""
    wanted = environ.get("PAWL_FAULT_POINT", "")
    if not wanted:
        return lambda _name: None
    file = Path(wanted[1:]) if wanted.startswith("@") else None
    told, left = "", 0

    def reached(name: str) -> None:
        nonlocal told, left
        said = wanted if file is None else _text(file)
        point, _, times = said.partition("#")
        if said != told:
            told, left = said, int(times or 1)
        if name == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return reached


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return ""
