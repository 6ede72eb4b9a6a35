"""The repository that ``git push pawl`` reaches, and the hook that turns a push into a deploy.

A push is accepted only when its deploy went live, so ``git push`` exits non-zero when it did not. The hook runs while
git still holds the pushed objects in quarantine; it hands them to the store itself.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from pawl.errors import PawlError
from pawl.home import Home


def create(home: Home, app: str, *, branch: str, path: str = "") -> Path:
    """Make the door of an app, or mend the hook of the one that is there.

    ``branch`` is the one that is deployed, ``path`` the app's folder inside its repository, empty for the top.

    Raises:
        PawlError: git could not make the repository.
    """
    door = home.door(app)
    try:
        if not (door / "HEAD").exists():
            door.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            subprocess.run(["git", "init", "--quiet", "--bare", str(door)], check=True, capture_output=True)
        for setting in ("receive.shallowUpdate", "receive.advertisePushOptions"):
            subprocess.run(["git", "-C", str(door), "config", setting, "true"], check=True, capture_output=True)
        subprocess.run(
            ["git", "-C", str(door), "symbolic-ref", "HEAD", f"refs/heads/{branch}"], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise PawlError(f"the repository {door} could not be made", why=str(error)) from error
    hook = door / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        "#!/bin/sh\n"
        f"PAWL_HOME={shlex.quote(str(home.path))} "
        f"exec {shlex.quote(sys.executable)} -m pawl.cli.push_hook {shlex.quote(app)} {shlex.quote(path)}\n"
    )
    hook.chmod(0o700)
    return door
