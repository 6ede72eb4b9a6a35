"""What goes on while somebody watches."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pawl.daemon import streams
from pawl.daemon.pawld import Pawld
from pawl.daemon.streams import LogQuery
from pawl.engines.process.logs import Index, Line, LogFile, LogFolder
from pawl.ledger.events import AppCreated, DeployEnded, DeployQueued, SettingsChanged, StageBegan, StageEnded, Switched
from pawl.model import DeployKind, Outcome, Stage
from pawl.settings.versions import Settings, SettingsFolder
from tests.unit.daemon.daemon_rig import COMMIT, call, play, put_live

# Logs


def log(pawld: Pawld, name: str, rows: list[tuple[float, str]], app: str = "hello") -> Path:
    """A log whose lines were noted at these times."""
    path = LogFolder(pawld.home.logs(app)).new(name, "a1")
    size, index = 0, ""
    with path.open("w") as file:
        for at, text in rows:
            file.write(f"{text}\n")
            size += len(f"{text}\n".encode())
            index += f"{size} {at:.0f}\n"
    path.with_suffix(".idx").write_text(index)
    return path


async def shown(pawld: Pawld, query: LogQuery | None = None) -> list[str]:
    lines = [json.loads(line) async for line in streams.log_lines(pawld, "hello", query or LogQuery())]
    return [f"{line['name']} {line['text']}" for line in lines]


def logs_of_two(pawld: Pawld) -> None:
    log(pawld, "web.1", [(100, "a"), (103, "b"), (103, "c"), (110, "d")])
    log(pawld, "web.2", [(101, "e"), (104, "f")])
    log(pawld, "worker.1", [(102, "g")])
    log(pawld, "build.1", [(90, "built")])


QUERIES: dict[str, tuple[LogQuery, str]] = {
    "everything, in the order it was written": (LogQuery(), "a e g b c f d"),
    "one process type": (LogQuery(process="worker"), "g"),
    "a build": (LogQuery(process="build"), "built"),
    "since then": (LogQuery(since=103), "b c f d"),
    "since just after then": (LogQuery(since=103.5), "f d"),
    "since later than all": (LogQuery(since=1000), ""),
    "the last lines": (LogQuery(tail=3), "c f d"),
    "no line": (LogQuery(tail=0), ""),
    "more lines than there are": (LogQuery(tail=99), "a e g b c f d"),
    "the last lines of one type since then": (LogQuery(process="web", tail=2, since=102), "f d"),
    "the last start that failed": (LogQuery(failed=True), "e f"),
}


@pytest.mark.parametrize(("query", "texts"), QUERIES.values(), ids=QUERIES)
def test_lines_are_merged_and_chosen(place: Path, query: LogQuery, texts: str) -> None:
    async def scene(pawld: Pawld) -> None:
        logs_of_two(pawld)
        LogFolder(pawld.home.logs("hello")).note_failed(["web.2-a1.log"])
        assert [line.split()[-1] for line in await shown(pawld, query)] == texts.split()

    play(place, scene)


def test_a_line_says_when_who_and_what(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        log(pawld, "web.1", [(1_778_312_100, "läuft \x1b[0m")])
        lines = [json.loads(line) async for line in streams.log_lines(pawld, "hello", LogQuery())]
        assert lines == [{"at": "2026-05-09T07:35:00.000Z", "name": "web.1", "text": "läuft \x1b[0m"}]

    play(place, scene)


def test_an_app_without_logs_has_no_lines(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        assert await shown(pawld) == []

    play(place, scene)


def test_secrets_are_masked_also_those_of_earlier_versions(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        pawld.ledger.append(AppCreated(), app="hello")
        folder = SettingsFolder(pawld.home.settings("hello"))
        for version, secret in enumerate(("older-secret", "newer-secret"), 1):
            folder.write(version, Settings({"A": "public-value"}, {"S": secret}))
            pawld.ledger.append(SettingsChanged(version=version, what="secrets", by="ada"), app="hello")
        log(pawld, "web.1", [(1, "older-secret newer-secret public-value")])
        assert await shown(pawld) == ["web.1 [secret] [secret] public-value"]

    play(place, scene)


def test_a_settings_version_that_cannot_be_read_is_answered_as_such(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        pawld.ledger.append(AppCreated(), app="hello")
        folder = SettingsFolder(pawld.home.settings("hello"))
        folder.write(1, Settings({}, {"S": "a-secret"}))
        pawld.ledger.append(SettingsChanged(version=1, what="secrets", by="ada"), app="hello")
        (pawld.home.settings("hello") / "1.json").write_text("{")
        log(pawld, "web.1", [(1, "a")])
        status, answer = await call(pawld, "GET", "/v1/apps/hello/logs")
        assert (status, answer["error"]["what"]) == (409, "settings version 1 cannot be read")

    play(place, scene)


def test_following_shows_new_lines_of_old_and_new_files_once_they_are_whole(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_FOLLOW_S", 0.001)

    async def scene(pawld: Pawld) -> None:
        path = log(pawld, "web.1", [(100, "old"), (101, "older")])
        lines = streams.log_lines(pawld, "hello", LogQuery(tail=1, follow=True))

        async def following() -> str:
            async with asyncio.timeout(10):
                return str(json.loads(await anext(lines))["text"])

        assert await following() == "older"
        with path.open("a") as file:
            file.write("new\nhal")
            file.flush()
            assert await following() == "new"
            coming = asyncio.ensure_future(following())
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert not coming.done()
            file.write("f\n")
            file.flush()
            assert await coming == "half"
        log(pawld, "worker.1", [(200, "another")])
        assert await following() == "another"
        await lines.aclose()  # type: ignore[attr-defined]

    play(place, scene)


def test_following_from_an_empty_log_misses_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_FOLLOW_S", 0.001)

    async def scene(pawld: Pawld) -> None:
        path = log(pawld, "web.1", [])
        lines = streams.log_lines(pawld, "hello", LogQuery(tail=0, follow=True))
        coming = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0.01)
        path.write_text("first\n")
        async with asyncio.timeout(10):
            assert json.loads(await coming)["text"] == "first"
        await lines.aclose()  # type: ignore[attr-defined]

    play(place, scene)


def test_a_line_is_found_by_its_own_date_though_it_was_written_before_it_was_noted(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        os.utime(log(pawld, "web.1", [(100, "a"), (5000, "b")]), (110, 110))
        assert await shown(pawld, LogQuery(since=5000)) == ["web.1 b"]

    play(place, scene)


def test_a_log_that_takes_long_to_read_holds_nothing_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = LogFile.index

    def slowly(self: LogFile) -> Index:
        time.sleep(0.3)
        return read(self)

    monkeypatch.setattr(LogFile, "index", slowly)

    async def scene(pawld: Pawld) -> None:
        log(pawld, "web.1", [(100, "a"), (103, "b")])
        reading = asyncio.ensure_future(shown(pawld, LogQuery(since=102)))
        turns = 0
        while not reading.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert (await reading, turns > 5) == (["web.1 b"], True)

    play(place, scene)


def test_what_was_last_written_before_and_what_has_not_grown_is_not_read(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_FOLLOW_S", 0.001)
    was_read: list[str] = []
    index, lines_of = LogFile.index, LogFile.lines

    def noted_index(self: LogFile) -> Index:
        was_read.append(self.name)
        return index(self)

    def noted_lines(self: LogFile, **part: Any) -> Iterator[tuple[Line, int]]:
        was_read.append(self.name)
        return lines_of(self, **part)

    monkeypatch.setattr(LogFile, "index", noted_index)
    monkeypatch.setattr(LogFile, "lines", noted_lines)

    async def scene(pawld: Pawld) -> None:
        os.utime(log(pawld, "web.1", [(100, "a"), (103, "b")]), (103, 103))
        path = log(pawld, "web.2", [(104, "c")])
        lines = streams.log_lines(pawld, "hello", LogQuery(since=104, follow=True))
        async with asyncio.timeout(10):
            assert json.loads(await anext(lines))["text"] == "c"
            coming = asyncio.ensure_future(anext(lines))
            await asyncio.sleep(0.1)
            assert was_read == ["web.2", "web.2"]
            with path.open("a") as file:
                file.write("d\n")
            assert json.loads(await coming)["text"] == "d"
        assert set(was_read) == {"web.2"}
        await lines.aclose()  # type: ignore[attr-defined]

    play(place, scene)


# Deploys


async def watch(pawld: Pawld, deploy: str) -> list[dict[str, Any]]:
    async with asyncio.timeout(10):
        return [json.loads(line) async for line in streams.deploy_events(pawld, deploy)]


def queue(pawld: Pawld, release: str = "r2") -> str:
    view = pawld.ledger.app("hello")
    deploy = pawld.ledger.next_deploy_id()
    pawld.ledger.append(
        DeployQueued(
            deploy_kind=DeployKind.DEPLOY, release=release, commit=COMMIT, settings=0, asked_by="ada",
            commits=(COMMIT,), authors=("Ada <ada@example.org>",), from_live=view.live if view else None,
            previous_release="r1",
        ),
        app="hello", deploy=deploy,
    )  # fmt: skip
    return deploy


def write(pawld: Pawld, deploy: str, *events: StageBegan | StageEnded | Switched | DeployEnded) -> None:
    for event in events:
        pawld.ledger.append(event, app="hello", deploy=deploy)


GOOD = (
    StageBegan(stage=Stage.BUILT),
    StageEnded(stage=Stage.BUILT, duration_s=2.0, detail="new"),
    Switched(release="r2", settings=0, commit="b" * 40),
    DeployEnded(outcome=Outcome.KEPT, duration_s=3.0),
)


def test_a_deploy_that_has_ended_is_told_from_its_beginning(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        put_live(pawld)
        deploy = queue(pawld)
        write(pawld, deploy, *GOOD)
        put_live(pawld, release="r9")  # what came later has no part in it
        lines = await watch(pawld, deploy)
        assert [line["event"] for line in lines] == ["queued", "stage began", "stage", "switched", "outcome"]
        assert all(line["deploy"] == deploy for line in lines)
        assert (lines[0]["previous"], lines[0]["change"][0]["title"]) == ("r1", "Quicker feeds")
        assert lines[-1]["live"] == "r2"
        assert lines[-1]["stages"] == [{"stage": "built", "duration_s": 2.0}]

    play(place, scene)


def test_a_deploy_that_failed_names_what_goes_on_serving(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        put_live(pawld)
        deploy = queue(pawld)
        end = DeployEnded(
            outcome=Outcome.FAILED, reason="not healthy", next_step="see: pawl logs", detail="one\ntwo",
            failed_stage=Stage.HEALTHY, duration_s=3.0,
        )  # fmt: skip
        write(pawld, deploy, end)
        (_, outcome) = await watch(pawld, deploy)
        wanted = {
            "outcome": "failed", "live": "r1", "reason": "not healthy", "next": "see: pawl logs",
            "detail": "one\ntwo", "failed_stage": "healthy", "app": "hello", "duration_s": 3.0,
        }  # fmt: skip
        assert {name: outcome[name] for name in wanted} == wanted

    play(place, scene)


def test_a_deploy_under_way_is_told_as_it_goes_and_nothing_twice(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        put_live(pawld)
        deploy = queue(pawld)
        write(pawld, deploy, GOOD[0])
        watching = asyncio.ensure_future(watch(pawld, deploy))
        for event in GOOD[1:]:
            await asyncio.sleep(0)
            write(pawld, deploy, event)
            write(pawld, "d999", GOOD[0])
        lines = await watching
        assert [line["event"] for line in lines] == ["queued", "stage began", "stage", "switched", "outcome"]

    play(place, scene)


def test_a_deploy_that_waits_says_for_which(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        put_live(pawld)
        first, second = queue(pawld), queue(pawld, "r3")
        events = streams.deploy_events(pawld, second)
        async with asyncio.timeout(10):
            told = [json.loads(await anext(events)) for _ in range(2)]
        assert [line["event"] for line in told] == ["queued", "waiting"]
        assert told[1]["for"] == first
        await events.aclose()  # type: ignore[attr-defined]

    play(place, scene)


def test_who_stops_watching_is_told_no_more(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        put_live(pawld)
        deploy = queue(pawld)
        before = len(pawld.ledger._followers._followers) if hasattr(pawld.ledger, "_followers") else None
        events = streams.deploy_events(pawld, deploy)
        await anext(events)
        await events.aclose()  # type: ignore[attr-defined]
        if before is not None:
            assert len(pawld.ledger._followers._followers) == before
        write(pawld, deploy, *GOOD)

    play(place, scene)


def test_the_times_of_undated_lines_are_those_of_the_last_write(place: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        path = LogFolder(pawld.home.logs("hello")).new("web.1", "a1")
        path.write_text("late\n")
        os.utime(path, (1000, 1000))
        log(pawld, "web.2", [(900, "early"), (1100, "latest")])
        assert [line.split()[1] for line in await shown(pawld)] == ["early", "late", "latest"]

    play(place, scene)
