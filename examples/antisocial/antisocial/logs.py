"""One line of JSON for each log record, for machines that collect them."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

# What every record has; anything else was given with ``extra=``.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request", "taskName", "server_time"}


class JsonFormatter(logging.Formatter):
    """``time``, ``level``, ``logger``, ``message``, ``release``, all ``extra``, and a traceback as ``error``."""

    def __init__(self, *, release: str = "") -> None:
        super().__init__()
        self._release = release

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "release": self._release,
            **{name: value for name, value in vars(record).items() if name not in _USUAL},
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in line.items() if value != ""}, default=str, ensure_ascii=False)
