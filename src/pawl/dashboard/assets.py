"""The style sheets and scripts, under names that hold their content's hash, so that a browser may keep them."""

from __future__ import annotations

import gzip
import hashlib
from importlib.resources import files
from typing import NamedTuple

_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


class Asset(NamedTuple):
    """One file: what it is served as, packed."""

    media_type: str
    packed: bytes


class Assets:
    """Every file in the ``static`` folder."""

    def __init__(self) -> None:
        self._served: dict[str, Asset] = {}
        self._names: dict[str, str] = {}
        for file in files("pawl.dashboard").joinpath("static").iterdir():
            stem, dot, suffix = file.name.rpartition(".")
            if f".{suffix}" in _KINDS:
                body = file.read_bytes()
                served = f"{stem}.{hashlib.sha256(body).hexdigest()[:12]}{dot}{suffix}"
                self._names[file.name] = served
                self._served[served] = Asset(_KINDS[f".{suffix}"], gzip.compress(body, 9, mtime=0))
        self.build = hashlib.sha256(" ".join(sorted(self._served)).encode()).hexdigest()[:12]
        """Changes when any of them does."""

    def url(self, name: str) -> str:
        """The address of a file; empty for one that is not there."""
        served = self._names.get(name)
        return f"/static/{served}" if served else ""

    def get(self, served: str) -> Asset | None:
        return self._served.get(served)
