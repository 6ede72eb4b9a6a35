"""Run measurements and write ``bench/RESULTS.md``; the exit status is 1 when a target is missed."""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import sys
import time

from bench import report

# A module each, in the order they run and are written.
MEASUREMENTS = (
    "switching", "overhead", "rollback", "push", "throughput", "memory", "startup", "many", "counting", "signals",
    "watching", "judge", "catching", "dashboard", "dora", "ledger", "kills", "onlookers", "reader",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of: {', '.join(MEASUREMENTS)}")
    parser.add_argument("--dry-run", action="store_true", help="show the figures, write nothing")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in MEASUREMENTS]:
        parser.error(f"no measurement '{unknown[0]}'; there are: {', '.join(MEASUREMENTS)}")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # measured is Pawl as installed, its bytecode written
    is_all_met = True
    for name in arguments.names or MEASUREMENTS:
        print(f"== {name}", file=sys.stderr, flush=True)
        module = importlib.import_module(f"bench.{name}")
        busy = report.busy_share()
        began = time.monotonic()
        result: report.Result = module.measure()
        took_s = time.monotonic() - began
        print(f"{report.show(result)}\n({took_s:.0f} s)", flush=True)
        is_all_met = is_all_met and all(target.is_met for target in result.targets)
        if not arguments.dry_run:
            report.store(name, result, how=inspect.getdoc(module) or "", took_s=took_s, busy=busy)
            report.write(MEASUREMENTS)
    return 0 if is_all_met else 1


if __name__ == "__main__":
    sys.exit(main())
