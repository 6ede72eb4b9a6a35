"""Every metric there is, in the order of the page; docs/metrics.md has the same table.

A counter counts from the beginning of the signal store or of the ledger, not of this pawld, so a restart does not reset
it. Those of ``pawl_instance_restarts_total`` and ``process_cpu_seconds_total`` begin with their process.
"""

from __future__ import annotations

from pawl.daemon.metrics.exposition import Family

# Not "instance": Prometheus gives that label to what it scrapes.
_INSTANCE = ("app", "process", "place", "release")

FAMILIES = (
    Family("pawl_requests_total", "counter", "Requests that ended, by status class.", ("app", "release", "status")),
    Family(
        "pawl_request_duration_seconds", "histogram",
        "Time from a request's arrival at the proxy to the last byte of its answer.", ("app", "release"),
    ),
    Family(
        "pawl_route_requests_total", "counter",
        "Requests of the busiest routes, by status class.", ("app", "route", "status"),
    ),
    Family(
        "pawl_route_request_duration_seconds", "histogram", "The same time by route, for the busiest.",
        ("app", "route"),
    ),
    Family("pawl_instances", "gauge", "Instances, by what they are there for.", ("app", "process", "role", "state")),
    Family("pawl_instance_restarts_total", "counter", "Restarts since the instance began.", _INSTANCE),
    Family("pawl_instance_resident_memory_bytes", "gauge", "Memory of an instance's processes.", _INSTANCE),
    Family("pawl_instance_cpu_cores", "gauge", "Processor use, 1 is one core busy.", _INSTANCE),
    Family("pawl_instance_open_files", "gauge", "Open files of an instance's processes.", _INSTANCE),
    Family("pawl_instance_in_flight_requests", "gauge", "Requests a web instance is at.", _INSTANCE),
    Family("pawl_instance_crashes_total", "counter", "Instances that ended without being told to.", ("app", "process")),
    Family("pawl_crash_loops_total", "counter", "Times an instance crashed again and again.", ("app", "process")),
    Family("pawl_memory_exceeded_total", "counter", "Instances found above their memory limit.", ("app", "process")),
    Family("pawl_machine_load1", "gauge", "Load average of the machine over a minute."),
    Family("pawl_machine_memory_available_bytes", "gauge", "Memory the machine can still give."),
    Family("pawl_machine_memory_used_ratio", "gauge", "Memory of the machine in use, 0 to 1."),
    Family("pawl_database_connections", "gauge", "Connections to the database's server.", ("app", "database")),
    Family(
        "pawl_database_connections_used_ratio", "gauge",
        "Connections in use of those the server lets ordinary users have, 0 to 1.", ("app", "database"),
    ),
    Family("pawl_database_active_sessions", "gauge", "Sessions that run a statement.", ("app", "database")),
    Family("pawl_database_size_bytes", "gauge", "Size of the database.", ("app", "database")),
    Family("pawl_queue_length", "gauge", "Messages that wait for a worker.", ("app", "queue")),
    Family("pawl_deploys_total", "counter", "Deploys that ended, by how.", ("app", "kind", "outcome")),
    Family("pawl_deploys_unfinished", "gauge", "Deploys that are queued or under way.", ("app",)),
    Family(
        "pawl_deploy_stage_info", "gauge", "1 for the stage an unfinished deploy is at.",
        ("app", "deploy", "kind", "release", "stage"),
    ),
    Family("pawl_verdicts_total", "counter", "Watches over a change that ended, by verdict.", ("app", "verdict")),
    Family("pawl_app_live_info", "gauge", "1 for the release that is live.", ("app", "release", "commit")),
    Family(
        "pawl_app_live_since_timestamp_seconds", "gauge", "When it went live, as Unix time.",
        ("app", "release", "deploy"),
    ),
    Family("pawl_app_last_deploy_timestamp_seconds", "gauge", "When a deploy ended last, as Unix time.", ("app",)),
    Family(
        "pawl_watch_evidence_ratio", "gauge",
        "Evidence of harm of a change under watch, as a part of what takes it back: both are logarithms.",
        ("app", "deploy"),
    ),
    Family("pawl_watch_elapsed_seconds", "gauge", "How long the change has been watched.", ("app", "deploy")),
    Family("pawl_watch_duration_seconds", "gauge", "How long it is to be watched.", ("app", "deploy")),
    Family("pawl_access_log_lines_total", "counter", "Lines of the proxy's log that were counted."),
    Family("pawl_access_log_invalid_lines_total", "counter", "Lines of it that could not be read."),
    Family("pawl_access_log_counting", "gauge", "1 while requests are counted, 0 while something prevents it."),
    Family("pawl_ledger_events_total", "counter", "Events in the ledger."),
    Family("pawl_proxy_up", "gauge", "1 while the proxy runs."),
    Family("pawl_proxy_restarts_total", "counter", "Times the proxy was started again."),
    Family("pawl_build_info", "gauge", "1, with the versions of pawld and its Python.", ("version", "python")),
    Family("process_cpu_seconds_total", "counter", "Processor time of pawld itself."),
    Family("process_resident_memory_bytes", "gauge", "Memory of pawld itself."),
    Family("process_virtual_memory_bytes", "gauge", "Address space of pawld itself."),
    Family("process_open_fds", "gauge", "Open files of pawld itself."),
    Family("process_max_fds", "gauge", "How many files pawld may have open."),
    Family("process_start_time_seconds", "gauge", "When pawld began, as Unix time."),
)  # fmt: skip
