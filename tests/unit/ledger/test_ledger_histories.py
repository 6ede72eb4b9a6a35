"""Any history, sensible or not: the views grown with it, the views rebuilt from it and those in memory agree."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawl.ledger import events
from pawl.ledger.base import Ledger
from pawl.ledger.memory import MemoryLedger
from pawl.ledger.observations import Observation
from pawl.ledger.records import Entry
from pawl.ledger.schema import VIEWS
from pawl.ledger.sql_ledger import SqlLedger
from pawl.ledger.store import SqliteLedger
from pawl.model import Commit, DeployKind, Live, Outcome, Stage
from tests.integration.services.services_rig import Database
from tests.ledger_rig import START, TickingClock, in_postgres, new_place

APPS = ("demo", "demo", "blog")
DEPLOYS = ("d1", "d2", "d3")

COMMIT = Commit("a" * 40, "Quicker “feeds” \0 <script>", "Ada", "ada@example.org", "2026-05-09T07:00:00Z")

releases = st.sampled_from(("r1", "r2", "r3"))
versions = st.integers(1, 2)
stages = st.sampled_from((Stage.QUEUED, Stage.BUILT, Stage.TASKS_DONE))
seconds = st.floats(0, 1e6)
words = st.text(st.characters(codec="utf-8"), max_size=5)
numbers = st.integers(0, 2**63 - 1)
small = st.integers(0, 1)
instances = {"process": words, "instance": words, "release": releases}
places = st.builds(Live, releases, versions, words, st.sampled_from(DEPLOYS), words)

incidents = st.sampled_from(("i1", "i2", "outage"))
# About the time of the history itself, which takes a second each time the clock is asked.
moments = st.integers(-3, 12).map(lambda second: START + timedelta(seconds=second)) | st.datetimes(
    START.replace(year=2000, tzinfo=None), START.replace(year=2100, tzinfo=None), timezones=st.just(UTC)
)

observations = st.builds(Observation, verdict=words, why=words, elapsed_s=seconds, duration_s=seconds)

KINDS: dict[type[events.Fact], st.SearchStrategy[events.Event]] = {
    events.PawldStarted: st.builds(events.PawldStarted, version=words, pid=numbers),
    events.PawldStopped: st.builds(events.PawldStopped, reason=words),
    events.ProxyRestarted: st.builds(events.ProxyRestarted, reason=words),
    events.Note: st.builds(events.Note, text=words, by=words),
    events.AppCreated: st.builds(events.AppCreated),
    events.AppRemoved: st.builds(events.AppRemoved),
    events.ReleaseBuilt: st.builds(
        events.ReleaseBuilt,
        release=releases,
        commit=st.just(COMMIT),
        environment=words,
        duration_s=seconds,
        size_bytes=st.none() | numbers,
    ),
    events.ReleasePruned: st.builds(events.ReleasePruned, release=releases),
    events.SettingsChanged: st.builds(
        events.SettingsChanged, version=numbers, what=words, set_names=st.just(("A",)), by=words
    ),
    events.Scaled: st.builds(events.Scaled, processes=st.dictionaries(st.sampled_from(("web", "worker", "")), numbers)),
    events.InstanceCrashed: st.builds(
        events.InstanceCrashed, **instances, pid=numbers, exit=words, restarts=numbers, uptime_s=seconds
    ),
    events.CrashLoop: st.builds(events.CrashLoop, **instances, restarts=numbers, within_s=seconds),
    events.MemoryExceeded: st.builds(events.MemoryExceeded, **instances, rss_bytes=numbers, limit_bytes=numbers),
    events.InstanceReplaced: st.builds(events.InstanceReplaced, **instances, reason=words),
    events.IncidentOpened: st.builds(
        events.IncidentOpened,
        incident=incidents,
        title=words,
        began_at=moments,
        by=words,
        caused_by=st.none() | st.sampled_from(DEPLOYS),
        is_external=st.booleans(),
    ),
    events.IncidentClosed: st.builds(
        events.IncidentClosed,
        incident=incidents,
        ended_at=moments,
        by=words,
        fixed_by=st.none() | st.sampled_from(DEPLOYS),
        note=words,
    ),
    events.DeployQueued: st.builds(
        events.DeployQueued,
        deploy_kind=st.sampled_from(DeployKind),
        release=releases,
        asked_by=words,
        commit=st.none() | st.just(COMMIT),
        settings=st.none() | versions,
        previous_release=st.none() | releases,
        commits=st.just((COMMIT,)),
        authors=st.just(("Ada",)),
        options=st.builds(events.DeployOptions, observe=st.booleans(), expect=st.lists(words, max_size=2).map(tuple)),
        from_live=st.none() | places,
    ),
    events.ChangeFound: st.builds(
        events.ChangeFound,
        commits=st.sampled_from(((), (COMMIT,), (COMMIT, COMMIT))),
        authors=st.just(("Ada", "Bob")),
        from_live=st.none() | places,
    ),
    events.StageBegan: st.builds(events.StageBegan, stage=stages),
    events.StageEnded: st.builds(events.StageEnded, stage=stages, duration_s=seconds, detail=words),
    events.TaskBegan: st.builds(events.TaskBegan, index=small, command=words),
    events.TaskEnded: st.builds(events.TaskEnded, index=small, exit_status=st.integers(-64, 255), duration_s=seconds),
    events.MigrationsFound: st.builds(events.MigrationsFound, pending=st.just(("a.0001",)), trouble=words),
    events.KeepAsked: st.builds(events.KeepAsked, by=words),
    events.VerdictReached: st.builds(
        events.VerdictReached, observation=observations, acts=st.booleans(), note=words, stage=stages
    ),
    events.RestoredWatched: st.builds(
        events.RestoredWatched, observation=observations, is_cause_elsewhere=st.booleans()
    ),
    events.Learned: st.builds(events.Learned, text=words, by=words),
    events.Switched: st.builds(events.Switched, release=releases, settings=versions, commit=words),
    events.SwitchedBack: st.builds(
        events.SwitchedBack,
        release=st.none() | releases,
        settings=st.none() | versions,
        commit=st.none() | words,
        reason=words,
    ),
    events.DeployEnded: st.builds(
        events.DeployEnded,
        outcome=st.sampled_from(Outcome),
        reason=words,
        detail=words,
        failed_stage=st.none() | stages,
        duration_s=seconds,
    ),
}

# Kinds that are only recorded come up as often as one of the others, the pointer's three times as often.
RECORDED_ONLY: list[type[events.Fact]] = [
    events.PawldStarted,
    events.PawldStopped,
    events.ProxyRestarted,
    events.Note,
    events.InstanceCrashed,
    events.CrashLoop,
    events.MemoryExceeded,
    events.InstanceReplaced,
    events.Learned,
]
POINTER: list[type[events.Fact]] = [events.Switched, events.SwitchedBack, events.DeployEnded]


def entries(kind: type[events.Fact]) -> st.SearchStrategy[Entry]:
    return st.builds(Entry, KINDS[kind], st.sampled_from(APPS), st.sampled_from(DEPLOYS))


viewed = [kind for kind in KINDS if kind not in RECORDED_ONLY and kind is not events.AppRemoved]
rare_kinds: list[type[events.Fact]] = [events.AppRemoved, *RECORDED_ONLY]
rare = st.sampled_from(rare_kinds).flatmap(entries)
any_entry = rare | st.sampled_from([*viewed, *POINTER, *POINTER]).flatmap(entries)
batches = st.lists(st.lists(any_entry, max_size=30), max_size=6)
# Apps that exist, deploys that are queued: without them most histories would leave the views empty.
BEGUN = [
    *(Entry(events.AppCreated(), app) for app in APPS),
    *(
        Entry(events.DeployQueued(deploy_kind=kind, release="r1", asked_by="ada"), "demo", deploy)
        for deploy, kind in (("d1", DeployKind.DEPLOY), ("d2", DeployKind.ROLLBACK))
    ),
]


def answers(ledger: Ledger) -> dict[str, object]:
    """Everything that can be read from a ledger."""
    return {
        "events": ledger.events(),
        "apps": ledger.apps(),
        "app": [ledger.app(app) for app in APPS],
        "deploys": ledger.deploys(limit=None),
        "deploys of apps": [ledger.deploys(app, limit=2) for app in APPS],
        "deploy": [ledger.deploy(deploy) for deploy in DEPLOYS],
        "unfinished": ledger.unfinished(),
        "releases": [ledger.releases(app) for app in APPS],
        "incidents": ledger.incidents(limit=None),
        "incidents of apps": [ledger.incidents(app, limit=1) for app in APPS],
        "incident": [ledger.incident(incident) for incident in ("i1", "i2", "outage")],
        "measured": [ledger.measured(app, since="2026-05-01", until="2026-05-31") for app in (None, *APPS)],
        "settings": [ledger.settings_version(app) for app in APPS],
        "next": (ledger.next_deploy_id(), ledger.next_incident_id()),
    }


def tables(ledger: SqlLedger) -> dict[str, list[list[object]]]:
    return {
        table: ledger._keeper.read(
            lambda db, table=table: sorted(map(list, db.execute(f"SELECT * FROM {table}")), key=repr)  # type: ignore[misc]
        )
        for table in VIEWS
    }


def test_a_strategy_makes_every_kind_of_event() -> None:
    assert set(KINDS) == set(events.Event.__args__)


@settings(max_examples=150, deadline=None)
@given(history=batches, is_begun=st.booleans())
def test_grown_rebuilt_reopened_and_remembered_views_agree(history: list[list[Entry]], is_begun: bool) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        agree(lambda: SqliteLedger(path, clock=TickingClock()), history, is_begun=is_begun)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(history=batches, is_begun=st.booleans())
def test_those_in_postgresql_agree_as_well(
    ledger_database: Database, history: list[list[Entry]], is_begun: bool
) -> None:
    place = new_place()
    agree(lambda: in_postgres(ledger_database, place), history, is_begun=is_begun)


def agree(opened: Callable[[], SqlLedger], history: list[list[Entry]], *, is_begun: bool) -> None:
    stored = opened()
    remembered = MemoryLedger(clock=TickingClock())
    for batch in [BEGUN if is_begun else [], *history]:
        assert stored.append_many(batch) == remembered.append_many(batch)
    expected = answers(remembered)
    assert answers(stored) == expected

    grown = tables(stored)
    stored.rebuild()
    assert tables(stored) == grown
    remembered.rebuild()
    stored.close()

    stored = opened()
    expected = answers(remembered)
    assert answers(stored) == expected
    stored.close()
