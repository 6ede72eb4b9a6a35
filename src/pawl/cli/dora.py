"""``pawl dora``"""

from __future__ import annotations

from typing import Any

import click

from pawl.cli import charts, options, output
from pawl.cli.times import unix_time

Json = dict[str, Any]
Line = tuple[str, str, str, str]

_FEW = "too few deploys to say"
_SHOWN = 5
_FAILED = ("FAILED", "APP", "LIVE AT", "HOW", "WELL AGAIN AFTER", "INCIDENTS")


@click.command("dora")
@click.argument("app", required=False)
@click.option(
    "--since", metavar="TIME", default="90d", show_default=True,
    help="From then until now: 30d, or an ISO 8601 time; whole days, above 35 of them whole weeks.",
)  # fmt: skip
@click.option("--everywhere", is_flag=True, help="All places of a team's database together, not this one alone.")
@click.option("--explain", is_flag=True, help="Say what each measure counts, by which formula and version.")
@options.json_option
def command(app: str | None, *, since: str, everywhere: bool, explain: bool, as_json: bool) -> None:
    """How changes get live and how they fare: the DORA measures of an app or of all.

    With intervals that hold the true value 95 times of 100, and the span of equal length before. They say how a team
    does by its own past; they are no marks, and do not compare one app with another.
    """
    answer = options.client().get("dora", app=app, since=unix_time(since), everywhere="true" if everywhere else None)
    if as_json:
        output.as_json(answer)
        return
    for text in report(answer):
        output.result(text)
    if explain:
        for text in _explained(answer["definitions"]):
            output.result(text)


def report(answer: Json) -> list[str]:
    """The answer of pawld as lines."""
    texts = [_head(answer), *_unread(answer)]
    now, before = answer["now"], answer["before"]
    if not (now["deploys"] or now["rollbacks"]):
        return [*texts, *_caught(now)]
    rows = [row for lines in (_lead(now), _rest(now)) for row in lines]
    earlier = {row[0]: row[1] for lines in (_lead(before), _rest(before)) for row in lines} if before else {}
    trends = _trends(answer["trends"])
    head = ["", "NOW", "95 % INTERVAL", *(["BEFORE", ""] if before else []), ""]
    table = [
        [name, value, interval, *([earlier.get(name, "-"), trends.get(name, "")] if before else []), note]
        for name, value, interval, note in rows
    ]
    texts += output.aligned([head, *table])
    return [*texts, *_caught(now), *_no_before(answer), *_bars(answer["over_time"]), *_failures(answer)]


def _head(answer: Json) -> str:
    of = output.printable(answer["app"] or "all apps")
    if len(answer["places"]) > 1:
        of += f" in {len(answer['places'])} places"
    now, days = answer["now"], f"from {answer['since'][:10]} to {answer['until'][:10]}"
    if answer["first_day"] is None:
        return f"{of}: nothing was deployed yet"
    if not (now["deploys"] or now["rollbacks"]):
        return f"{of}: nothing went live {days}"
    caution = f"; {_FEW}, below 20" if now["deploys"] < 20 else ""
    return f"{of}: {output.count(now['deploys'], 'change')} went live {days}{caution}"


def _unread(answer: Json) -> list[str]:
    if not answer["unread"]:
        return []
    return [f"without {', '.join(answer['unread'])}: a Pawl of another version wrote what is there"]


def _lead(measures: Json) -> list[Line]:
    lead = measures["lead_time"]
    skewed = f"{output.count(lead['skewed'], 'commit')} left out: a clock was wrong" if lead["skewed"] else ""
    lines = [
        ("change lead time, median", *_median(lead["total"]), skewed),
        ("  p90", charts.seconds(lead["total"]["p90_s"]), "", ""),
        ("  waiting to be deployed", *_median(lead["waiting"]), ""),
        ("  building and starting", *_median(lead["building"]), ""),
        ("  observing, once live", *_median(lead["observing"]), ""),
    ]
    if lead["authored"] != lead["total"]:
        lines.append(("  since it was written", *_median(lead["authored"]), "by the author's time"))
    return lines


