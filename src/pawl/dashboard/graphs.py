"""The graphs of an app: what was counted and read in a span, as charts over one time axis with its deploys marked.

A step is a gap where nothing is known of it: nobody was asked, and the machine's gauges, which are read every five
seconds while pawld runs, were not read. Where they were, nobody having asked is zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pawl.dashboard.charts.chart import Chart, Line, Mark, Shape, Unit
from pawl.dashboard.marks import marks
from pawl.dashboard.place import Place
from pawl.dashboard.spans import Span
from pawl.observe.store.steps import Step
from pawl.observe.tally import Tally

_CLASSES = (
    ("1xx", "n5", ("1xx",)), ("2xx", "ok", ("2xx",)), ("3xx", "redirect", ("3xx",)),
    ("4xx", "refused", ("4xx", "401", "403", "404")), ("client gone", "gone", ("gone",)), ("5xx", "error", ("5xx",)),
)  # fmt: skip
_ALWAYS = ("2xx", "5xx")
_QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
_LEAST_S = 10.0
"""Of a step that goes on, so much must be over before it is shown: a second says nothing of the rest."""
_MOST_INSTANCES = 6
_SERVICES_EVERY_S = 15.0
_STYLES = 8
_NOTHING = Step()
Values = list[float | None]


async def app_graphs(place: Place, app: str, span: Span) -> list[Chart]:
    """Every graph there is to show: requests, times, errors and load of every app, the others if they have values.

    Raises:
        StateError: what was counted cannot be read.
    """
    deploys = marks(place.ledger, app, began=span.began, ended=span.ended)
    return await place.ask(
        lambda source: charts(source.steps(app, began=span.began, ended=span.until, step_s=span.step_s), span, deploys)
    )


def charts(steps: dict[int, Step], span: Span, deploys: tuple[Mark, ...] = ()) -> list[Chart]:
    """The graphs of what is known of an app in a span."""
    told = Told(span, [steps.get(at, _NOTHING) for at in range(span.began, span.until, span.step_s)])
    asked = told.asked()
    found = [
        _requests(asked, told.lasted), _times(asked), _errors(asked), _load(told), _memory(told), _cpu(told),
        _instances(told), *_database(told), _queues(told),
    ]  # fmt: skip
    return [one.chart(span, deploys) for one in found if one.is_always or one.has_values]


@dataclass(frozen=True, slots=True)
class Graph:
    """A chart but for its axis and its marks."""

    id: str
    title: str
    unit: Unit
    lines: tuple[Line, ...]
    shape: Shape = "line"
    is_always: bool = False

    @property
    def has_values(self) -> bool:
        return any(value is not None for line in self.lines for value in line.values)

    def chart(self, span: Span, deploys: tuple[Mark, ...]) -> Chart:
        return Chart(
            self.id, self.title, self.unit, span.began, span.ended, span.step_s, self.lines, deploys, self.shape
        )


class Told:
    """What is known of each step of a span, and how to put it into lines."""

    def __init__(self, span: Span, steps: Sequence[Step]) -> None:
        self.steps = steps
        self.lasted = [min(span.step_s, span.ended - at) for at in range(span.began, span.until, span.step_s)]
        self._step_s = span.step_s
        self._names: dict[str, set[str]] = {}
        for name, instance in set().union(*(step.gauges for step in steps)):
            self._names.setdefault(name, set()).add(instance)
        self._ticks = [step.machine.get(("load", ""), (0, 0.0))[0] for step in steps]

    def asked(self) -> list[Tally | None]:
        """The requests of each step: none where nobody asked, None where that is not known or the step is too young."""
        least = min(self._step_s, max(_LEAST_S, self._step_s / 5))
        return [
            step.tally if lasted >= least and (step.tally.statuses or step.machine) else None
            for step, lasted in zip(self.steps, self.lasted, strict=True)
        ]

    def names(self, gauge: str) -> list[str]:
        """The instances that had the gauge, in their natural order."""
        return sorted(self._names.get(gauge, ()), key=_natural)

    def mean(self, gauge: str, instance: str, *, of_machine: bool = False) -> Values:
        """The mean of a gauge in each step; None where it was not read."""
        found = ((step.machine if of_machine else step.gauges).get((gauge, instance)) for step in self.steps)
        return [sums[1] / sums[0] if sums else None for sums in found]

    def carried(self, gauge: str, instance: str) -> Values:
        """As :meth:`mean` of a service, which is read more seldom than a narrow step: a value holds until the next."""
        values = self.mean(gauge, instance)
        holds = int(3 * _SERVICES_EVERY_S // self._step_s)
        last: float | None = None
        age = 0
        for place, value in enumerate(values):
            last, age = (value, 0) if value is not None else (last, age + 1)
            if value is None and age <= holds and self._ticks[place]:
                values[place] = last
        return values

    def at_once(self, gauge: str, instances: Sequence[str], *, count: bool = False) -> Values:
        """What instances had together of a gauge, or how many had it, on average over each step.

        An instance that ran for half of a step counts half: what is summed up is divided by how often pawld looked.
        """
        place = 0 if count else 1
        return [
            sum(step.gauges.get((gauge, one), (0, 0.0))[place] for one in instances) / ticks if ticks else None
            for step, ticks in zip(self.steps, self._ticks, strict=True)
        ]


def _requests(asked: Sequence[Tally | None], lasted: Sequence[float]) -> Graph:
    by_status = [None if one is None else one.by_status for one in asked]
    lines = []
    for name, style, classes in _CLASSES:
        counts = [None if one is None else sum(one[each] for each in classes) for one in by_status]
        if name in _ALWAYS or any(counts):
            rates = [None if count is None else count / span for count, span in zip(counts, lasted, strict=True)]
            lines.append(Line(name, rates, style))
    return Graph("requests", "Requests", "per second", tuple(lines), "area", is_always=True)


def _times(asked: Sequence[Tally | None]) -> Graph:
    shares = [share for _, share in _QUANTILES]
    found = [[None] * len(shares) if one is None else one.latencies.quantiles(*shares) for one in asked]
    lines = [Line(name, [one[place] for one in found], name) for place, (name, _) in enumerate(_QUANTILES)]
    return Graph("times", "Response times", "seconds", tuple(lines), is_always=True)


def _errors(asked: Sequence[Tally | None]) -> Graph:
    shares = [one.errors / one.requests if one and one.statuses else None for one in asked]
    return Graph("errors", "Share of errors (5xx)", "share", (Line("errors", shares, "error"),), is_always=True)


def _load(told: Told) -> Graph:
    line = Line("load", told.mean("load", "", of_machine=True), "n0")
    return Graph("load", "Load average of the machine", "count", (line,), is_always=True)


def _memory(told: Told) -> Graph:
    return Graph("memory", "Memory", "bytes", _by_instance(told, "rss"), "area")


def _cpu(told: Told) -> Graph:
    return Graph("cpu", "Processor (100 % is one core)", "share", _by_instance(told, "cpu"), "area")


def _instances(told: Told) -> Graph:
    lines = [(name, told.at_once("rss", one, count=True)) for name, one in _by_process(told.names("rss")).items()]
    return Graph("instances", "Instances running", "count", _styled(lines), "area")


def _database(told: Told) -> list[Graph]:
    connections, active, sizes = (told.names(name) for name in ("db_connections", "db_active", "db_bytes"))
    used = [(_of("all", one, connections), told.carried("db_connections", one)) for one in connections]
    used += [(_of("active", one, active), told.carried("db_active", one)) for one in active]
    size = [(one or "database", told.carried("db_bytes", one)) for one in sizes]
    return [
        Graph("database", "Connections to the database", "count", _styled(used)),
        Graph("database-size", "Size of the database", "bytes", _styled(size)),
    ]


def _queues(told: Told) -> Graph:
    lines = [(one or "queue", told.carried("queue_length", one)) for one in told.names("queue_length")]
    return Graph("queues", "Queue length", "count", _styled(lines))


def _by_instance(told: Told, gauge: str) -> tuple[Line, ...]:
    """A line an instance; a line a process type where these are too many to tell apart."""
    names = told.names(gauge)
    groups = {name: [name] for name in names} if len(names) <= _MOST_INSTANCES else _by_process(names)
    return _styled((name, told.at_once(gauge, instances)) for name, instances in groups.items())


def _by_process(instances: Iterable[str]) -> dict[str, list[str]]:
    """Instances by process type; those beyond as many as there are colours are one.

    >>> _by_process(["web.1", "web.2", "worker.1"])
    {'web': ['web.1', 'web.2'], 'worker': ['worker.1']}
    """
    found: dict[str, list[str]] = {}
    for one in instances:
        process = one.rpartition(".")[0] or one
        name = process if process in found or len(found) < _STYLES - 1 else "others"
        found.setdefault(name, []).append(one)
    return found


def _styled(lines: Iterable[tuple[str, Values]]) -> tuple[Line, ...]:
    return tuple(Line(name, values, f"n{place % _STYLES}") for place, (name, values) in enumerate(lines))


def _of(what: str, one: str, names: Sequence[str]) -> str:
    """What a line is called: with the database where there are several."""
    return f"{what}, {one}" if len(names) > 1 else what


def _natural(instance: str) -> tuple[str, int]:
    process, _, number = instance.rpartition(".")
    return (process, int(number)) if number.isdecimal() else (instance, 0)
