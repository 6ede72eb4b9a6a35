"""The stored form of events: what is in a ledger today has to be read by every Pawl to come."""

from __future__ import annotations

import doctest
from datetime import datetime

import msgspec
import pytest

from pawl.ledger import events, records
from pawl.ledger.events import DeployEnded, DeployQueued, Event, StageEnded, decoded, kind_of, stored_form
from pawl.ledger.records import iso_utc
from pawl.model import DeployKind, Live, Outcome, Stage

STORED = {
    "pawld_started",
    "pawld_stopped",
    "proxy_restarted",
    "note",
    "app_created",
    "app_removed",
    "release_built",
    "release_pruned",
    "settings_changed",
    "scaled",
    "instance_crashed",
    "crash_loop",
    "memory_exceeded",
    "instance_replaced",
    "incident_opened",
    "incident_closed",
    "deploy_queued",
    "change_found",
    "stage_began",
    "stage_ended",
    "task_began",
    "task_ended",
    "migrations_found",
    "switched",
    "switched_back",
    "keep_asked",
    "verdict_reached",
    "restored_watched",
    "learned",
    "deploy_ended",
}


def test_the_stored_names_of_the_kinds_stay_what_they_are() -> None:
    assert {kind_of(kind) for kind in Event.__args__} == STORED


def test_an_event_is_stored_with_its_kind_and_schema() -> None:
    event = StageEnded(stage=Stage.TASKS_DONE, duration_s=2)
    assert stored_form(event) == (
        event,
        '{"kind":"stage_ended","schema":1,"stage":"tasks done","duration_s":2,"detail":""}',
    )


def test_a_deploy_as_first_stored_is_read_with_todays_defaults() -> None:
    stored = '{"kind":"deploy_queued","deploy_kind":"rollback","release":"r1","asked_by":"ada"}'
    assert decoded(stored) == DeployQueued(deploy_kind=DeployKind.ROLLBACK, release="r1", asked_by="ada")


def test_nested_values_come_back_as_they_were() -> None:
    event = DeployQueued(
        deploy_kind=DeployKind.SETTINGS,
        release="r1",
        asked_by="ada",
        options=events.DeployOptions(observe=False, expect=("errors < 1%",)),
        from_live=Live("r0", 2, "c" * 40, "d4", "2026-05-09T07:35:00.000000Z"),
    )
    assert decoded(stored_form(event)[1]) == event


def test_fields_of_a_newer_pawl_are_passed_over() -> None:
    stored = '{"kind":"deploy_ended","schema":1,"outcome":"kept","duration_s":3.5,"carbon_g":12,"new":{"a":[1]}}'
    assert decoded(stored) == DeployEnded(outcome=Outcome.KEPT, duration_s=3.5)


@pytest.mark.parametrize(
    "stored",
    ["", "[]", '{"kind":"unheard_of"}', '{"kind":"note"}', '{"kind":"stage_began","stage":"lunch"}', '{"stage":"x"}'],
)
def test_what_is_no_event_is_refused(stored: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decoded(stored)


def test_no_event_has_room_for_a_value_of_a_setting() -> None:
    fields = {field.name for field in msgspec.structs.fields(events.SettingsChanged)}
    assert fields == {"schema", "version", "what", "set_names", "unset_names", "by"}


def test_a_clock_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        iso_utc(datetime(2026, 5, 9))  # noqa: DTZ001  # the case in question


@pytest.mark.parametrize("module", [events, records])
def test_examples_in_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