def _rest(measures: Json) -> list[Line]:
    often, mend, batch = measures["frequency"], measures["recovery"], measures["batches"]
    days = f"on {often['days_a_week']:g} days a week" if often["days_a_week"] is not None else ""
    still = f"{mend['open']} of {mend['failures']} not over" if mend["open"] else ""
    fails, rework = measures["change_fail"], measures["rework"]
    return [
        ("deployment frequency", _frequency(often), "", days),
        ("failed deployment recovery, median", *_median(mend["times"]), still),
        ("change fail rate", *_share(fails), f"{fails['count']} of {fails['of']}"),
        ("rework rate", *_share(rework), f"{rework['count']} of {rework['of']}"),
        ("commits a deploy, mean", _number(batch["commits_mean"]), "", f"at most {batch['commits_most']}"),
        ("authors a deploy, mean", _number(batch["authors_mean"]), "", ""),
        ("deploys of one commit", *_share(batch["single"]), ""),
    ]


def _median(times: Json) -> tuple[str, str]:
    if times["median_s"] is None:
        return "-", ""
    ends = times["low_s"], times["high_s"]
    return output.duration(times["median_s"]), "" if None in ends else " to ".join(map(output.duration, ends))


def _share(one: Json) -> tuple[str, str]:
    if one["share"] is None:
        return "-", ""
    return output.share(one["share"]), f"{output.share(one['low'])} to {output.share(one['high'])}"


def _frequency(often: Json) -> str:
    if not often["deploys"]:
        return "-"
    per_day, per_week = often["per_day"], often["per_week"]
    return f"{_rounded(per_day)} a day" if per_day >= 1 else f"{_rounded(per_week)} a week"


def _rounded(value: float) -> str:
    """Two digits, or all before the point.

    >>> _rounded(0.456), _rounded(9.96), _rounded(273.97)
    ('0.46', '10', '274')
    """
    return f"{value:.2g}" if value < 99.5 else f"{value:,.0f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _trends(trends: Json) -> dict[str, str]:
    words = {
        "change lead time, median": ("lead_time", "longer", "shorter"),
        "failed deployment recovery, median": ("recovery", "longer", "shorter"),
        "change fail rate": ("change_fail", "higher", "lower"),
        "rework rate": ("rework", "higher", "lower"),
    }
    return {
        name: {"more": more, "less": less}.get(trends[measure], "") for name, (measure, more, less) in words.items()
    }


def _caught(measures: Json) -> list[str]:
    parts = [
        (measures["stopped"], "failed before it was live"),
        (measures["withdrawn"], "withdrawn as a canary"),
        (measures["elsewhere"], "taken back though the cause was elsewhere"),
    ]
    said = ", ".join(f"{number} {what}" for number, what in parts if number)
    return [f"not counted as failures: {said}"] if said else []


def _no_before(answer: Json) -> list[str]:
    if answer["before"] is not None:
        return []
    return [f"nothing to compare with: the first deploy was on {answer['first_day']}"]


def _bars(over: Json) -> list[str]:
    step = "day" if over["step_s"] == 86_400 else "week"
    rows = []
    for name in ("deploys", "lead_time", "change_fail"):
        values = over[name]["values"]
        known = [value for value in values if value is not None]
        if len(values) > 1 and any(known):
            rows.append([f"{over[name]['name']} by the {step}", charts.spark(values)])
    return ["", *output.aligned(rows)] if rows else []


def _failures(answer: Json) -> list[str]:
    shown = answer["failures"][:_SHOWN]
    if not shown:
        return []
    is_many = len(answer["places"]) > 1
    rows = [
        [
            *([one["place"]] if is_many else []), one["deploy"], one["app"], output.moment(one["live_at"]), one["how"],
            output.duration(one["recovery_s"]) + ("" if one["recovered_at"] else " so far"), " ".join(one["incidents"]),
        ]
        for one in shown
    ]  # fmt: skip
    more = answer["now"]["recovery"]["failures"] - len(shown)
    table = output.aligned([[*(["PLACE"] if is_many else []), *_FAILED], *rows])
    return ["", *table, *([f"and {more} more"] if more > 0 else [])]


def _explained(definitions: list[Json]) -> list[str]:
    import textwrap

    texts = []
    for one in definitions:
        texts += ["", f"{one['measure']} (definition {one['version']})"]
        for name in ("what", "formula", "counted", "not_counted"):
            lead = "" if name == "what" else f"{name.replace('_', ' ')}: "
            texts += textwrap.wrap(lead + one[name], 100, initial_indent="  ", subsequent_indent="    ")
    return texts
