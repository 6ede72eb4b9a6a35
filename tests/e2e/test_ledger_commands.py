"""``pawl ledger``: what happened is looked up, taken out with pawld running or not, and put back."""

from __future__ import annotations

import json
import stat
from contextlib import closing
from pathlib import Path

import pytest

from pawl.ledger.postgres_place import schema_of
from tests.e2e.e2e_rig import App, error_lines
from tests.integration.services.services_rig import Database
from tests.ledger_rig import new_place
from tests.support import Pawl


@pytest.fixture
def deployed(app: App) -> App:
    app.pawl.ok("deploy", app.repo.path)
    return app


def test_events_are_listed_newest_first_and_looked_for(deployed: App, machine: Pawl) -> None:
    events = machine.json("ledger", "list", deployed.name, "--limit", "1000")["events"]
    assert [one["seq"] for one in events] == sorted((one["seq"] for one in events), reverse=True)
    assert {one["app"] for one in events} == {deployed.name}
    assert events[-1]["kind"] == "app_created"
    [deploy] = {one["deploy"] for one in events if one["deploy"]}
    assert events[0]["data"] == events[0]["data"] | {"kind": "deploy_ended", "outcome": "kept"}

    def seqs(*options: str) -> list[int]:
        return [one["seq"] for one in machine.json("ledger", "list", *options)["events"]]

    ended = [one["seq"] for one in events if one["kind"] == "stage_ended"]
    assert seqs("--deploy", deploy, "--kind", "stage_ended") == ended
    assert seqs("--deploy", deploy, "--kind", "stage_ended", "--limit", "2") == ended[:2]
    assert seqs(deployed.name, "--text", "KEPT") == [events[0]["seq"]]
    assert seqs(deployed.name, "--text", "kept nonsense") == seqs(deployed.name, "--since", "2100-01-01") == []
    assert seqs(deployed.name, "--since", "1h", "--limit", "1") == [events[0]["seq"]]

    shown = machine.ok("ledger", "list", "--deploy", deploy).splitlines()
    assert shown[0].split() == ["SEQ", "AT", "APP", "DEPLOY", "KIND", "WHAT"]
    assert "outcome=kept" in shown[1]
    assert "no such events" in machine.ok("ledger", "list", "nothing-of-this-name")


@pytest.mark.parametrize(
    ("options", "what"),
    [(["--kind", "dance"], "no kind of event 'dance'"), (["--place", "moon"], "no place 'moon'"),
     (["--since", "soon"], "soon")],
)  # fmt: skip
def test_what_cannot_be_looked_for_is_said(machine: Pawl, options: list[str], what: str) -> None:
    done = machine.run("ledger", "list", *options)
    assert done.returncode == 2
    assert what in error_lines(done.stderr)[0]


def test_an_export_is_the_same_with_pawld_and_without_and_goes_into_another_home_and_a_database(
    idle_pawl: Pawl, place: Path, ledger_database: Database
) -> None:
    idle_pawl.up()
    idle_pawl.ok("incident", "list")
    running, stopped = place / "running.jsonl", place / "stopped.jsonl"
    assert idle_pawl.json("ledger", "export", running) == {"events": 1, "ledger": str(idle_pawl.home.ledger)}
    assert stat.S_IMODE(running.stat().st_mode) == 0o600
    assert idle_pawl.ok("ledger", "export").splitlines()[1:] == running.read_text().splitlines()[1:]
    done = idle_pawl.run("ledger", "import", running)
    assert done.returncode == 1
    assert "another pawld owns" in error_lines(done.stderr)[0]

    idle_pawl.ok("down")
    assert "2 events" in idle_pawl.run("ledger", "export", stopped).stderr
    assert stopped.read_text().splitlines()[1] == running.read_text().splitlines()[1]
    assert "is whole: 2 events" in idle_pawl.ok("ledger", "import", "--check", stopped)
    done = idle_pawl.run("ledger", "import", stopped)
    assert done.returncode == 1
    assert "is not empty" in error_lines(done.stderr)[0]

    moved, name = Pawl(place / "moved"), new_place()
    url = ledger_database.url(tail=f"?place={name}")
    done = moved.run("ledger", "import", "-", stdin=stopped.read_text(), PAWL_LEDGER=url)
    assert done.returncode == 0, done.stderr
    assert f"place {name}" in done.stdout
    with closing(ledger_database.connect()) as connection:
        assert connection.run(f"SELECT seq FROM {schema_of(name)}.events ORDER BY seq") == [[1], [2]]
    done = moved.run("ledger", "export", PAWL_LEDGER=url)
    assert done.stdout.splitlines()[1:] == stopped.read_text().splitlines()[1:]

    # and back into the file
    (place / "back.jsonl").write_text(done.stdout)
    assert moved.json("ledger", "import", place / "back.jsonl") == {"events": 2, "ledger": str(moved.home.ledger)}
    assert json.loads(moved.ok("ledger", "export").splitlines()[0])["events"] == 2


def test_a_file_that_is_not_whole_is_refused_with_the_line(idle_pawl: Pawl, place: Path) -> None:
    broken = place / "broken.jsonl"
    broken.write_text('{"pawl_ledger":1,"version":1,"place":"here","events":1,"counters":{},"exported_at":""}\n{"seq"')
    for options in (["--check"], []):
        done = idle_pawl.run("ledger", "import", broken, *options)
        assert done.returncode == 2
        what, why, next_step = error_lines(done.stderr)
        assert f"{broken}:2: " in what
        assert "cut off" in why
        assert "nothing was imported" in next_step
    done = idle_pawl.run("ledger", "import", place / "none.jsonl")
    assert done.returncode == 2
    assert "cannot be read" in error_lines(done.stderr)[0]
    idle_pawl.up()


def test_an_export_that_fails_leaves_no_file(idle_pawl: Pawl, place: Path) -> None:
    done = idle_pawl.run("ledger", "export", place / "none.jsonl")
    assert done.returncode == 1
    assert "cannot be used" in error_lines(done.stderr)[0]
    assert not list(place.glob("none*"))
    done = idle_pawl.run("ledger", "export", place)
    assert done.returncode == 1
    assert error_lines(done.stderr)[:2] == [f"error: {place} cannot be written", "  why: Is a directory"]
    done = idle_pawl.run("ledger", "export", place / "nowhere" / "x.jsonl")
    assert done.returncode == 1
    assert "cannot be written" in error_lines(done.stderr)[0]
