"""What the door's pre-receive hook runs: hands the pushed commit to pawld and shows its deploy to the pusher.

The push is accepted only when the deploy went live.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pawl.cli import options, output, progress
from pawl.client.git import push
from pawl.errors import PawlError, UsageError

_ZERO = "0" * 40


def main() -> None:
    """Read the pushed refs from stdin; exit 0 to accept the push."""
    app, path = sys.argv[1:3]
    try:
        sys.exit(_receive(app, path, [line.split() for line in sys.stdin if line.strip()]))
    except PawlError as error:
        output.error(error)
        sys.exit(1)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(130)


def _receive(app: str, path: str, updates: list[list[str]]) -> int:
    door = Path.cwd()
    deployed = _deployed_ref(door)
    branch = deployed.removeprefix("refs/heads/")
    branches = [(new, ref) for _, new, ref in updates if not ref.startswith("refs/tags/")]
    for _, ref in branches:
        if ref != deployed:
            name = ref.removeprefix("refs/heads/")
            raise UsageError(
                f"'{name}' is not deployed, only '{branch}' is", next_step=f"git push pawl {name}:{branch}"
            )
    if not branches:
        output.say(f"tags are kept and deploy nothing: only '{branch}' is deployed")
        return 0
    new = branches[0][0]
    if new == _ZERO:
        raise UsageError(f"'{branch}' cannot be deleted here", next_step=f"pawl remove {app}")
    client = options.client()
    client.get("ping")
    # git holds what was pushed in quarantine until this hook agrees; the store gets it from there.
    environ = {name: value for name, value in os.environ.items() if name != "GIT_QUARANTINE_PATH"}
    push(new, client.home.store, cwd=door, env=environ)
    request = {
        "commit": new, "folder": app, "path": path, "app": app, "asked_by": f"{options.asked_by()} (git push)",
        "observe": not _is_unwatched(os.environ),
    }  # fmt: skip
    answer = client.post("deploys", body=request)
    return progress.follow(
        client.lines("deploys", answer["deploy"], "events"), deploy=answer["deploy"], as_json=False, to_live=True
    )


def _is_unwatched(environ: Mapping[str, str]) -> bool:
    """Whether the push was made with ``-o no-observe``, the one push option there is.

    Raises:
        UsageError: another one was given.
    """
    count = int(environ.get("GIT_PUSH_OPTION_COUNT", "0"))
    given = [environ.get(f"GIT_PUSH_OPTION_{number}", "") for number in range(count)]
    if unknown := [option for option in given if option != "no-observe"]:
        raise UsageError(f"no push option '{unknown[0][:40]}'", next_step="the one there is: git push -o no-observe")
    return bool(given)


def _deployed_ref(door: Path) -> str:
    done = subprocess.run(["git", "symbolic-ref", "HEAD"], cwd=door, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
