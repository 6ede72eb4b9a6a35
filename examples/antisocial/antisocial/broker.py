"""A Celery queue in a folder: kombu's file-system transport, made safe for several processes.

As kombu 5.7 has it, a message's file has its final name before it has its content, so a waiting worker can take an
empty message (two workers that poll without a pause lost 200 of 3,000). Two releases' workers share the queue during
a deploy, so here a message appears, and is taken, by a rename within one folder tree.
"""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps, loads


class Channel(filesystem.Channel):
    """Messages are files named ``<time>_<uuid>.<queue>.msg``; anything else in the folder is not one (yet)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for folder in (self.data_folder_in, self.data_folder_out, self.processed_folder, self.control_folder):
            Path(folder).mkdir(parents=True, exist_ok=True)

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:
        final = Path(self.data_folder_out, f"{time.time_ns()}_{uuid.uuid4()}.{queue}.msg")
        part = final.with_name(f"{final.name}.part")
        part.write_text(dumps(payload))
        part.rename(final)

    def _get(self, queue: str) -> dict[str, Any]:
        for name in sorted(os.listdir(self.data_folder_in)):
            if name.partition(".")[2] != f"{queue}.msg":
                continue
            taken = Path(self.processed_folder, name)
            try:
                Path(self.data_folder_in, name).rename(taken)
            except FileNotFoundError:
                continue  # another worker was faster
            payload = loads(taken.read_text())
            taken.unlink()
            return payload
        raise Empty

    # The table of queues has the same fault: on the very first start, one process may read what another is at writing.

    def get_table(self, exchange: str) -> list[Any]:
        with self._lock():
            return super().get_table(exchange)

    def _queue_bind(self, *args: Any) -> None:
        with self._lock():
            super()._queue_bind(*args)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with Path(self.control_folder, "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed
            yield


class Transport(filesystem.Transport):
    """Chosen by the broker URL ``folder://localhost``."""

    Channel = Channel


def register() -> None:
    """Make ``folder://`` known to kombu."""
    TRANSPORT_ALIASES["folder"] = f"{__name__}:Transport"
