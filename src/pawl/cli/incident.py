"""``pawl incident``"""

from __future__ import annotations

from typing import Any

import click

from pawl.cli import options, output
from pawl.cli.times import unix_time
from pawl.errors import UsageError

Json = dict[str, Any]

_WHEN = "so long ago (20m), a time of day (10:40) or an ISO 8601 time"


@click.group("incident")
def command() -> None:
    """Write down what went wrong in production, and when it was over.

    An incident that names the deploy that caused it makes that deploy a failed one in 'pawl dora'.
    """


@command.command("open")
@click.argument("app")
@click.argument("title")
@click.option("--deploy", "caused_by", metavar="DEPLOY", help="The deploy that caused it.")
@click.option("--external", is_flag=True, help="No change was the cause: a provider, a disk, a crowd.")
@click.option(
    "--began", "--since", "began", metavar="TIME", default=None, help=f"When it began: {_WHEN} (default: now)."
)
@options.json_option
def open_(
    app: str, *, title: str, caused_by: str | None, external: bool, began: str | None, as_json: bool
) -> None:  # fmt: skip
    """Write down that something is wrong with an app; answers with the incident's id."""
    body = {
        "title": title, "caused_by": caused_by, "is_external": external, "began": unix_time(began),
        "asked_by": options.asked_by(),
    }  # fmt: skip
    answer = options.client().post("apps", app, "incidents", body=body)
    if as_json:
        output.as_json(answer)
        return
    output.result(
        f"{answer['app']}: incident {answer['incident']} is open since {output.moment(answer['began_at'])}"
        f"{_cause(answer)}"
    )
    output.say(f"  next: when it is over: pawl incident close {answer['incident']}")


@command.command("close")
@click.argument("incident", required=False)
@click.option("--fixed-by", metavar="DEPLOY", help="The deploy that ended it.")
@click.option("--note", metavar="TEXT", default="", help="What was done.")
@click.option(
    "--ended", metavar="TIME", help=f"When it was over: {_WHEN} (default: when --fixed-by went live, or now)."
)
@options.json_option
def close(incident: str | None, *, fixed_by: str | None, note: str, ended: str | None, as_json: bool) -> None:
    """Write down that an app serves well again. INCIDENT may be left out if one alone is open."""
    client = options.client()
    if incident is None:
        incident = _only_open(client.get("incidents", open=1)["incidents"])
    body = {"fixed_by": fixed_by, "note": note, "ended": unix_time(ended), "asked_by": options.asked_by()}
    answer = client.post("incidents", incident, "close", body=body)
    if as_json:
        output.as_json(answer)
        return
    output.result(
        f"{answer['app']}: incident {answer['incident']} is over after {output.duration(answer['duration_s'])}"
        f"{_cause(answer)}{_fix(answer)}"
    )
    if answer["caused_by"]:
        output.say(f'  next: keep what it taught: pawl learn {answer["caused_by"]} "…"')


@command.command("list")
@click.argument("app", required=False)
@click.option("--open", "only_open", is_flag=True, help="Only those that are not over.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at the most.")
@options.json_option
def list_(app: str | None, *, only_open: bool, limit: int, as_json: bool) -> None:
    """The incidents of an app or of all, the one opened last first."""
    answer = options.client().get("incidents", app=app, open=1 if only_open else None, limit=limit)
    if as_json:
        output.as_json(answer)
        return
    if not answer["incidents"]:
        output.say("no incident is open" if only_open else "no incident was written down")
        return
    output.table(
        ("INCIDENT", "APP", "BEGAN", "LASTED", "CAUSE", "ENDED BY", "DEPLOYS", "WHAT"),
        [
            (
                item["incident"], item["app"], output.moment(item["began_at"]),
                "open" if item["is_open"] else output.duration(item["duration_s"]),
                item["caused_by"] or ("elsewhere" if item["is_external"] else "not known"), item["fixed_by"] or "",
                " ".join(item["deploys"][:3]) + (" …" if len(item["deploys"]) > 3 else ""),
                f"{item['title']}{': ' if item['note'] else ''}{item['note']}",
            )
            for item in answer["incidents"]
        ],
    )  # fmt: skip


def _only_open(found: list[Json]) -> str:
    if len(found) == 1:
        return str(found[0]["incident"])
    if not found:
        raise UsageError("no incident is open", next_step="see: pawl incident list")
    raise UsageError(
        f"{len(found)} incidents are open: say which",
        why=", ".join(f"{item['incident']} ({item['app']}: {item['title'][:40]})" for item in found[:5]),
        next_step=f"pawl incident close {found[0]['incident']}",
    )


def _cause(answer: Json) -> str:
    if answer["caused_by"]:
        return f", caused by deploy {answer['caused_by']}"
    return ", caused by no change" if answer["is_external"] else ""


def _fix(answer: Json) -> str:
    return f", ended by deploy {answer['fixed_by']}" if answer["fixed_by"] else ""
