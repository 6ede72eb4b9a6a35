"""The judge over generated histories whose right answer is known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Iterator, Sequence

import pytest

from pawl.errors import UsageError
from pawl.observe import baseline
from pawl.observe.backtest import Backtest, Replay, Span, backtest, quantile, share_interval
from pawl.observe.history import History
from pawl.observe.injection import Injection, binomial
from pawl.observe.signals import KNOWN, LoggedSignals
from pawl.observe.store import SignalStore
from pawl.observe.tally import NOTHING, Tally
from tests.unit.observe.history_rig import HEALTHY, NONE, Story, Traffic, fill

HOUR, DAY = 3600, 86_400
NOW = 1_769_990_400 + 10 * HOUR  # 2026-02-02 10:00 UTC
BEGAN = NOW - 14 * HOUR
OUTAGE = NOW - 5 * HOUR - 7 * 60

Sources = Callable[[Story], LoggedSignals]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sources]:
    """A source over a store with 14 hours of a story."""
    stores: list[SignalStore] = []

    def made(story: Story) -> LoggedSignals:
        path = tmp_path_factory.mktemp("history") / "signals.db"
        fill(path, "demo", story, began=BEGAN, ended=NOW)
        stores.append(SignalStore(path))
        return LoggedSignals(stores[-1])

    yield made
    for store in stores:
        store.close()


@pytest.fixture(scope="module")
def healthy(sources: Sources) -> LoggedSignals:
    return sources(lambda _: ("good", HEALTHY))


def replayed(
    source: LoggedSignals,
    *,
    began: float = NOW - DAY,
    ended: float = NOW,
    duration_s: float = 300.0,
    left_out: Sequence[Span] = (),
    bad_releases: Collection[str] = (),
    injection: Injection | None = None,
    seed: int = 1,
) -> Backtest:
    replay = Replay(
        "demo", began=began, ended=ended, duration_s=duration_s, left_out=left_out, bad_releases=bad_releases,
        injection=injection, seed=seed,
    )  # fmt: skip
    return backtest(source, replay)


def test_a_healthy_history_takes_nothing_back(healthy: LoggedSignals) -> None:
    found = replayed(healthy)
    assert (found.taken_back, found.alarms, found.step_s) == (0, (), 60)
    # Ten hours of the day were before the app; the first minutes have no baseline yet.
    assert 130 <= found.watches <= 140
    assert found.skipped_no_traffic == pytest.approx(100, abs=2)
    assert found.skipped_too_little <= 3
    assert found.skipped_deploys == 0
    assert found.watches + found.skipped_no_traffic + found.skipped_too_little == DAY / 360
    assert len(found.max_log_es) == found.watches
    assert max(found.max_log_es) < math.log(100)
    assert found.suggested_log_threshold == pytest.approx(math.log(100))
    assert found.interval == share_interval(0, found.watches)
    assert (found.injected, found.caught, found.delays_s) == (0, 0, ())


def test_an_outage_in_the_history_is_found_when_it_was(sources: Sources) -> None:
    bad = Traffic(errors=0.3)
    source = sources(lambda at: ("good", bad if OUTAGE <= at < OUTAGE + 300 else HEALTHY))
    found = replayed(source)
    assert 1 <= found.taken_back <= 2
    first = found.alarms[0]
    assert first.began - found.watch_s < OUTAGE < first.began + first.after_s
    assert all(OUTAGE - 360 < one.began < OUTAGE + 360 for one in found.alarms)
    assert first.why.startswith("errors ")
    assert found.interval[0] > 0
    assert max(found.max_log_es) > math.log(100)
    without = replayed(source, left_out=[(OUTAGE - 600.0, OUTAGE + 600.0)])
    assert without.taken_back == 0
    assert without.skipped_deploys == pytest.approx(4, abs=1)


def test_many_more_errors_are_caught_within_few_looks(healthy: LoggedSignals) -> None:
    found = replayed(healthy, injection=Injection(errors=0.2))
    assert found.taken_back == 0
    assert found.caught == found.injected == found.watches
    assert set(found.delays_s) == {180.0}  # three looks: two alone never suffice
    assert quantile(found.delays_requests, 0.5) == 900


def test_few_more_errors_are_not_caught(healthy: LoggedSignals) -> None:
    found = replayed(healthy, injection=Injection(errors=0.001))
    assert found.injected == found.watches > 100
    assert found.caught <= 0.02 * found.watches


def test_twice_as_slow_is_caught_after_the_warm_up(healthy: LoggedSignals) -> None:
    found = replayed(healthy, injection=Injection(slow=2.0))
    assert found.caught == found.injected > 100
    assert set(found.delays_s) <= {240.0, 300.0}  # the first minute's latencies are left out


def test_a_little_slower_is_not_caught(healthy: LoggedSignals) -> None:
    assert replayed(healthy, injection=Injection(slow=1.04)).caught == 0


def test_the_same_seed_gives_the_same_answer_and_another_one_another(healthy: LoggedSignals) -> None:
    one, again, other = (
        replayed(healthy, began=NOW - 6 * HOUR, ended=NOW - HOUR, injection=Injection(errors=0.012), seed=seed)
        for seed in (1, 1, 2)
    )
    assert one == again
    assert one.delays_s != other.delays_s
    assert one.max_log_es == other.max_log_es


def test_times_without_requests_are_left_out_and_counted(sources: Sources) -> None:
    found = replayed(sources(lambda at: ("good", HEALTHY if at < NOW - 6 * HOUR else NONE)), began=NOW - 12 * HOUR)
    assert found.skipped_no_traffic == pytest.approx(6 * HOUR / 300, abs=2)
    assert found.watches == pytest.approx(6 * HOUR / 300, abs=2)


def test_traffic_in_which_nothing_could_be_seen_is_not_counted_as_good(sources: Sources) -> None:
    rare = sources(lambda at: ("good", Traffic(requests=1) if at % 1800 == 0 else NONE))
    found = replayed(rare, began=NOW - 12 * HOUR)
    assert found.watches == 0
    assert found.skipped_too_little == 24
    assert found.interval == (0.0, 1.0)


def test_an_app_without_a_history_has_no_watches(healthy: LoggedSignals) -> None:
    found = backtest(healthy, Replay("other", began=NOW - DAY, ended=NOW, duration_s=300))
    assert (found.watches, found.skipped_no_traffic) == (0, 240)


def test_a_release_is_compared_with_itself_and_a_bad_one_with_nothing(sources: Sources) -> None:
    def story(at: int) -> tuple[str, Traffic]:
        if at < NOW - 8 * HOUR:
            return "first", Traffic(errors=0.1)
        return ("second", HEALTHY) if at < NOW - 2 * HOUR else ("third", Traffic(errors=0.1))

    source = sources(story)
    switches = [(NOW - 8.0 * HOUR, NOW - 8.0 * HOUR + 600)]
    found = replayed(source, began=NOW - 12 * HOUR, left_out=switches, bad_releases={"third"})
    assert found.taken_back == 0
    assert found.skipped_deploys == pytest.approx(24 + 3, abs=2)
    # Had the second been compared with what the first served, errors of 5 % would have gone unseen in it.
    caught = replayed(source, began=NOW - 7 * HOUR, ended=NOW - 2 * HOUR, injection=Injection(errors=0.05))
    assert caught.caught == caught.injected == 60


def test_a_short_watch_is_made_long_enough_for_a_verdict(healthy: LoggedSignals) -> None:
    found = replayed(healthy, began=NOW - 2 * HOUR, duration_s=30.0, injection=Injection(errors=0.5))
    assert found.watch_s == 300
    assert found.caught == found.watches == 24


def test_a_longer_watch_catches_what_takes_longer(healthy: LoggedSignals) -> None:
    short, long = (
        replayed(healthy, began=NOW - 10 * HOUR, duration_s=duration_s, injection=Injection(errors=0.01))
        for duration_s in (300.0, 3600.0)
    )
    assert long.watch_s == 3600
    assert long.watches == 10
    assert long.caught == 10
    assert short.caught / short.injected < 0.7


def test_the_history_gives_the_baseline_that_the_source_gives(healthy: LoggedSignals) -> None:
    history = History("demo", began=BEGAN - HOUR, ended=NOW)
    before = NOW - 4 * HOUR + 23 * 60
    while history.read_until < before:
        history.read_on(healthy, keep_for=before)
    there, here = (baseline.read(source, "demo", ["good"], before=before) for source in (healthy, history))
    assert here.references == there.references
    assert here.lines == there.lines
    assert here.window.tally == there.window.tally
    assert here.rate_per_s == pytest.approx(there.rate_per_s)
    assert here.references["not_found"].events == 0 < there.window.by_status["404"]


def test_the_history_adds_up_hours_and_minutes_to_what_the_source_says(healthy: LoggedSignals) -> None:
    history = History("demo", began=BEGAN, ended=NOW)
    while not history.is_read:
        history.read_on(healthy, keep_for=BEGAN)
    for began, ended in ((BEGAN, NOW), (BEGAN + 420, NOW - 660), (NOW - 3900, NOW - 60), (NOW - 300, NOW)):
        there, here = (source.window("demo", began=began, ended=ended) for source in (healthy, history))
        assert here.tally == there.tally
        there, here = (source.window("demo", began=began, ended=ended, route=KNOWN) for source in (healthy, history))
        assert here.by_status == there.by_status
    assert history.window("demo", began=BEGAN, ended=NOW, release="none").tally == NOTHING


def test_what_is_forgotten_by_the_minute_is_known_by_the_hour(healthy: LoggedSignals) -> None:
    history = History("demo", began=BEGAN, ended=NOW)
    while not history.is_read:
        history.read_on(healthy, keep_for=NOW)
    assert history.minutes_from > BEGAN
    window = history.window("demo", began=BEGAN + 1800, ended=NOW)
    assert (window.began, window.tally) == (BEGAN, healthy.window("demo", began=BEGAN, ended=NOW).tally)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("errors=5%", Injection(errors=0.05)), ("errors=100%", Injection(errors=1.0)),
        (" errors=.5 %", Injection(errors=0.005)),
        ("slow=2x", Injection(slow=2.0)), ("slow=1.25x", Injection(slow=1.25)),
    ],
)  # fmt: skip
def test_a_fault_is_written_as_a_share_or_a_factor(text: str, meant: Injection) -> None:
    assert Injection.of(text) == meant


@pytest.mark.parametrize(
    "text", ["", "foo", "errors", "errors=5", "errors=0%", "errors=101%", "errors=-1%", "slow=2", "slow=1x", "slow=0x",
             "slow=1001x", "slow=0.5x", "errors=5%,slow=2x", "errors=nan%", "slow=" + "9" * 400 + "x"],
)  # fmt: skip
def test_any_other_fault_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        Injection.of(text)
    assert "=" in refused.value.next_step


def test_errors_are_added_to_those_there_are_and_never_exceed_the_requests() -> None:
    tally = Tally.of_codes([2 * 1024] * 900 + [7 * 1024 + 500] * 100)
    chance = random.Random(3)
    assert tally.errors == 100
    added = [Injection(errors=0.05).counts(tally, NOTHING, {}, chance).events["errors"] for _ in range(200)]
    assert sum(added) / 200 == pytest.approx(150, abs=2)
    everything = Injection(errors=1.0).counts(tally, NOTHING, {}, chance)
    assert (everything.requests, everything.events["errors"]) == (1000, 1000)


@pytest.mark.parametrize(("number", "share"), [(50, 0.02), (400, 0.5), (300, 0.93), (100_000, 0.2)])
def test_binomial_numbers_have_the_mean_and_the_variance_of_the_formula(number: int, share: float) -> None:
    chance = random.Random(11)
    drawn = [binomial(chance, number, share) for _ in range(2000)]
    variance = number * share * (1 - share)
    mean = sum(drawn) / len(drawn)
    assert mean == pytest.approx(number * share, abs=4 * math.sqrt(variance / 2000))
    assert sum((one - mean) ** 2 for one in drawn) / 2000 == pytest.approx(variance, rel=0.15)
    assert all(0 <= one <= number for one in drawn)
    assert len(set(drawn)) > 3


def test_the_interval_is_that_of_clopper_and_pearson() -> None:
    # Published: 0 of 10 is 0 to 30.85 %, 1 of 10 is 0.25 % to 44.50 % (Clopper and Pearson 1934, 95 %).
    assert [round(end, 4) for end in share_interval(0, 10)] == [0.0, 0.3085]
    assert [round(end, 4) for end in share_interval(1, 10)] == [0.0025, 0.445]


@pytest.mark.parametrize(("ended", "duration_s"), [(BEGAN, 300.0), (BEGAN - 1, 300.0), (NOW, 0.0), (NOW, -1.0)])
def test_a_span_or_a_watch_of_no_length_is_refused(ended: float, duration_s: float) -> None:
    with pytest.raises(ValueError, match="no backtest"):
        Replay("demo", began=BEGAN, ended=ended, duration_s=duration_s)
