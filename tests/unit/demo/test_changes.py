"""The demo's patches follow the example app: whoever changes the one brings the other along."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from pawl.demo.story import example

_CHANGES = Path(__file__).parents[3] / "src" / "pawl" / "demo" / "changes"


def test_each_change_applies_on_the_one_before_it(tmp_path: Path) -> None:
    app = tmp_path / "antisocial"
    shutil.copytree(example(), app, ignore=shutil.ignore_patterns("__pycache__", ".venv", "var"))
    changes = sorted(_CHANGES.glob("*.patch"))
    assert len(changes) == 4
    for change in changes:
        done = subprocess.run(["git", "apply", str(change)], cwd=app, capture_output=True, text=True)
        assert done.returncode == 0, f"{change.name}: {done.stderr}"
