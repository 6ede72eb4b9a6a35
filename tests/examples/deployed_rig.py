"""examples/antisocial deployed by Pawl with PostgreSQL and RabbitMQ, changed under load while it fetches feeds.

The story is played once; what was seen of it is kept for the tests to ask.
"""

from __future__ import annotations

import http.client
import json
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pawl.demo.load import Load, Tally
from tests.examples.feed_server import MOST, FeedServer, feed_server
from tests.examples.task_trace import Ends, Task, Trace, task_trace
from tests.integration.services import services_rig
from tests.integration.services.services_rig import Database, RabbitMQ
from tests.support import Pawl, Repository, eventually, free_port, repository

APP = "antisocial"
FEEDS = 30
PATHS = ("/", "/feeds/", "/search/?q=news", "/healthz")
EXPECTED = ("errors(*) <= 20%", "p50(/feeds/) < 20s", "rss(worker) < 1GB")
_EXAMPLE = Path(__file__).parents[2] / "examples" / APP
_ALONE = Path(__file__).with_name("alone.py")
_UV_CACHE = Path(tempfile.gettempdir()) / "pawl-tests-uv-cache"  # one for all runs on this machine
# The time limits are long, for here a feed is held back until a worker is at its end. What is due is looked for often.
_SETTINGS = (
    "SOLO=1", "FETCH_ALLOW_NETWORKS=127.0.0.0/8", "FETCH_TIMEOUT_S=280", "FETCH_ROUND_S=1", "WEB_THREADS=4",
)  # fmt: skip
_LONG_S = 120.0

Json = dict[str, Any]


@dataclass
class Seen:
    """What was seen of the story."""

    releases: list[str] = field(default_factory=list)
    """The two releases, in their order."""
    deploys: list[list[Json]] = field(default_factory=list)
    """The lines of ``--json`` of the first deploy, the second and the rollback."""
    fetching: list[int] = field(default_factory=list)
    """How many fetches were under way when a worker had been told to stop, each time."""
    smoke: list[tuple[str, int, Json]] = field(default_factory=list)
    """What ``/smoketest/`` answered after each switch: release, status, parts."""
    tally: Tally = field(default_factory=Tally)
    signals: Json = field(default_factory=dict)
    observed: Json = field(default_factory=dict)
    requests: list[tuple[int, int]] = field(default_factory=list)
    """The feed server's own: feed and round."""
    late: list[int] = field(default_factory=list)
    """Feeds that were subscribed to while a deploy went on."""
    rounds: int = 0
    entries: list[str] = field(default_factory=list)
    """The ids in the database, in their order."""
    unread: int = 0
    fetches: list[tuple[str, str]] = field(default_factory=list)
    """Fetches that the app remembers: host and error."""
    news: dict[str, bool] = field(default_factory=dict)
    """By host: whether the new column has a value."""
    queued: list[Task] = field(default_factory=list)
    dropped: list[Task] = field(default_factory=list)
    """Tasks that no worker got before they expired."""
    ends: Ends = field(default_factory=lambda: Ends([], [], []))
    beats: list[list[str]] = field(default_factory=list)
    """What alone.py wrote down: release and what."""


