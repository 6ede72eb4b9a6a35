"""Several apps of one machine, each deployed for the first time at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.e2e.e2e_rig import App, sibling
from tests.support import eventually


def test_apps_that_go_live_at_the_same_moment_all_answer_to_their_names(app: App) -> None:
    apps = [app, *(sibling(app, f"{app.name}-{number}") for number in range(2, 7))]
    with ThreadPoolExecutor(len(apps)) as pool:
        list(pool.map(lambda one: one.deploy(), apps))
    # What takes the names away may come a moment after what has shown them, so each is asked for at the end.
    assert {one.name: one.get() for one in apps} == {one.name: (200, "hello 1") for one in apps}
    other = sibling(app, f"{app.name}-7")
    other.deploy()
    eventually(lambda: all(one.get() == (200, "hello 1") for one in (*apps, other)), within_s=5)
