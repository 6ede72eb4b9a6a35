"""`git push` to the first answer of the new version, 100 requests a second running: a hello-world WSGI app.

The app is one file, a requirements.txt and a Procfile, served by gunicorn with its defaults; in the second row it has a
pawl.toml that names a health path, so that Pawl need not watch it stay up for `uptime_s` (1 s). A round is 3 s of load
alone, then a push of a new commit, measured from the start of `git push` to the first answer of the new release
through the proxy; the load goes on until 1 s after the push has returned. "Slower" compares the slowest requests while
pushing with the slowest of the seconds before, latency counted from when each request was due.

Piku's figures are quoted from the study of it in this project (`research/paas.md`: two cores, 100 requests a second,
hello-world), not measured again here: Piku needs a machine of its own with nginx and uWSGI.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.report import Result, Target, median, share_point, spread
from bench.stage import Stage, first_served, load, stage
from pawl.demo.load import Tally
from tests.support import Repository

_ROUNDS = 7
_HEALTH = '[processes.web]\ncommand = "gunicorn hello:app"\nhealth = "/"\n'
_GIT = shutil.which("git") or "/usr/bin/git"
_PIKU = [
    ["Piku, defaults (quoted)", "2.6 s (1.96–3.82)", "52–53 a push", "", "", ""],
    ["Piku, tuned: uWSGI with a listen queue of 512 (quoted)", "2.0, 3.2 s", "0", "", "", "about 1,000 ms"],
]


@dataclass(slots=True)
class _Pushes:
    took_s: list[float] = field(default_factory=list)
    before_ms: list[float] = field(default_factory=list)
    during_ms: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def slower_ms(self) -> float:
        return max(self.during_ms) - max(self.before_ms)

    def row(self, name: str) -> list[str]:
        both = (self.before_ms, self.during_ms)
        return [
            name, spread(self.took_s), f"{self.failed} of {sum(map(len, both)) + self.failed:,}",
            *(_latencies(one) for one in both), f"{self.slower_ms:.0f} ms",
        ]  # fmt: skip


def measure() -> Result:
    with stage() as on:
        plain = _pushes(on, on.app("hello", "plain"))
        healthy = _pushes(on, on.app("hello", "healthy", pawl__toml=_HEALTH))
    rows = [plain.row("Pawl, Procfile only"), healthy.row("Pawl, with a health path"), *_PIKU]
    targets = []
    for name, one in (("Procfile only", plain), ("with a health path", healthy)):
        took_s = median(one.took_s)
        targets += [
            Target(f"`git push` to the first answer of the new version, {name}", f"{took_s:.2f} s", "< 2 s",
                   took_s < 2),
            Target(f"requests failed in {_ROUNDS} pushes, {name}", str(one.failed), "0", one.failed == 0),
            Target(f"slowest request of a push against the slowest before, {name}", f"{one.slower_ms:+.0f} ms",
                   "≤ 100 ms", one.slower_ms <= 100),
        ]  # fmt: skip
    headings = [
        "", "push to first answer", "failed", "before: median, p99.9, max", "pushing: median, p99.9, max",
        "slowest, against before",
    ]  # fmt: skip
    return Result(headings, rows, targets)


def _pushes(on: Stage, repo: Repository) -> _Pushes:
    app = repo.path.name
    on.timed("init", repo.path)  # its pawl.toml, where it writes one, is left out of the commits
    with (repo.path / ".git" / "info" / "exclude").open("a") as exclude:
        exclude.write("pawl.toml\n")
    on.timed(_GIT, "push", "--quiet", "pawl", "main", cwd=repo.path)
    pushes = _Pushes()
    with load(on.url(app), rate=100) as running:
        for _ in range(_ROUNDS):
            release = on.change(repo)
            time.sleep(3)
            began, ended = on.timed(_GIT, "push", "--quiet", "-o", "no-observe", "pawl", "main", cwd=repo.path)
            time.sleep(1)
            pushes.took_s.append(first_served(running.tally, release, began) - began)
            pushes.before_ms += _between(running.tally, began - 3, began)
            pushes.during_ms += _between(running.tally, began, ended + 1)
    pushes.failed = running.tally.failed
    return pushes


def _between(tally: Tally, began: float, ended: float) -> list[float]:
    return [answer.latency_s * 1000 for answer in tally.answers if began <= answer.due < ended]


def _latencies(values: Sequence[float]) -> str:
    return f"{median(values):.1f}, {share_point(values, 0.999):.0f}, {max(values):.0f} ms"
