"""From a commit to a release: built once, tested, kept while it may be gone back to."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.e2e_rig import App
from tests.support import eventually


def detail(done_stdout: str, stage: str) -> str:
    lines = [json.loads(line) for line in done_stdout.splitlines()]
    return next(str(line["detail"]) for line in lines if line["event"] == "stage" and line["stage"] == stage)


def environment(app: App, release: str) -> str:
    manifest = json.loads((app.pawl.home.releases(app.name) / release / "release.json").read_text())
    return str(manifest["environment"])


def releases(app: App) -> set[str]:
    return {path.name for path in app.pawl.home.releases(app.name).iterdir()}


def on_disk(app: App) -> list[bool]:
    return [item["is_on_disk"] for item in app.pawl.json("releases", app.name)["releases"]]


def test_the_same_commit_is_built_and_tested_once(app: App) -> None:
    app.configure(more='[build]\ntest = "date +%N >> $HOME/tested-$PAWL_APP"\n'.replace("$HOME", str(app.pawl.path)))
    first = app.deploy("--json").stdout
    second = app.deploy("--json").stdout
    assert (detail(first, "built"), detail(first, "tested")) == ("new", "passed")
    assert (detail(second, "built"), detail(second, "tested")) == ("reused", "nothing to run")
    assert len((app.pawl.path / f"tested-{app.name}").read_text().split()) == 1


def test_nothing_that_installing_and_testing_started_runs_on(app: App) -> None:
    leaving = "sleep 60 & setsid sleep 60 & sleep 0.2"
    app.configure(more=f'[build]\ninstall = "{leaving}"\ntest = "{leaving}"\n')
    app.deploy()
    eventually(lambda: not [mark for mark in app.pawl.processes().values() if mark.startswith(("build:", "test:"))])


def test_a_release_is_what_the_commit_holds_and_nothing_else(app: App) -> None:
    commit = app.configure()
    (app.repo.path / "VERSION").write_text("uncommitted")
    (app.repo.path / "untracked").write_text("here")
    done = app.deploy()
    assert "not in the commit and so not deployed: " in done.stderr
    assert "VERSION and 1 more" in done.stderr or "untracked" in done.stderr
    assert app.get() == (200, "hello 1")
    folder = app.pawl.home.releases(app.name) / commit[:12] / "app"
    assert not (folder / "untracked").exists()
    assert not (folder / ".git").exists()


def test_files_keep_their_executable_bit_and_links(app: App) -> None:
    script = app.repo.path / "run.sh"
    script.write_text("#!/bin/sh\nexec python app.py --socket $SOCKET\n")
    script.chmod(0o755)
    (app.repo.path / "start").symlink_to("run.sh")
    app.configure(command="./start $SOCKET")
    app.deploy()
    assert app.get() == (200, "hello 1")


def test_a_failing_test_stops_the_deploy_with_the_end_of_its_output(app: App) -> None:
    app.deploy()
    app.configure(
        VERSION="2",
        more='[build]\ntest = "seq 1 500; echo the last words >&2; exit 3"\n'
        '[release]\ntasks = ["touch $PAWL_DATA/ran"]\n',
    )
    done = app.deploy(status=1)
    assert "failed at 'tested': the tests failed: 'seq 1 500; echo the last words >&2; exit 3' exited with 3" in (
        done.stderr
    )
    assert "  | the last words" in done.stderr
    assert "  | 500" in done.stderr
    assert "  | 3\n" not in done.stderr
    assert f"see: pawl logs {app.name} --process test" in done.stderr
    assert "the last words" in app.pawl.ok("logs", app.name, "--process", "test")
    assert not (app.pawl.home.data(app.name) / "ran").exists()
    assert app.get() == (200, "hello 1")


def test_a_test_that_failed_is_run_again_on_the_next_try(app: App) -> None:
    app.configure(more=f'[build]\ntest = "test -e {app.pawl.path}/fixed-{app.name}"\n')
    app.deploy(status=1)
    (app.pawl.path / f"fixed-{app.name}").touch()
    app.deploy()


def test_tests_do_not_see_the_settings_and_secrets_of_production(app: App) -> None:
    app.pawl.ok("secrets", "set", app.name, "API_KEY", stdin="s3cret-value")
    app.pawl.ok("env", "set", app.name, "DATABASE_URL=postgres://production")
    app.configure(
        top='secrets = ["API_KEY"]',
        more='[build]\ntest = "env; test -z \\"$API_KEY$DATABASE_URL$COLOUR$PAWL_DATA\\" -a \\"$ONLY\\" = here"\n'
        '[build.env]\nONLY = "here"\n[env]\nCOLOUR = "green"\n',
    )
    app.deploy()
    written = app.pawl.ok("logs", app.name, "--process", "test")
    assert "PAWL_APP=" in written
    assert "s3cret-value" not in written
    assert app.get("/env?COLOUR&ONLY") == (200, "COLOUR=green\nONLY=None")


def test_dependencies_that_did_not_change_are_not_installed_again(app: App) -> None:
    first = app.configure(**{"requirements.txt": "# none\n"})
    app.deploy()
    second = app.say("2")
    app.deploy()
    third = app.configure(**{"requirements.txt": "# none yet\n"})
    app.deploy()
    assert environment(app, first[:12]) == environment(app, second[:12])
    assert environment(app, second[:12]) != environment(app, third[:12])


def test_an_install_command_of_its_own_makes_the_environment(app: App) -> None:
    app.configure(
        command="served $SOCKET",
        more='[build]\ninstall = \'printf "#!/bin/sh\\nexec python app.py\\n" > $VIRTUAL_ENV/bin/served && '
        "chmod +x $VIRTUAL_ENV/bin/served'\n",
    )
    app.deploy()
    assert app.get() == (200, "hello 1")


def test_an_install_that_fails_stops_the_deploy_with_its_output(app: App) -> None:
    app.deploy()
    app.configure(VERSION="2", more='[build]\ninstall = "echo no such package; exit 4"\n')
    done = app.deploy(status=1)
    assert "failed at 'built': the environment could not be built" in done.stderr
    assert "  | no such package" in done.stderr
    assert app.get() == (200, "hello 1")
    app.configure(VERSION="3")
    app.deploy()
    assert app.get() == (200, "hello 3")


def test_a_dependency_that_does_not_exist_names_it(app: App) -> None:
    app.configure(**{"requirements.txt": "./no-such-folder-here\n"})
    done = app.deploy(status=1)
    assert "no-such-folder-here" in done.stderr


def test_the_last_five_releases_stay_and_the_live_one_always(app: App) -> None:
    app.configure(web="keep_warm_s = 0")
    commits = []
    for number in range(7):
        commits.append(app.say(str(number)))
        app.deploy()
    assert eventually(lambda: releases(app) == {commit[:12] for commit in commits[-5:]})
    assert eventually(lambda: on_disk(app) == [True] * 5 + [False] * 2)  # the ledger is told after the folder is gone
    app.pawl.ok("rollback", app.name, "--to", commits[2][:12])
    for number in range(7, 9):
        app.repo.git("checkout", "--quiet", "--detach", commits[2])
        app.say(str(number))
        app.deploy()
    assert commits[2][:12] in releases(app)
    assert app.get() == (200, "hello 8")


def test_a_pruned_commit_is_built_anew_when_it_is_deployed_again(app: App) -> None:
    app.configure(web="keep_warm_s = 0")
    commits = []
    for number in range(6):
        commits.append(app.say(str(number)))
        app.deploy()
    assert eventually(lambda: commits[0][:12] not in releases(app))
    refused = app.pawl.run("rollback", app.name, "--to", commits[0][:12])
    assert refused.returncode == 2
    app.deploy("--rev", commits[0])
    assert app.get() == (200, "hello 0")


def test_failed_releases_push_out_no_good_ones(app: App) -> None:
    app.configure(web="keep_warm_s = 0")
    good = []
    for number in range(3):
        good.append(app.say(str(number))[:12])
        app.deploy()
    for number in range(4):
        app.repo.commit("Break it", HEALTH=f"bad {number}")
        app.deploy(status=1)
    good.append(app.repo.commit("Mend it", HEALTH="ok")[:12])
    app.deploy()
    assert set(good) <= releases(app)
    assert eventually(lambda: len(releases(app)) <= 5)


def test_release_tasks_run_once_in_order_with_the_settings_before_any_new_instance(app: App) -> None:
    app.pawl.ok("secrets", "set", app.name, "API_KEY", stdin="s3cret-value")
    tasks = [
        'echo one $PAWL_RELEASE ${#API_KEY} >> "$PAWL_DATA/tasks"',
        'echo two `ls $PAWL_DATA | grep -c started` >> "$PAWL_DATA/tasks"',
    ]
    commit = app.configure(
        command="touch $PAWL_DATA/started; exec python app.py --socket $SOCKET",
        web="instances = 3", more=f"[release]\ntasks = {json.dumps(tasks)}\n",
    )  # fmt: skip
    app.deploy()
    noted = (app.pawl.home.data(app.name) / "tasks").read_text().splitlines()
    assert noted == [f"one {commit[:12]} 12", "two 0"]


def test_a_release_task_that_fails_stops_the_deploy_and_the_tasks_after_it(app: App) -> None:
    app.deploy()
    app.configure(
        VERSION="2",
        more='[release]\ntasks = ["echo relation exists; exit 5", "touch $PAWL_DATA/second"]\n'
        '[processes.worker]\ncommand = "python worker.py"\n',
    )
    done = app.deploy(status=1)
    assert "failed at 'tasks done': the release task 'echo relation exists; exit 5' exited with 5" in done.stderr
    assert "  | relation exists" in done.stderr
    assert "relation exists" in app.pawl.ok("logs", app.name, "--process", "task")
    assert not (app.pawl.home.data(app.name) / "second").exists()
    assert app.journal() == []
    assert app.get() == (200, "hello 1")


def test_nothing_is_left_lying_about_after_good_and_failed_deploys(app: App) -> None:
    app.configure(web="keep_warm_s = 0", more='[release]\ntasks = ["true"]\n')
    app.deploy()
    app.configure(more='[build]\ninstall = "exit 1"\n')
    app.deploy(status=1)
    for number in range(3):
        app.configure(web="keep_warm_s = 0", more='[release]\ntasks = ["true"]\n', VERSION=str(number))
        app.deploy()
    assert not [name for name in releases(app) if "building" in name]
    run = app.pawl.home.run
    assert not list((run / "t").glob("*.began")) or len(list((run / "t").iterdir())) <= 2
    refs = [path for path in Path(app.pawl.home.store / "refs" / "incoming").glob("*") if path.is_file()]
    assert len(refs) <= 1  # that of the commit that could not be built
