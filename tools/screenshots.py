"""Take the pictures of the dashboard in README.md and docs/dashboard.md: ``python tools/screenshots.py``.

A home is made lively for it: two apps, traffic, changes that were kept, one that was taken back, one that failed. The
pictures go to docs/img/dashboard-*.png. Needs Debian's chromium and fonts-dejavu-core.
"""

from __future__ import annotations

import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.browser_rig import PHONE, Colours, Dashboard, Visitor, chromium  # noqa: E402  the path is set first
from tests.browser.lively import Lively, lively  # noqa: E402  the same
from tests.support import eventually, running  # noqa: E402  the same

PICTURES = ROOT / "docs" / "img"
_WIDE = (1100, 760)
_TRAFFIC_S = 70


def pictures(home: Lively) -> dict[str, tuple[str, tuple[int, int], Colours]]:
    """By the picture's name: which page, how large the window is, and its colours."""
    taken_back = f"/deploys/{home.deploys['taken back']}"
    app = f"/apps/shop?from={time.time() - 420:.0f}&to={time.time():.0f}"
    return {
        "apps": ("/", _WIDE, "light"),
        "app": (app, (1100, 1300), "light"),
        "deploy": (taken_back, (1100, 1250), "light"),
        "measures": ("/measures", (1100, 600), "light"),
        "ledger": ("/ledger", (1100, 560), "light"),
        "phone": (app, (PHONE[0], 780), "dark"),
    }


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="pt-", dir="/tmp") as folder,
        running(Path(folder) / "home") as pawl,
        chromium() as browser,
    ):
        home = lively(pawl, Path(folder))
        _go_on(home)
        visitor = Visitor(browser, Dashboard.opened(browser, pawl))
        for name, (path, size, colours) in pictures(home).items():
            page = visitor.page(path, size=size, colours=colours, stands_still=True)
            page.locator("h1").wait_for()
            page.evaluate("() => document.getElementById('live-state')?.remove()")
            page.screenshot(path=PICTURES / f"dashboard-{name}.png")
            _pack(PICTURES / f"dashboard-{name}.png")
            print(f"{name}: {(PICTURES / f'dashboard-{name}.png').stat().st_size / 1000:.0f} kB")
        visitor.leave()


def _pack(picture: Path) -> None:
    """Compress a PNG as well as zlib can: the browser does it quickly instead."""
    data, at, chunks, body = picture.read_bytes(), 8, [], b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"IDAT":
            body += data[at + 8 : at + 8 + length]
        else:
            chunks.append((kind, data[at + 8 : at + 8 + length]))
        at += 12 + length
    chunks.insert(-1, (b"IDAT", zlib.compress(zlib.decompress(body), 9)))
    packed = [
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part)) for kind, part in chunks
    ]
    picture.write_bytes(data[:8] + b"".join(packed))


def _go_on(home: Lively) -> None:
    """Some minutes of traffic with two more changes, which are watched and kept."""
    with home.load(rate=60) as load:
        for title in ("Find items by colour", "Answer searches sooner"):
            began = load.tally.served
            home.change(title, observe="duration_s = 25", usual_s=0.02 if "sooner" not in title else 0.012)
            home.deploy()
            eventually(lambda began=began: load.tally.served - began >= 60 * _TRAFFIC_S / 2, within_s=600)  # type: ignore[misc]


if __name__ == "__main__":
    main()
