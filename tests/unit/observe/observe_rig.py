"""Lines of an access log, and a store that counts them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pawl.observe.counting import Counting
from pawl.observe.store import SignalStore

T0 = 1_769_990_400.0  # 2026-02-02 00:00 UTC
SOCKET = "unix//run/pawl/i/1.sock"


def line(at: float, **changed: Any) -> bytes:
    """One line as Caddy writes it."""
    request = {
        "remote_ip": "203.0.113.7",
        "proto": "HTTP/2.0",
        "method": changed.pop("method", "GET"),
        "host": "www.example.org",
        "uri": changed.pop("uri", "/"),
    }
    whole = {
        "ts": at,
        "request": request,
        "bytes_read": 0,
        "duration": 0.020,
        "size": 5120,
        "status": 200,
        "up_ms": 19.5,
        "upstream": SOCKET,
        "app": "demo",
        **changed,
    }
    return json.dumps(whole, separators=(",", ":")).encode() + b"\n"


def counting(folder: Path, **options: Any) -> tuple[SignalStore, Counting]:
    store = SignalStore(folder / "signals.db")
    return store, Counting(store, folder / "access.log", **options)
