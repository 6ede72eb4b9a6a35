"""``pawl demo``"""

from __future__ import annotations

import os
from pathlib import Path

import click

from pawl.cli import options, output
from pawl.errors import PawlError


@click.command("demo")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where to run it (default: the state folder + '-demo')."
)
@click.option("--port", type=click.IntRange(1, 65_535), help="The proxy's port (default: 8080, or one that is free).")
@click.option("--rate", type=click.FloatRange(1, 2000), default=50, show_default=True, help="Requests a second.")
@options.json_option
def command(*, folder: Path | None, port: int | None, rate: float, as_json: bool) -> int:
    """Show the whole loop on a real app: deploys, a migration, bad changes, a rollback and a crash, under load.

    One of the bad changes is refused, the other goes live, fails now and then, and is taken back. Works in a folder of
    its own and with its own pawld; what runs on this machine is not touched. Leaves the app running. Exit status 1 when
    any other request failed or a step did not end as it should.
    """
    from pawl.demo.story import Demo

    folder = (folder or Path(f"{options.home().path}-demo")).resolve()
    demo = Demo(folder, port=port, rate=rate, say=lambda line: output.say(output.dim(line)))
    demo.run()
    stop = f"PAWL_HOME={demo.home} {_pawl()} down"
    if as_json:
        output.as_json(
            {
                "url": demo.url, "stop": stop, "failures": dict(demo.failures),
                "steps": [
                    {"step": s.title, "duration_s": round(s.took_s, 3), "served": s.served, "failed": s.failed}
                    for s in demo.steps
                ],
            }
        )  # fmt: skip
    else:
        output.result()
        output.table(
            ("STEP", "TOOK", "SERVED", "FAILED", "NOTE"),
            [(s.title, output.duration(s.took_s), s.served, s.failed, s.note) for s in demo.steps],
        )
        output.result()
        output.result(f"The app goes on running: {demo.url}")
        output.result(f"Look at it:   PAWL_HOME={demo.home} {_pawl()} open")
        output.result(f"To stop it:   {stop}")
    if demo.failures:
        raise PawlError(f"{sum(demo.failures.values())} requests failed", why=str(dict(demo.failures)))
    return 0


def _pawl() -> str:
    import sys

    beside = Path(sys.executable).with_name("pawl")
    return os.path.relpath(beside) if beside.exists() and beside.is_relative_to(Path.cwd()) else "pawl"
