"""Take the pictures of the dashboard that README.md and docs/dashboard.md show: ``python tools/screenshots.py``.

A home is made lively for it, under a name of its own and with a day of traffic in its signal store; the pictures go to
docs/img/dashboard-*.png. Needs Debian's chromium and fonts-dejavu-core.
"""

from __future__ import annotations

import math
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Page  # noqa: E402  the path is set first

from pawl.observe.gauges import Gauge  # noqa: E402
from pawl.observe.paths import Known  # noqa: E402
from pawl.observe.records import Counted, Key  # noqa: E402
from pawl.observe.store import SignalStore  # noqa: E402
from pawl.observe.tail import Position  # noqa: E402
from pawl.observe.tally import CODES, Tally  # noqa: E402
from tests.browser.browser_rig import PHONE, Dashboard, Visitor, chromium  # noqa: E402
from tests.browser.lively import Lively, lively  # noqa: E402
from tests.support import Pawl, running  # noqa: E402

PICTURES = ROOT / "docs" / "img"
_HOURS = 24
_STEP_S = 60
