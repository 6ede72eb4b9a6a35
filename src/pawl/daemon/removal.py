"""What an app that is removed leaves on disk, and its deletion; the ledger's part is in ``requests.py``."""

from __future__ import annotations

import asyncio
import logging
import shutil
from datetime import datetime
from pathlib import Path

from pawl.errors import PawlError
from pawl.home import Home
from pawl.ledger.base import Ledger
from pawl.ledger.events import AppRemoved
from pawl.proxy.slots import Slots
from pawl.source.store import Store

log = logging.getLogger(__name__)
_CLOCKS_DIFFER_S = 1.0  # the ledger cuts fractions of a second off, files have the time of the last tick


async def delete(app: str, *, home: Home, slots: Slots, store: Store) -> None:
    """Delete all that is left of an app but its data folder and its door. Idempotent.

    Raises:
        CommandFailed: git failed to let go of its commits, after all else was deleted.
    """
    for folder in _folders(home, app):
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    slots.remove(app)
    await store.let_go(app)


async def delete_leftovers(*, home: Home, ledger: Ledger, slots: Slots, store: Store) -> list[str]:
    """Delete what a removal that was cut off has left; the apps of which there was something.

    Only of apps that the ledger says were removed: one that it does not know may be in another ledger.
    """
    found = []
    for path in sorted((home.path / "apps").glob("*")):
        app = path.name
        removed_at = _removed_at(ledger, app)
        if removed_at is None or not any(folder.exists() for folder in _folders(home, app)):
            continue
        if _newest(home, app) > removed_at + _CLOCKS_DIFFER_S:
            log.error("%s was removed, but %s has newer files: they are left alone", app, path)
            continue
        log.info("%s was removed: deleting what is left of it", app)
        found.append(app)
        try:
            await delete(app, home=home, slots=slots, store=store)
        except PawlError:
            log.exception("%s was removed, but not all that is left of it could be deleted", app)
    return found


def _folders(home: Home, app: str) -> list[Path]:
    """Settings first: they hold secrets."""
    return [home.settings(app), home.releases(app), home.logs(app)]


def _removed_at(ledger: Ledger, app: str) -> float | None:
    """When an app was removed (Unix time); None for one that is there and for one that never was."""
    if ledger.app(app) is not None:
        return None
    last = ledger.events(app=app, kinds={"app_created", "app_removed"}, limit=1, newest_first=True)
    return datetime.fromisoformat(last[0].at).timestamp() if last and isinstance(last[0].event, AppRemoved) else None


def _newest(home: Home, app: str) -> float:
    """When a settings version or a release was last written: after the removal only if the ledger is an older copy."""
    written = [*home.settings(app).glob("*.json"), *home.releases(app).glob("*/release.json")]
    return max((path.stat().st_mtime for path in written), default=0.0)
