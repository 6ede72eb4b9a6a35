"""How things stand at a scrape: instances, machine, services, what is live, deploys and watches under way."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pawl.daemon.metrics.exposition import Page
from pawl.daemon.metrics.happenings import unix
from pawl.engines.base import InstanceView
from pawl.ledger.observations import Observation
from pawl.ledger.records import AppView, DeployView
from pawl.observe.gauges import Gauge

_OF_INSTANCES = {
    "rss": "pawl_instance_resident_memory_bytes",
    "cpu": "pawl_instance_cpu_cores",
    "open_files": "pawl_instance_open_files",
    "in_flight": "pawl_instance_in_flight_requests",
}
_OF_THE_MACHINE = {
    "load": "pawl_machine_load1",
    "memory_available": "pawl_machine_memory_available_bytes",
    "memory_used_share": "pawl_machine_memory_used_ratio",
}
_OF_DATABASES = {
    "db_connections": "pawl_database_connections",
    "db_connections_share": "pawl_database_connections_used_ratio",
    "db_active": "pawl_database_active_sessions",
    "db_bytes": "pawl_database_size_bytes",
}


def show_instances(page: Page, app: str, instances: Iterable[InstanceView]) -> None:
    """How many there are, and how often each was restarted."""
    for one in instances:
        page.add("pawl_instances", 1, app=app, process=one.process, role=one.role, state=one.state)
        of = {"app": app, "process": one.process, "place": one.name, "release": one.release}
        page.add("pawl_instance_restarts_total", one.restarts, **of)


def show_gauges(page: Page, gauges: Iterable[Gauge]) -> None:
    """What was read last. Two copies of one name and release, as in a restart, are added: they share their labels."""
    for one in gauges:
        if name := _OF_THE_MACHINE.get(one.name):
            page.add(name, one.value)
        elif name := _OF_INSTANCES.get(one.name):
            process = one.instance.rpartition(".")[0]
            page.add(name, one.value, app=one.app, process=process, place=one.instance, release=one.release)
        elif name := _OF_DATABASES.get(one.name):
            page.add(name, one.value, app=one.app, database=one.instance)
        elif one.name == "queue_length":
            page.add("pawl_queue_length", one.value, app=one.app, queue=one.instance)


def show_app(page: Page, view: AppView) -> None:
    """What is live."""
    live = view.live
    if live is not None:
        page.add("pawl_app_live_info", 1, app=view.name, release=live.release, commit=live.commit)
        since = unix(live.since)
        page.add(
            "pawl_app_live_since_timestamp_seconds", since, app=view.name, release=live.release, deploy=live.deploy
        )
    page.add("pawl_deploys_unfinished", 0, app=view.name)


def show_unfinished(
    page: Page, deploys: Iterable[DeployView], latest: Callable[[str], tuple[str, Observation] | None]
) -> None:
    """Deploys under way; ``latest`` tells the last look at a change under watch."""
    for deploy in deploys:
        page.add("pawl_deploys_unfinished", 1, app=deploy.app)
        page.add(
            "pawl_deploy_stage_info", 1, app=deploy.app, deploy=deploy.id, kind=str(deploy.kind),
            release=deploy.release, stage=deploy.status,
        )  # fmt: skip
        if look := latest(deploy.id):
            _show_watch(page, look[1], app=deploy.app, deploy=deploy.id)


def _show_watch(page: Page, seen: Observation, **of: str) -> None:
    if seen.log_threshold > 0:
        page.add("pawl_watch_evidence_ratio", seen.log_e / seen.log_threshold, **of)
    page.add("pawl_watch_elapsed_seconds", seen.elapsed_s, **of)
    page.add("pawl_watch_duration_seconds", seen.duration_s, **of)
