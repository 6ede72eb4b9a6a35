"""``pawl backtest``"""

from __future__ import annotations

from typing import Any

import click

from pawl.cli import charts, options, output
from pawl.errors import PawlError

Json = dict[str, Any]

_MOST_SHOWN = 20
_TIMEOUT_S = 600.0


@click.command("backtest")
@click.argument("app")
@click.option("--days", type=click.IntRange(1, 30), default=7, show_default=True, help="Over so many days until now.")
@click.option(
    "--inject", metavar="FAULT",
    help="Put a fault in: errors=5% (so many requests fail in addition) or slow=2x (all take so many times as long).",
)  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Of the chances which requests fail.")
@options.json_option
def command(app: str, *, days: int, inject: str | None, seed: int, as_json: bool) -> None:
    """How often the judge would have been wrong on an app's own history.

    At regular times without a deploy it watches a change that changes nothing. With --inject: how soon it would have
    caught that fault. Nothing is done to the app; it takes some seconds.
    """
    answer = options.client().get(
        "apps", app, "backtest", days=days, inject=inject, seed=seed, timeout_s=_TIMEOUT_S
    )  # fmt: skip
    if as_json:
        output.as_json(answer)
    if not answer["watches"]:
        raise PawlError(
            f"no time of the last {output.count(days, 'day')} could be judged",
            why=_left_out(answer["skipped"]) or "nothing was counted in them",
            next_step=f"see: pawl signals {app} --since {days}d",
        )
    if not as_json:
        for text in report(answer):
            output.result(text)


def report(answer: Json) -> list[str]:
    """The answer of pawld as lines."""
    texts = [_head(answer), _how(answer)]
    if left_out := _left_out(answer["skipped"]):
        texts.append(f"left out: {left_out}")
    if answer["alarms"]:
        texts += ["", *_alarms(answer)]
    if answer["injected"]:
        texts += ["", *_injected(answer)]
    return texts


def _head(answer: Json) -> str:
    least, most = (output.share(answer[name]) for name in ("share_least", "share_most"))
    return (
        f"{output.printable(answer['app'])}: would have taken back {answer['taken_back']} of {answer['watches']} "
        f"({least} to {most}) from {output.moment(answer['began'])} to {output.moment(answer['ended'])}"
    )


def _how(answer: Json) -> str:
    return (
        f"each watched for {output.duration(answer['watch_s'])}, by the minute; "
        "a real watch looks every 5 s and at the instances too"
    )


def _left_out(skipped: Json) -> str:
    parts = (
        (skipped["deploys"], "during deploys and their watches"),
        (skipped["no_traffic"], "not live or without a request"),
        (skipped["too_little"], "with too little traffic, or too uneven a time before, to see anything"),
    )
    return ", ".join(f"{output.count(number, 'time')} {what}" for number, what in parts if number)


def _alarms(answer: Json) -> list[str]:
    shown = answer["alarms"][:_MOST_SHOWN]
    rows = [[output.moment(one["began"]), output.duration(one["after_s"]), one["why"]] for one in shown]
    texts = output.aligned([["WATCHED FROM", "BACK AFTER", "WHY"], *rows])
    if more := len(answer["alarms"]) - len(shown):
        texts.append(f"and {more} more")
    return [
        *texts,
        "the counts do not tell a false alarm from an outage: what was an outage at those times was rightly seen",
    ]


def _injected(answer: Json) -> list[str]:
    found = answer["injected"]
    fault = output.printable(found["inject"])
    if not found["watches"]:
        return [f"with {fault}: no watch is left to try it in"]
    texts = [
        f"with {fault}: would have caught {found['caught']} of {found['watches']} ({charts.share(found['share'])})"
    ]
    if found["caught"]:
        half, most = (
            f"{output.duration(found[f'{which}_delay_s'])} ({found[f'{which}_delay_requests']:,} requests)"
            for which in ("median", "p90")
        )
        texts[0] += f", half of those within {half}, nine in ten within {most}"
        texts.append("by the minute no fault is caught in less than 3 min; a real watch takes 15 s at least")
    return texts
