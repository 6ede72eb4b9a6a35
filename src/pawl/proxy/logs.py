"""Caddy's two logs: one JSON line for each request, and Caddy's own words. Pure.

No header is logged, of the request or of the answer, and no query string: that is where cookies, tokens and
passwords travel. A secret in the path itself is logged: Pawl cannot know it from any other part of a path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_WITHOUT = {"filter": "delete"}
_NO_QUERY = {"filter": "regexp", "regexp": r"\?.*", "value": ""}

_SECRETS = {
    "request>headers": _WITHOUT,
    "request>uri": _NO_QUERY,
    "request>tls": _WITHOUT,
    "resp_headers": _WITHOUT,
    "headers": _WITHOUT,
    "user_id": _WITHOUT,
}
_NOT_NEEDED = {"request>remote_port": _WITHOUT, "request>client_ip": _WITHOUT}
# Of each line the reader knows these already.
_NO_KEYS = {"level_key": "", "message_key": "", "name_key": ""}


def logging_config(*, access: Path, own: Path) -> dict[str, Any]:
    """Caddy's ``logging``: requests to ``access``, all else to ``own``.

    Rolled requests are not compressed, so that a reader that fell behind can finish a rolled file by its inode.
    """
    return {
        "logs": {
            "default": {
                "level": "INFO",
                "exclude": ["http.log.access"],
                "writer": _file(own, size_mb=10, keep=3),
                "encoder": {"format": "filter", "wrap": {"format": "json"}, "fields": _SECRETS},
            },
            "access": {
                "include": ["http.log.access"],
                "writer": _file(access, size_mb=100, keep=5),
                "encoder": {
                    "format": "filter",
                    "wrap": {"format": "json", **_NO_KEYS},
                    "fields": {**_SECRETS, **_NOT_NEEDED},
                },
            },
        }
    }


def _file(path: Path, *, size_mb: int, keep: int) -> dict[str, Any]:
    return {
        "output": "file",
        "filename": str(path),
        "mode": "0600",
        "roll_size_mb": size_mb,
        "roll_keep": keep,
        "roll_gzip": False,
    }