class Story:
    """The story's telling."""

    def __init__(
        self, pawl: Pawl, repo: Repository, database: Database, broker: RabbitMQ, feeds: FeedServer, trace: Trace
    ) -> None:
        self.seen = Seen()
        self._pawl = pawl
        self._repo = repo
        self._database = database
        self._broker = broker
        self._feeds = feeds
        self._trace = trace

    def play(self) -> Seen:
        self._deploy_the_first()
        for feed in range(1, FEEDS + 1):
            self._subscribe(feed)
        self._await_entries()
        load = Load(f"http://{APP}.localhost:{self._pawl.port}/", rate=15, paths=PATHS)
        load.start()
        try:
            self._deploy_a_migration()
            self._fetch_a_round()
            self._roll_back()
            self._fetch_a_round()
        finally:
            self.seen.tally = load.stop()
        self._note_what_is_there()
        return self.seen

    def _deploy_the_first(self) -> None:
        shutil.copy(_ALONE, self._repo.path / "alone.py")
        edit = partial(_edit, self._repo.path)
        edit("pawl.toml", "celery -A antisocial beat", "python alone.py $PAWL_DATA/beats celery -A antisocial beat")
        # All of the tests are run by pawl demo's deploys.
        edit("pawl.toml", "manage.py test --exclude-tag slow", "manage.py test reader.tests.test_migrations")
        # On a busy machine a healthy change may look slow: what is seen is said, and nothing is taken back.
        edit("pawl.toml", "[env]", '[observe]\nmode = "observe"\nduration_s = 10\n\n[env]')
        self._repo.commit("A feed reader")
        values = {
            "SECRET_KEY": secrets.token_urlsafe(40),
            "DATABASE_URL": self._database.url(scheme="postgresql"),
            "CELERY_BROKER_URL": self._broker.url(),
        }
        for name, value in values.items():
            self._pawl.ok("secrets", "set", APP, name, stdin=value)
        self._pawl.ok("env", "set", APP, *_SETTINGS)
        self._follow("deploy", self._repo.path)

    def _deploy_a_migration(self) -> None:
        change(self._repo)
        self._begin_a_held_round()
        self._follow("deploy", self._repo.path, is_fetching=True)
        self._await_entries()
        deploy = self.seen.deploys[-1][-1]["deploy"]
        self.seen.observed = json.loads(self._pawl.run("observe", deploy, "--json").stdout)

    def _roll_back(self) -> None:
        self._begin_a_held_round()
        self._follow("rollback", APP, is_fetching=True)
        self._await_entries()

    def _follow(self, *command: str | Path, is_fetching: bool = False) -> None:
        """Run a command to its end; while it runs somebody subscribes to another feed after each stage."""
        process = self._pawl.spawn(*command, "--json")
        assert process.stdout is not None
        lines: list[Json] = []
        for text in process.stdout:
            line = json.loads(text)
            lines.append(line)
            if not is_fetching:
                continue
            if line["event"] == "stage":
                self._subscribe_late()
            if line["event"] == "switched":
                self._smoke()
                self._let_the_worker_end()
                self._subscribe_late()
        _, errors = process.communicate(timeout=_LONG_S)
        assert process.returncode == 0, (lines[-1:], errors)
        self.seen.deploys.append(lines)
        if not self.seen.releases or lines[-1]["live"] not in self.seen.releases:
            self.seen.releases.append(lines[-1]["live"])

    def _begin_a_held_round(self) -> None:
        """All feeds are due, and none is answered before the worker that fetches them is told to stop."""
        self._feeds.hold()
        self._begin_a_round()
        eventually(lambda: self._feeds.waiting == FEEDS, within_s=_LONG_S)

    def _begin_a_round(self) -> None:
        self._feeds.round += 1
        hosts = ", ".join(f"'{FeedServer.host(feed)}'" for feed in range(1, FEEDS + 1))
        self._sql(f"UPDATE reader_feed SET next_fetch_at = now() WHERE host IN ({hosts})")

    def _fetch_a_round(self) -> None:
        self._begin_a_round()
        self._await_entries()

    def _let_the_worker_end(self) -> None:
        told = len(self.seen.fetching) + 1
        eventually(lambda: self._worker_log().count("Warm shutdown") >= told, within_s=_LONG_S)
        self.seen.fetching.append(self._feeds.waiting)
        self._feeds.let_go()

    def _await_entries(self) -> None:
        """Until all that the feeds have is in the database."""

        def are_there() -> bool:
            asked = dict(self._feeds.requests)
            if not asked.keys() >= set(self.seen.late):
                return False
            wanted = FEEDS * self._feeds.round + sum(asked[feed] for feed in self.seen.late)
            return self._sql("SELECT count(*) FROM reader_entry") == [[wanted]]

        eventually(are_there, within_s=_LONG_S)

    def _subscribe_late(self) -> None:
        feed = FEEDS + 1 + len(self.seen.late)
        assert feed <= MOST
        self.seen.late.append(feed)
        self._subscribe(feed)

    def _subscribe(self, feed: int) -> None:
        """As a browser does it."""
        status, page, cookie = self._ask("/feeds/")
        assert status == 200, page
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert found is not None, page
        form = {"url": self._feeds.url(feed), "csrfmiddlewaretoken": found[1]}
        status, page, _ = self._ask("/feeds/", form, cookie)
        assert status == 302, page

    def _ask(self, path: str, form: dict[str, str] | None = None, cookie: str = "") -> tuple[int, str, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._pawl.port, timeout=60)
        with closing(connection):
            headers = {"Host": f"{APP}.localhost", "Cookie": cookie}
            if form:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request("POST" if form else "GET", path, urlencode(form or {}), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), (answer.getheader("Set-Cookie") or "").partition(";")[0]

    def _smoke(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._pawl.port, timeout=60)
        with closing(connection):
            connection.request("GET", "/smoketest/", headers={"Host": f"{APP}.localhost"})
            answer = connection.getresponse()
            parts = json.loads(answer.read())
            self.seen.smoke.append((answer.getheader("X-Release") or "", answer.status, parts))

    def _note_what_is_there(self) -> None:
        seen, feeds = self.seen, self._feeds

        def is_done() -> bool:
            seen.queued, seen.dropped = self._trace.queued(), self._trace.undelivered()
            seen.ends = Ends.of(self._worker_log())
            ended = {task for kind in (*seen.ends, seen.dropped) for task in kind}
            return not self._trace.waiting() and not set(seen.queued) - ended

        self._pawl.ok("scale", APP, "beat=0")  # nothing more is queued
        with suppress(AssertionError):  # a test says what is missing
            eventually(is_done, within_s=60)
        seen.requests, seen.rounds = list(feeds.requests), feeds.round
        seen.entries = [guid for [guid] in self._sql("SELECT guid FROM reader_entry ORDER BY id")]
        [[seen.unread]] = self._sql("SELECT count(*) FROM reader_state WHERE read_at IS NULL")
        done = self._sql(
            "SELECT feed.host, done.error FROM reader_fetch done JOIN reader_feed feed ON feed.id = feed_id"
        )
        seen.fetches = [(host, error) for host, error in done]
        seen.news = dict(self._sql(f"SELECT host, {COLUMN} IS NOT NULL FROM reader_feed"))
        journal = self._pawl.home.data(APP) / "beats"
        seen.beats = [line.split(" ", 1) for line in journal.read_text().splitlines()]
        seen.signals = self._pawl.json("signals", APP)

    def _worker_log(self) -> str:
        return self._pawl.ok("logs", APP, "--process", "worker", "--tail", "100000")

    def _sql(self, text: str) -> list[list[Any]]:
        with closing(self._database.connect()) as connection:
            rows: list[list[Any]] = connection.run(text) or []
        return rows


