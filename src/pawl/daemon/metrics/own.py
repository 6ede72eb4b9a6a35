"""pawld's own process, under the names that every Prometheus client library uses."""

from __future__ import annotations

import os
import platform
import resource
from datetime import datetime
from pathlib import Path

from pawl import __version__
from pawl.daemon.metrics.exposition import Page

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def show(page: Page, *, began: datetime, proc: Path = Path("/proc/self")) -> None:
    """Put what pawld itself uses on the page."""
    whole, resident = (proc / "statm").read_text().split()[:2]
    used = resource.getrusage(resource.RUSAGE_SELF)
    page.add("pawl_build_info", 1, version=__version__, python=platform.python_version())
    page.add("process_cpu_seconds_total", round(used.ru_utime + used.ru_stime, 6))
    page.add("process_resident_memory_bytes", int(resident) * _PAGE_BYTES)
    page.add("process_virtual_memory_bytes", int(whole) * _PAGE_BYTES)
    page.add("process_open_fds", len(os.listdir(proc / "fd")))
    page.add("process_max_fds", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    page.add("process_start_time_seconds", round(began.timestamp(), 3))
