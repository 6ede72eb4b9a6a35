"""What is measured, in words: each definition with its version, to be raised with any change of what is counted."""

from __future__ import annotations

import msgspec


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """``counted`` and ``not_counted`` say which deploys are meant."""

    measure: str
    version: int
    what: str
    formula: str
    counted: str
    not_counted: str


DEFINITIONS = (
    Definition(
        measure="change lead time",
        version=1,
        what="From a commit to its being live: median and p90, for each commit of a change.",
        formula=(
            "switched - committed; waiting = left the queue - committed, building = switched - left the queue (build, "
            "tests, release tasks, start, health, canary), observing = ended - switched, which comes after it"
        ),
        counted="normal deploys that went live and were kept, with each of their commits",
        not_counted=(
            "rollbacks, restarts, new settings; commits whose time is later than the deploy was asked for (a clock "
            "was wrong), which are counted apart as skewed"
        ),
    ),
    Definition(
        measure="deployment frequency",
        version=1,
        what="How often a change goes live and stays.",
        formula=(
            "kept deploys / days of the span; days a week: the median over whole weeks, counted back from the last "
            "day, of the number of days (UTC) with one"
        ),
        counted="normal deploys that went live and were kept by their watch",
        not_counted="rollbacks, restarts, new settings, deploys that failed or were taken back",
    ),
    Definition(
        measure="failed deployment recovery time",
        version=1,
        what="From a failed change going live to something that serves well: median with what is still open.",
        formula=(
            "recovered - switched; recovered: when the last incident that names the deploy was over, else when it was "
            "taken back or another change or rollback went live that has not failed; median by Kaplan and Meier"
        ),
        counted="failed deploys; those not over count with the time they have lasted",
        not_counted="incidents that no change caused",
    ),
    Definition(
        measure="change fail rate",
        version=1,
        what="The share of changes that failed in production.",
        formula=(
            "failed / normal deploys that went live and have ended; Wilson's 95 % interval. Failed: an incident names "
            "it as its cause, or its watch said roll back or hard fail once it served all requests, or it was rolled "
            "back by hand while it served"
        ),
        counted="normal deploys that went live",
        not_counted=(
            "deploys that failed before they were live (build, tests, tasks, start, health) and withdrawn canaries: "
            "shown as caught before; changes taken back where the restored release was as bad, unless an incident "
            "names them"
        ),
    ),
    Definition(
        measure="rework rate",
        version=1,
        what="The share of deploys that were made to put something right.",
        formula=(
            "(rollbacks by hand + hotfixes) / (normal deploys + rollbacks by hand), live ones; Wilson's 95 % "
            "interval. Hotfix: an incident names it as what ended it, or it follows a failed change and one of its "
            "commits' titles begins with hotfix or revert"
        ),
        counted="normal deploys and rollbacks that went live and have ended",
        not_counted="what Pawl takes back by itself: nobody had to deploy for it",
    ),
    Definition(
        measure="batches",
        version=1,
        what="How much goes live at once.",
        formula="commits and authors per deploy; the share of deploys with one commit at the most",
        counted="normal deploys that went live and were kept",
        not_counted="commits beyond the newest 200 of a change",
    ),
)
