"""``pawl init``"""

from __future__ import annotations

from pathlib import Path

import click

from pawl.cli import options, output
from pawl.client import door
from pawl.client.git import Repository
from pawl.errors import UsageError


@click.command("init")
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--app", "name", help="The app's name (default: the folder's).")
@click.option("--force", is_flag=True, help="Write pawl.toml anew where there is one.")
def command(path: Path, *, name: str | None, force: bool) -> None:
    """Write a pawl.toml for the app in PATH and add the git remote 'pawl'.

    Looks at what is there (Django, Flask, FastAPI, Starlette, a Procfile) without running any of it. Afterwards both
    'pawl deploy' and 'git push pawl' deploy.
    """
    from pawl.config.detect import detect
    from pawl.config.load import parse
    from pawl.config.names import app_name_from_folder, check_app_name
    from pawl.config.template import render

    repository = Repository.at(path)
    folder = path.resolve()
    file = folder / "pawl.toml"
    if file.exists() and not force:
        files = {item.name: item.read_text("utf-8-sig") for item in (file, folder / "Procfile") if item.exists()}
        app = parse(files, folder=folder.name).app
        output.say(f"{file.name} is there already and stays as it is (--force writes it anew)")
    else:
        app = check_app_name(name) if name else app_name_from_folder(folder.name)
        detected = detect(folder)
        if not detected.processes:
            raise UsageError(
                f"nothing in {folder} looks like a web app",
                why="no Procfile, manage.py, Flask, FastAPI, Starlette or WSGI application was found",
                next_step="write a Procfile with a line like: web: gunicorn myapp:app",
            )
        file.write_text(render(detected, app=app))
        output.result(f"pawl.toml is written for '{app}' ({detected.kind})")
        for line in detected.advice:
            output.say(f"  {line}")
    home = options.home()
    home.create()
    inside = str(folder.relative_to(repository.path)) if folder != repository.path else ""
    url = door.create(home, app, branch=repository.branch(), path=inside)
    repository.set_remote("pawl", str(url))
    output.result(f"the remote 'pawl' is set: git push pawl {repository.branch()}")
    commit = "git add pawl.toml && git commit -m 'Deploy with Pawl', then: " if repository.uncommitted() else ""
    output.say(f"next: {commit}pawl up && pawl deploy")