COLUMN = "last_news_at"


def change(repo: Repository) -> None:
    """Commit a change that needs a migration: worker and pages use a column that was not there."""
    column = "models.DateTimeField(null=True, blank=True)"
    edit = partial(_edit, repo.path / "reader")
    edit("models.py", f"    gone_at = {column}\n", f"    gone_at = {column}\n    {COLUMN} = {column}\n")
    edit(
        "fetching/store.py",
        "    return keep_entries(feed, parsed.items, now)\n",
        f"    added = keep_entries(feed, parsed.items, now)\n    feed.{COLUMN} = now if added else feed.{COLUMN}\n"
        "    return added\n",
    )
    shown = f'  <dt>Last news</dt><dd>{{{{ feed.{COLUMN}|date:"j M Y, H:i"|default:"not yet" }}}}</dd>\n'
    edit("templates/reader/feed.html", "  <dt>Unread</dt>", f"{shown}  <dt>Unread</dt>")
    last = max((repo.path / "reader" / "migrations").glob("0*.py")).stem
    (repo.path / "reader" / "migrations" / f"{int(last[:4]) + 1:04}_{COLUMN}.py").write_text(
        "from django.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n"
        f'    dependencies = [("reader", "{last}")]\n'
        f'    operations = [migrations.AddField("feed", "{COLUMN}", {column})]\n'
    )
    trailers = "\n".join(f"Expect: {text}" for text in EXPECTED)
    repo.commit(f"Say when a feed last had news\n\n{trailers}")


def _edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert text.count(old) == 1, f"{name} of the example has changed: {old!r}"
    (folder / name).write_text(text.replace(old, new))


@contextmanager
def played() -> Iterator[Seen]:
    """The story with all that it needs."""
    place = Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp"))
    pawl = Pawl(place / "home", env={"UV_CACHE_DIR": str(_UV_CACHE)}, port=free_port())
    ignored = shutil.ignore_patterns(".venv", "__pycache__", "var", "staticfiles")
    shutil.copytree(_EXAMPLE, place / "example", ignore=ignored)
    repo = repository(place / APP, place / "example")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        database = stack.enter_context(services_rig.database(connections=60))
        broker = stack.enter_context(services_rig.rabbitmq())
        trace = stack.enter_context(task_trace(broker))
        feeds = stack.enter_context(feed_server())
        stack.callback(pawl.destroy)  # before what the app stands on
        pawl.up()
        yield Story(pawl, repo, database, broker, feeds, trace).play()
