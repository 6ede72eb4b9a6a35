"""``pawl deploy``"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from pawl.cli import observation, options, output, progress
from pawl.client.api import Client
from pawl.client.git import Repository, author


@click.command("deploy")
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--rev", default="HEAD", show_default=True, help="The commit, branch or tag to deploy.")
@click.option("--no-observe", is_flag=True, help="Do not watch the change once it is live.")
@click.option("--expect", multiple=True, metavar="EXPR", help="What the change is to do, like 'p95(/feeds/) < 80ms'.")
@click.option("--one-by-one", is_flag=True, help="Deploy each commit since the live release in turn.")
@options.json_option
def command(path: Path, *, rev: str, no_observe: bool, expect: tuple[str, ...], one_by_one: bool, as_json: bool) -> int:
    """Put a commit of the app in PATH live with no dropped request.

    The commit is built and tested, its release tasks run, its instances start beside the old ones, and once they are
    healthy all traffic moves to them. Whatever fails before that leaves the old release serving. Then the change is
    watched against what was live before, and taken back if it does harm. Exit status: 0 kept, 1 failed or taken back,
    2 wrong use or configuration, 3 pawld not reachable.
    """
    repository = Repository.at(path)
    sha = repository.commit(rev)
    client = options.client()
    client.get("ping")
    _warn_of_uncommitted(repository, rev, sha)
    request = {
        "folder": repository.name,
        "path": repository.inside,
        "observe": not no_observe,
        "expect": expect,
        "asked_by": author(path),
    }
    shas = _each(client, repository, sha, request) if one_by_one else [sha]
    status = 0
    for one in shas:
        repository.send(one, client.home.store)
        answer = client.post("deploys", body={"commit": one, **request})
        events = client.lines("deploys", answer["deploy"], "events")
        seen: list[dict[str, Any]] = []
        status = progress.follow(events, deploy=answer["deploy"], as_json=as_json, seen=seen)
        if status == 0 and not as_json and _wants_it_back(seen):
            rollback = client.post("apps", answer["app"], "rollback", body={"asked_by": author(path)})["deploy"]
            progress.follow(client.lines("deploys", rollback, "events"), deploy=rollback, as_json=False)
            return 1
        if status != 0:
            break
    return status


def _wants_it_back(seen: list[dict[str, Any]]) -> bool:
    """Ask whether a change that did harm is to be taken back, where ``mode = "ask"`` left that to a person."""
    verdict = next((line for line in seen if line["event"] == "verdict" and line["stage"] == "observed"), None)
    is_open = verdict is not None and verdict["verdict"] in observation.BAD and not verdict["acts"]
    return is_open and sys.stdin.isatty() and sys.stderr.isatty() and click.confirm("Take it back?", err=True)


def _each(client: Client, repository: Repository, sha: str, request: dict[str, object]) -> list[str]:
    """The commits that ``--one-by-one`` deploys: what is not live yet, oldest first."""
    repository.send(sha, client.home.store)
    app = client.post("app-of", body={"commit": sha, **request})["app"]
    live = {item["app"]: item["live"] for item in client.get("apps")["apps"]}.get(app)
    shas = repository.between(live["commit"] if live else None, sha)
    output.say(f"to deploy one by one: {len(shas)}" if shas else "everything is live already")
    return shas


def _warn_of_uncommitted(repository: Repository, rev: str, sha: str) -> None:
    if rev != "HEAD":
        return
    changed = repository.uncommitted()
    if changed:
        what = f"{changed[0][3:]}" + (f" and {len(changed) - 1} more" if len(changed) > 1 else "")
        output.say(f"not in the commit and so not deployed: {what} (deploying {sha[:7]})")
