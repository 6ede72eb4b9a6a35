"""Going back restores code, environment and configuration together, as they were live."""

from __future__ import annotations

import pytest

from tests.e2e.e2e_rig import App, error_lines
from tests.support import eventually


def shown(app: App) -> tuple[str, str]:
    return app.get()[1], app.get("/env?COLOUR&API_KEY")[1]


def test_code_env_and_secrets_go_back_together(app: App) -> None:
    app.pawl.ok("env", "set", app.name, "COLOUR=green")
    app.pawl.ok("secrets", "set", app.name, "API_KEY", stdin="first-key")
    app.deploy()
    assert shown(app) == ("hello 1", "COLOUR=green\nAPI_KEY=first-key")
    app.pawl.ok("env", "set", app.name, "COLOUR=blue", "--no-restart")
    app.pawl.ok("secrets", "set", app.name, "API_KEY", "--no-restart", stdin="second-key")
    assert shown(app) == ("hello 1", "COLOUR=green\nAPI_KEY=first-key")
    app.say("2")
    app.deploy()
    assert shown(app) == ("hello 2", "COLOUR=blue\nAPI_KEY=second-key")
    app.pawl.ok("rollback", app.name)
    assert shown(app) == ("hello 1", "COLOUR=green\nAPI_KEY=first-key")


def test_a_change_of_settings_alone_is_gone_back_from_too(app: App) -> None:
    app.deploy()
    app.pawl.ok("env", "set", app.name, "COLOUR=green")
    app.pawl.ok("env", "set", app.name, "COLOUR=blue")
    assert shown(app)[1].startswith("COLOUR=blue")
    app.pawl.ok("rollback", app.name)
    assert shown(app)[1].startswith("COLOUR=green")
    app.pawl.ok("rollback", app.name)
    assert shown(app)[1].startswith("COLOUR=None")


def test_the_next_deploy_after_going_back_has_the_settings_of_today(app: App) -> None:
    app.deploy()
    app.pawl.ok("env", "set", app.name, "COLOUR=blue")
    app.pawl.ok("rollback", app.name)
    app.say("2")
    app.deploy()
    assert shown(app) == ("hello 2", "COLOUR=blue\nAPI_KEY=None")


def test_the_environment_of_the_release_is_restored_with_it(app: App) -> None:
    first = app.configure(**{"requirements.txt": "# first\n"}, web="keep_warm_s = 0")
    app.deploy()
    app.configure(**{"requirements.txt": "# second\n"}, web="keep_warm_s = 0", VERSION="2")
    app.deploy()
    app.pawl.ok("rollback", app.name)
    done = app.pawl.ok("run", app.name, "--", "python", "-c", "import sys; print(sys.prefix)").strip()
    manifest = (app.pawl.home.releases(app.name) / first[:12] / "release.json").read_text()
    assert done.rpartition("/")[2] in manifest


def test_back_and_back_again_walks_through_history_until_there_is_no_more(app: App) -> None:
    for number in ("1", "2", "3"):
        app.say(number)
        app.deploy()
    app.pawl.ok("rollback", app.name)
    assert app.get() == (200, "hello 2")
    app.pawl.ok("rollback", app.name)
    assert app.get() == (200, "hello 1")
    done = app.pawl.run("rollback", app.name)
    assert done.returncode == 2
    assert "can be gone back to" in error_lines(done.stderr)[0]
    assert app.get() == (200, "hello 1")


@pytest.mark.parametrize("is_live", [True, False])
def test_with_nothing_to_go_back_to_it_fails_and_changes_nothing(app: App, is_live: bool) -> None:
    if is_live:
        app.deploy()
    else:
        app.pawl.ok("env", "set", app.name, "A=1")
    done = app.pawl.run("rollback", app.name)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(error_lines(done.stderr)) <= 3
    assert not [item for item in app.pawl.json("deploys", app.name)["deploys"] if item["kind"] == "rollback"]


def test_a_release_is_gone_back_to_by_name(app: App) -> None:
    commits = []
    for number in ("1", "2", "3"):
        commits.append(app.say(number))
        app.deploy()
    app.pawl.ok("rollback", app.name, "--to", commits[0][:12])
    assert app.get() == (200, "hello 1")
    app.pawl.ok("rollback", app.name, "--to", commits[2][:7])
    assert app.get() == (200, "hello 3")


def test_a_name_that_is_no_release_is_refused(app: App) -> None:
    app.deploy()
    first = app.pawl.live(app.name)
    assert first is not None
    app.say("2")
    app.deploy()
    for name in ["nothing", first[:3], "", "../..", "%"]:
        done = app.pawl.run("rollback", app.name, "--to", name)
        assert done.returncode == 2
        assert app.get() == (200, "hello 2")


def test_the_release_that_is_live_cannot_be_gone_back_to(app: App) -> None:
    app.deploy()
    live = app.say("2")
    app.deploy()
    done = app.pawl.run("rollback", app.name, "--to", live[:12])
    assert done.returncode == 2
    assert "is live already" in done.stderr


def test_a_failed_deploy_is_never_gone_back_to(app: App) -> None:
    app.deploy()
    bad = app.repo.commit("Break it", HEALTH="bad")
    app.deploy(status=1)
    app.repo.commit("Mend it", HEALTH="ok", VERSION="3")
    app.deploy()
    assert app.pawl.run("rollback", app.name, "--to", bad[:12]).returncode == 2
    app.pawl.ok("rollback", app.name)
    assert app.get() == (200, "hello 1")


def test_going_back_cold_starts_it_first_and_fails_when_it_no_longer_runs(app: App) -> None:
    data = app.pawl.home.data(app.name)
    app.configure(command="test ! -e $PAWL_DATA/broken && exec python app.py --socket $SOCKET", web="keep_warm_s = 0")
    app.deploy()
    app.say("2")
    app.deploy()
    app.pawl.ok("rollback", app.name)
    assert app.get() == (200, "hello 1")
    app.say("3")
    app.deploy()
    (data / "broken").touch()
    with app.load():
        done = app.pawl.run("rollback", app.name)
    assert done.returncode == 1
    assert app.get() == (200, "hello 3")
    (data / "broken").unlink()


def test_a_warm_release_whose_instance_died_is_started_again(app: App) -> None:
    import os

    app.deploy()
    (first,) = app.pids()
    app.say("2")
    app.deploy()
    os.kill(first, 9)
    assert eventually(lambda: app.pids(role="warm") == set())
    app.pawl.ok("rollback", app.name)
    assert app.get() == (200, "hello 1")


def test_the_scale_of_today_holds_after_going_back(app: App) -> None:
    app.deploy()
    app.say("2")
    app.deploy()
    app.pawl.ok("scale", app.name, "web=3")
    app.pawl.ok("rollback", app.name)
    assert eventually(lambda: len(app.pids()) == 3)
    assert app.get() == (200, "hello 1")
