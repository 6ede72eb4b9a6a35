"""A pawld that nobody looks at has nothing of the dashboard in its memory."""

from __future__ import annotations

import subprocess
import sys


def test_nothing_of_the_pages_is_loaded_before_somebody_looks() -> None:
    asks = "import sys, pawl.daemon.main; print([n for n in sys.modules if n.startswith(('jinja2', 'pawl.dashboard'))])"
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
