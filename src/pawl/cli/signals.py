"""``pawl signals``"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import click

from pawl.cli import charts, options, output
from pawl.cli.times import unix_time

Json = dict[str, Any]

_MEMORY, _CPU, _FILES, _IN_FLIGHT = "rss_bytes", "cpu_cores", "open_files", "in_flight"
_OF_INSTANCES = (_MEMORY, _CPU, _FILES, _IN_FLIGHT, "restarts")


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _bytes(value: float) -> str:
    return output.size(round(value))


# Gauges of services and of the machine: what they are called, and how a value is written.
_OTHERS: dict[str, tuple[str, Callable[[float], str]]] = {
    "load": ("load", _number),
    "memory_used_share": ("memory used", output.share),
    "memory_available_bytes": ("memory available", _bytes),
    "db_connections": ("connections", _number),
    "db_connections_share": ("connections in use", output.share),
    "db_active": ("statements that run", _number),
    "db_bytes": ("size", _bytes),
    "queue_length": ("messages that wait", _number),
}


@click.command("signals")
@click.argument("app")
@click.option(
    "--since", metavar="TIME", default="1h", show_default=True,
    help="From then until now: 30s, 15m, 2h, 7d, or an ISO 8601 time.",
)  # fmt: skip
@click.option("--route", help="Of one route: 'GET /feeds/', or a path for all its methods.")
@click.option("--release", help="Of one release; its first digits will do.")
@options.json_option
def command(app: str, *, since: str, route: str | None, release: str | None, as_json: bool) -> None:
    """Requests, errors, latency and saturation of an app, counted at the proxy.

    Every request counts, none is sampled; p50, p95 and p99 are at most 1 % off. Errors are answers with 5xx.
    """
    answer = options.client().get("apps", app, "signals", since=unix_time(since), route=route, release=release)
    if as_json:
        output.as_json(answer)
        return
    for text in report(answer):
        output.result(text)


def report(answer: Json) -> list[str]:
    """The answer of pawld as lines."""
    texts = [_head(answer)]
    for part in (_instances(answer["gauges"]), _others(answer["gauges"])):
        texts += ["", *part] if part else []
    if answer["requests"]:
        for part in (_routes(answer), _releases(answer), _bars(answer)):
            texts += ["", *part] if part else []
    if trouble := _trouble(answer["counting"]):
        texts += ["", *trouble]
    return texts


def _head(answer: Json) -> str:
    parts = [answer["app"], answer["route"], f"release {answer['release']}" if answer["release"] else None]
    of = output.printable(", ".join(part for part in parts if part))
    span = f"from {output.moment(answer['began'])} to {output.moment(answer['ended'])}"
    if not answer["requests"]:
        return f"{of}: no requests were counted {span}"
    latencies = ", ".join(f"{name} {charts.seconds(answer[f'{name}_s'])}" for name in ("p50", "p95", "p99"))
    return (
        f"{of}: {output.count(answer['requests'], 'request')} {span}, {answer['rate_per_s']:.3g} a second, "
        f"{output.count(answer['errors'], 'error')} ({charts.share(answer['error_share'])}), {latencies}"
    )


def _instances(gauges: Sequence[Json]) -> list[str]:
    found: dict[str, dict[str, Json]] = {}
    for one in gauges:
        if one["name"] in _OF_INSTANCES:
            found.setdefault(one["instance"], {})[one["name"]] = one
    rows = [[name, *_saturation(of)] for name, of in found.items()]
    head = ["INSTANCE", "MEMORY", "MOST", "CPU", "MOST", "OPEN FILES", "MOST", "IN FLIGHT", "MOST", "RESTARTS"]
    return output.aligned([head, *rows], right=range(1, len(head))) if rows else []


def _saturation(of: dict[str, Json]) -> list[str]:
    def pair(name: str, shown: Callable[[float], str]) -> list[str]:
        return [shown(of[name]["mean"]), shown(of[name]["most"])] if name in of else ["-", "-"]

    restarts = f"{of['restarts']['most']:.0f}" if "restarts" in of else "-"
    return [
        *pair(_MEMORY, _bytes), *pair(_CPU, lambda cores: f"{cores:.2f}"), *pair(_FILES, lambda files: f"{files:.0f}"),
        *pair(_IN_FLIGHT, lambda requests: f"{requests:.1f}"), restarts,
    ]  # fmt: skip


def _others(gauges: Sequence[Json]) -> list[str]:
    rows = []
    for one in gauges:
        if one["name"] not in _OF_INSTANCES:
            called, shown = _OTHERS.get(one["name"], (one["name"].replace("_", " "), _number))
            of = one["instance"] or "this machine"
            rows.append([f"{of}: {called}", shown(one["mean"]), shown(one["least"]), shown(one["most"])])
    return output.aligned([["", "MEAN", "LEAST", "MOST"], *rows], right=range(1, 4)) if rows else []


def _routes(answer: Json) -> list[str]:
    head = ["ROUTE", "REQUESTS", "ERRORS", "NOT FOUND", "P50", "P95", "P99"]
    rows = [
        [
            one["route"], f"{one['requests']:,}", _errors(one), f"{one['not_found']:,}", charts.seconds(one["p50_s"]),
            charts.seconds(one["p95_s"]), charts.seconds(one["p99_s"]),
        ]
        for one in answer["routes"]
    ]  # fmt: skip
    return [*output.aligned([head, *rows], right=range(1, len(head))), *_more(answer["more_routes"], "route")]


def _releases(answer: Json) -> list[str]:
    if len(answer["releases"]) < 2:
        return []
    head = ["RELEASE", "REQUESTS", "ERRORS", "P95"]
    rows = [
        [one["release"], f"{one['requests']:,}", _errors(one), charts.seconds(one["p95_s"])]
        for one in answer["releases"]
    ]
    return [*output.aligned([head, *rows], right=range(1, len(head))), *_more(answer["more_releases"], "release")]


def _errors(one: Json) -> str:
    return f"{one['errors']:,} ({charts.share(one['error_share'])})" if one["errors"] else "0"


def _more(number: int, noun: str) -> list[str]:
    return [f"and {output.count(number, f'more {noun}')}"] if number else []


def _bars(answer: Json) -> list[str]:
    """Requests a second and p95 over time; the last step is not over yet, so rates are compared and not counts."""
    buckets = answer["buckets"]
    if len(buckets) < 2:
        return []
    rates = [one["requests"] / _length_s(one) for one in buckets]
    slow = [one["p95_s"] for one in buckets]
    known = [value for value in slow if value is not None]
    rows = [
        ["requests a second", charts.spark(rates), f"{min(rates):.3g} to {max(rates):.3g}, a bar is {_step(answer)}"]
    ]
    if known:
        rows.append(["p95", charts.spark(slow), f"{charts.seconds(min(known))} to {charts.seconds(max(known))}"])
    return output.aligned(rows)


def _length_s(bucket: Json) -> float:
    began, ended = (datetime.fromisoformat(bucket[name]) for name in ("began", "ended"))
    return (ended - began).total_seconds()


def _step(answer: Json) -> str:
    units = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    width_s, unit = next(one for one in units if answer["step_s"] % one[0] == 0)
    return f"{answer['step_s'] // width_s} {unit}"


def _trouble(counting: Json) -> list[str]:
    texts = []
    if counting["invalid"]:
        texts.append(
            f"{output.count(counting['invalid'], 'line')} of the access log could not be read, and are not counted"
        )
    if trouble := counting["trouble"]:
        texts.append(output.printable(f"{trouble['what']}: {trouble['why']}"))
        if trouble["next"]:
            texts.append(output.next_line(trouble["next"]))
    return texts
