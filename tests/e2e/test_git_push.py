"""``git push pawl main``: the push is the deploy, and succeeds when the deploy does."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.e2e_rig import App
from tests.support import Pawl, Repository, eventually


def push(app: App, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "push", "pawl", *words], cwd=app.repo.path, env=app.pawl.environ(), capture_output=True, text=True
    )


@pytest.fixture
def pushed(app: App) -> App:
    """An app whose first commit was pushed."""
    app.pawl.ok("init", app.repo.path)
    done = push(app, "main")
    assert done.returncode == 0, done.stderr
    return app


def remote_main(app: App) -> str:
    return app.repo.git("ls-remote", "pawl", "refs/heads/main").split("\t")[0]


def test_a_push_deploys_and_shows_the_deploy(pushed: App) -> None:
    assert pushed.get() == (200, "hello 1")
    second = pushed.say("2")
    done = push(pushed, "main")
    assert done.returncode == 0
    assert f"remote: {pushed.name} is live: http://{pushed.name}.localhost:{pushed.pawl.port}/" in done.stderr
    assert "remote:   switched" in done.stderr
    assert pushed.pawl.live(pushed.name) == second
    (deploy, *_) = pushed.pawl.json("deploys", pushed.name)["deploys"]
    assert deploy["asked_by"].endswith("(git push)")


def test_a_failing_deploy_rejects_the_push(pushed: App) -> None:
    good = remote_main(pushed)
    pushed.repo.commit("Break it", HEALTH="bad")
    done = push(pushed, "main")
    assert done.returncode == 1
    assert "goes on serving" in done.stderr
    assert "rejected" in done.stderr
    assert pushed.get() == (200, "hello 1")
    assert remote_main(pushed) == good


def test_what_was_rejected_can_be_mended_and_pushed_without_force(pushed: App) -> None:
    pushed.repo.commit("Break it", HEALTH="bad")
    assert push(pushed, "main").returncode == 1
    pushed.repo.git("commit", "--quiet", "--amend", "--message", "Mended")
    pushed.repo.commit("Mend it", HEALTH="ok", VERSION="3")
    assert push(pushed, "main").returncode == 0
    assert pushed.get() == (200, "hello 3")


def test_rejected_commits_stay_in_quarantine(pushed: App) -> None:
    broken = pushed.repo.commit("Break it", HEALTH="bad")
    push(pushed, "main")
    door = Repository(pushed.pawl.home.door(pushed.name))
    found = subprocess.run(["git", "cat-file", "-e", broken], cwd=door.path, capture_output=True)
    assert found.returncode != 0


def test_a_wrong_configuration_rejects_the_push_with_its_line(pushed: App) -> None:
    pushed.configure(web="instanses = 2")
    done = push(pushed, "main")
    assert done.returncode == 1
    assert "remote: error: pawl.toml:5: unknown key 'instanses'" in done.stderr
    assert pushed.get() == (200, "hello 1")


def test_another_branch_is_refused_with_the_way_to_do_it(pushed: App) -> None:
    pushed.repo.git("checkout", "--quiet", "-b", "feature")
    pushed.say("2")
    done = push(pushed, "feature")
    assert done.returncode == 1
    assert "'feature' is not deployed, only 'main' is" in done.stderr
    assert "git push pawl feature:main" in done.stderr
    assert pushed.get() == (200, "hello 1")
    assert push(pushed, "feature:main").returncode == 0
    assert pushed.get() == (200, "hello 2")


def test_deleting_the_branch_is_refused(pushed: App) -> None:
    done = push(pushed, ":main")
    assert done.returncode == 1
    assert pushed.get() == (200, "hello 1")
    assert remote_main(pushed)


def test_tags_may_come_along(pushed: App) -> None:
    pushed.say("2")
    pushed.repo.git("tag", "--annotate", "v2", "--message", "Two")
    assert push(pushed, "--follow-tags", "main").returncode == 0
    assert pushed.get() == (200, "hello 2")
    assert pushed.repo.git("ls-remote", "--tags", "pawl", "v2")


def test_a_tag_alone_deploys_nothing(pushed: App) -> None:
    pushed.say("2")
    pushed.repo.git("tag", "v2")
    done = push(pushed, "v2")
    assert "only 'main' is deployed" in done.stderr
    assert pushed.get() == (200, "hello 1")


def test_a_forced_push_of_another_history_deploys_it(pushed: App) -> None:
    pushed.say("2")
    assert push(pushed, "main").returncode == 0
    pushed.repo.git("reset", "--quiet", "--hard", "HEAD^")
    pushed.say("3")
    assert push(pushed, "main").returncode == 1
    assert push(pushed, "--force", "main").returncode == 0
    assert pushed.get() == (200, "hello 3")


def test_a_shallow_clone_can_push(pushed: App, place: Path) -> None:
    pushed.say("2")
    shallow = Repository(place / "shallow")
    subprocess.run(
        ["git", "clone", "--quiet", "--depth", "1", f"file://{pushed.repo.path}", str(shallow.path)],
        env=pushed.pawl.environ(), check=True,
    )  # fmt: skip
    third = shallow.commit("Say 3", VERSION="3")
    done = pushed.pawl.run("deploy", shallow.path)
    assert done.returncode == 0, done.stderr
    assert pushed.pawl.live(pushed.name) == third


def test_a_push_without_pawld_is_rejected_with_the_way_to_start_it(place: Path, hello: Repository) -> None:
    pawl = Pawl(place / "home")
    pawl.ok("init", hello.path)
    done = subprocess.run(
        ["git", "push", "pawl", "main"], cwd=hello.path, env=pawl.environ(), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "remote:   next: start it: pawl up" in done.stderr


def test_ctrl_c_of_the_push_leaves_the_deploy_to_pawld(pushed: App) -> None:
    second = pushed.configure(VERSION="2", more='[env]\nBOOT_S = "1.5"\n')
    pushing = subprocess.Popen(
        ["git", "push", "pawl", "main"], cwd=pushed.repo.path, env=pushed.pawl.environ(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0,
    )  # fmt: skip
    eventually(lambda: pushed.pawl.status(pushed.name)["deploying"])
    os.killpg(pushing.pid, signal.SIGINT)
    pushing.communicate(timeout=60)
    assert pushing.returncode != 0
    assert eventually(lambda: pushed.pawl.live(pushed.name) == second)
    assert pushed.get() == (200, "hello 2")
    assert push(pushed, "main").returncode == 0  # what was live already may be pushed again
    assert remote_main(pushed) == second


def test_a_repository_cannot_be_pushed_to_another_apps_door(pushed: App, place: Path) -> None:
    other = Repository(place / "other")
    subprocess.run(["git", "clone", "--quiet", str(pushed.repo.path), str(other.path)], env=pushed.pawl.environ())
    other.commit("Another app", pawl__toml='app = "another"\n[processes.web]\ncommand = "python app.py"\n')
    other.git("remote", "add", "pawl", str(pushed.pawl.home.door(pushed.name)))
    done = subprocess.run(
        ["git", "push", "pawl", "main"], cwd=other.path, env=pushed.pawl.environ(), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "names the app 'another'" in done.stderr
    assert "another" not in [item["app"] for item in pushed.pawl.json("apps")["apps"]]


def test_init_points_an_old_remote_at_this_home(pushed: App, place: Path) -> None:
    elsewhere = Pawl(place / "elsewhere")
    elsewhere.ok("init", pushed.repo.path)
    assert pushed.repo.git("remote", "get-url", "pawl") == str(elsewhere.home.door(pushed.name))


def test_an_app_that_was_removed_is_deployed_again_by_init_and_push(pushed: App) -> None:
    pushed.pawl.ok("remove", pushed.name, "--yes")
    assert push(pushed, "main").returncode != 0
    pushed.pawl.ok("init", pushed.repo.path)
    assert push(pushed, "main").returncode == 0
    assert pushed.get() == (200, "hello 1")


def test_a_push_option_leaves_the_change_unwatched_and_others_are_refused(pushed: App) -> None:
    pushed.say("2")
    done = push(pushed, "main", "-o", "no-look")
    assert done.returncode == 1
    assert "remote: error: no push option 'no-look'" in done.stderr
    done = push(pushed, "main", "-o", "no-observe")
    assert done.returncode == 0, done.stderr
    (deploy, *_) = pushed.pawl.json("deploys", pushed.name)["deploys"]
    (seen,) = [pushed.pawl.json("observe", deploy["deploy"])]
    assert (seen["outcome"], seen["verdicts"]) == ("kept", [])
