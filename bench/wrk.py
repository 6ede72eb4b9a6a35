"""As many requests as go through: ``wrk``, because a client in Python would be the narrowest place itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass

_UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True, slots=True)
class Throughput:
    """Requests a second, the 99th percentile of latency in seconds, and requests that failed."""

    rate: float
    p99_s: float
    failed: int


def run(url: str, *, host: str, seconds: int, connections: int = 32) -> Throughput:
    """Load an address for so many seconds over keep-alive connections.

    Raises:
        RuntimeError: wrk is not installed.
    """
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is not installed; get it: apt install wrk")
    said = subprocess.run(
        ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--latency",
         "--header", f"Host: {host}", url],
        capture_output=True, text=True, check=True, timeout=seconds + 30,
    ).stdout  # fmt: skip
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    p99 = re.search(r"^\s+99%\s+([\d.]+)(us|ms|s)", said, re.M)
    assert rate is not None
    assert p99 is not None
    errors = re.search(r"Socket errors: (.*)", said)
    failed = sum(map(int, re.findall(r"\d+", errors[1]))) if errors else 0
    answered_badly = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return Throughput(
        float(rate[1]), float(p99[1]) * _UNITS_S[p99[2]], failed + int(answered_badly[1] if answered_badly else 0)
    )
