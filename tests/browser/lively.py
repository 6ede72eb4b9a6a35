"""A home in which much has happened: apps, traffic, changes that were kept, one that was taken back, one that failed.

The tests of the dashboard look at it, and ``tools/screenshots.py`` takes its pictures there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pawl.demo.load import Load
from tests.support import HELLO, Pawl, Repository, eventually, repository

SHOP = Path(__file__).parents[1] / "apps" / "shop"
EVIL = "<script>alert(1)</script>"
PATHS = ("/", "/items/7", "/search")


@dataclass(slots=True)
class Lively:
    """The home, the two apps' repositories, and the deploys of the shop by what became of them."""

    pawl: Pawl
    shop: Repository
    deploys: dict[str, str]

    def change(self, title: str, *, observe: str = 'mode = "off"', top: str = "", **faults: object) -> str:
        """Commit these faults in place of those that were (``top`` are lines of pawl.toml); the release it will be."""
        text = (
            f'app = "shop"\n{top}\n[processes.web]\ncommand = "python app.py --socket $SOCKET"\n'
            f'[processes.web.health]\npath = "/healthz"\n[observe]\n{observe}\n'
        )
        return self.shop.commit(title, pawl__toml=text, FAULTS=json.dumps({"usual_s": 0.02, **faults}))[:12]

    def deploy(self, *, status: int = 0) -> str:
        """Deploy what was committed last; the deploy."""
        done = self.pawl.run("deploy", self.shop.path, "--json", timeout_s=300)
        assert done.returncode == status, done.stderr
        return str(json.loads(done.stdout.splitlines()[-1])["deploy"])

    @contextmanager
    def load(self, *, rate: float = 40) -> Iterator[Load]:
        """Steady requests to the shop."""
        load = Load(f"http://shop.localhost:{self.pawl.port}/", rate=rate, connections=8, paths=PATHS)
        load.start()
        try:
            yield load
        finally:
            load.stop()


def lively(pawl: Pawl, folder: Path, *, before_s: float = 12.0) -> Lively:
    """Make the home lively, in about half a minute."""
    home = Lively(pawl, repository(folder / "shop", SHOP), {})
    hello = repository(folder / "hello", HELLO)
    pawl.ok("deploy", hello.path)
    home.change("Open the shop")
    home.deploys["first"] = home.deploy()
    with ExitStack() as during:
        load = during.enter_context(home.load())
        home.change(EVIL)
        home.deploys["evil"] = home.deploy()
        eventually(lambda: load.tally.served >= 40 * before_s, within_s=before_s + 120)
        home.change("Pay with a card", observe="duration_s = 30", errors=0.6, on="/search")
        home.deploys["taken back"] = home.deploy(status=1)
    home.shop.commit("Forget the health check", pawl__toml='app = "shop"\n[processes.web]\ncommand = "false"\n')
    home.deploys["failed"] = home.deploy(status=1)
    return home
