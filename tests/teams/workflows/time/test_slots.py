"""The slots of schedules, and what is done about them: pure rules over generated expressions, zones and clocks."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisors import SpecError
from teams.workflows._time.cron import DAY, SECOND, Interval, between, cron, iso, last_between
from teams.workflows._time.schedule import (
    LATE,
    MOST,
    ScheduleStanding,
    WorkflowSchedule,
    begins,
    decide,
    moved,
    next_at,
    paused,
    row_of,
    run_key,
    schedule,
    schedule_of,
    standing_of,
    status_of,
)

MINUTE = 60 * SECOND
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",  # set at midnight
    "Australia/Lord_Howe",  # by half an hour
    "Africa/Casablanca",  # in Ramadan
    "Pacific/Apia",  # left a day out
    "Asia/Kolkata",
    "UTC",
)


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * SECOND)


def shown(zone: ZoneInfo, moment: int) -> datetime:
    return datetime.fromtimestamp(moment / SECOND, UTC).astimezone(zone).replace(tzinfo=None)


@st.composite
def fields(draw: st.DrawFn, low: int, high: int) -> str:
    kind = draw(st.sampled_from(["*", "step", "range", "list"]))
    if kind == "step":
        return f"*/{draw(st.integers(1, high - low))}"
    if kind == "range":
        first = draw(st.integers(low, high))
        return f"{first}-{draw(st.integers(first, high))}"
    if kind == "list":
        return ",".join(map(str, draw(st.lists(st.integers(low, high), min_size=1, max_size=3))))
    return "*"


@st.composite
def changes(draw: st.DrawFn) -> tuple[ZoneInfo, int]:
    """A zone, and a time shortly before its clock is set; or any time, where it is not."""
    zone = ZoneInfo(draw(st.sampled_from(ZONES)))
    begin = at("2010-01-01T00:00:00Z") + draw(st.integers(0, 16 * 365)) * DAY
    times = [begin + hour * 3600 * SECOND for hour in range(0, 366 * 24, 12)]
    change = next((a for a, b in pairwise(times) if shown(zone, b) - shown(zone, a) != timedelta(hours=12)), begin)
    return zone, change - draw(st.integers(0, 6 * 3600)) * SECOND


@settings(max_examples=50)
@given(change=changes(), minute=fields(0, 59), hour=fields(0, 23), day=st.sampled_from(["*", "1-5", "0"]))
def test_slots_are_those_a_reader_of_the_clock_on_the_wall_finds(
    change: tuple[ZoneInfo, int], minute: str, hour: str, day: str
) -> None:
    zone, begin = change
    end = begin + 36 * 3600 * SECOND
    found = list(between(cron(f"{minute} {hour} * * {day}", zone), begin, end))
    wanted = list(_read(zone, begin, end, minute, hour, day))
    assert [iso(slot) for slot in found] == [iso(slot) for slot in wanted]


def _read(zone: ZoneInfo, begin: int, end: int, minute: str, hour: str, day: str) -> Iterator[int]:
    """Looks at the clock each minute."""
    first = datetime(2000, 1, 1, tzinfo=UTC)
    minutes = {each.minute for each in islice(CronSim(f"{minute} * * * *", first), 61)}
    hours = {each.hour for each in islice(CronSim(f"0 {hour} * * *", first), 25)}
    days = {"*": set(range(7)), "1-5": set(range(5)), "0": {6}}[day]

    def fits(time: datetime) -> bool:
        return time.minute in minutes and time.hour in hours and time.weekday() in days

    stars = "*" in (minute[0], hour[0])
    moment = (begin // MINUTE - 50 * 60) * MINUTE
    top = shown(zone, moment)
    while moment < end:
        moment += MINUTE
        time = shown(zone, moment)
        new = [top + timedelta(minutes=n) for n in range(1, int((time - top) / timedelta(minutes=1)) + 1)]
        top = max(top, time)
        if begin < moment <= end and (fits(time) if stars else any(map(fits, new))):
            yield moment


def test_a_slot_that_does_not_exist_moves_to_the_next_instant() -> None:
    slots = cron("30 2 * * *", ZoneInfo("Europe/Berlin")).after(at("2026-03-28T12:00:00+01:00"))
    assert [iso(each) for each in islice(slots, 2)] == ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]


def test_a_slot_that_is_there_twice_counts_once() -> None:
    slots = cron("30 2 * * *", ZoneInfo("Europe/Berlin")).after(at("2026-10-24T12:00:00+02:00"))
    assert [iso(each) for each in islice(slots, 2)] == ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]


def test_slots_end_with_the_calendar() -> None:
    assert list(cron("0 0 1 1 *", ZoneInfo("UTC")).after(at("9998-06-01T00:00:00Z"))) == [at("9999-01-01T00:00:00Z")]


@given(
    interval=st.integers(1, 10_000_000),
    begin=st.integers(0, 2**52),
    spans=st.lists(st.integers(0, 3_000), min_size=1, max_size=5),
)
def test_intervals_give_each_slot_once_however_the_time_is_cut(interval: int, begin: int, spans: list[int]) -> None:
    timing, cuts = Interval(interval), [begin]
    for span in spans:
        cuts.append(cuts[-1] + span * interval // 100)
    parts = [slot for a, b in pairwise(cuts) for slot in between(timing, a, b)]
    assert parts == list(between(timing, begin, cuts[-1]))
    assert all(slot % interval == 0 for slot in parts)


@given(change=changes(), minute=fields(0, 59), hour=fields(0, 23), count=st.integers(1, 20), days=st.integers(0, 9))
def test_the_last_slots_are_the_end_of_all_slots(
    change: tuple[ZoneInfo, int], minute: str, hour: str, count: int, days: int
) -> None:
    zone, begin = change
    timing = cron(f"{minute} {hour} * * *", zone)
    every = list(between(timing, begin, begin + days * DAY))
    assert last_between(timing, begin, begin + days * DAY, count) == tuple(every[-count:])


# What is done at a time

plans = st.builds(
    schedule,
    st.just("s"),
    st.just("w"),
    every=st.sampled_from([1.0, 7.0, 60.0, 90.0, 3600.0]),
    overlap=st.sampled_from(["skip", "queue", "allow", "cancel"]),
    catch_up=st.one_of(st.sampled_from(["none", "one"]), st.integers(1, 5)),
    jitter=st.sampled_from([0.0, 0.3, 1.0]),
)
looks = st.lists(
    st.tuples(st.one_of(st.integers(0, 3), st.integers(-7200, 20_000)), st.booleans()), min_size=1, max_size=40
)
"""Seconds until the next look, of a clock that may jump, and whether a run is open then."""


@given(plan=plans, looks=looks, restarts=st.sets(st.integers(0, 40)))
def test_no_slot_starts_twice_and_none_starts_early(
    plan: WorkflowSchedule, looks: list[tuple[int, bool]], restarts: set[int]
) -> None:
    """Whatever the clock does, and also where the schedule is read from its row again."""
    now = latest = at("2026-01-01T00:00:00Z")
    row = row_of(plan, ScheduleStanding(now), version="1", timeout=None, total=None, paused=False)
    standing, started = standing_of(row), list[int]()
    for number, (seconds, is_open) in enumerate(looks):
        now += seconds * SECOND
        latest = max(latest, now)
        decision = decide(plan, standing, now, is_open=is_open)
        for slot in decision.starts:
            assert begins(plan, slot) <= latest
        started += decision.starts
        assert not set(decision.standing.queued) & set(started)
        standing = decision.standing
        if number in restarts:
            standing = standing_of(moved(row, standing))
    assert len(set(started)) == len(started)
    assert started == sorted(started)


@given(plan=plans, looks=looks)
def test_each_slot_starts_waits_or_is_told_to_be_left_out(
    plan: WorkflowSchedule, looks: list[tuple[int, bool]]
) -> None:
    begin = now = at("2026-01-01T00:00:00Z")
    standing, started, out = ScheduleStanding(begin), set[int](), list[tuple[int, int]]()
    for seconds, is_open in looks:
        now += seconds * SECOND
        decision = decide(plan, standing, now, is_open=is_open)
        started |= set(decision.starts)
        out += [(first, last) for first, last, _ in decision.left_out]
        standing = decision.standing
    for slot in islice(plan.timing.after(begin), 5_000):
        if slot > standing.last:
            break
        ways = (slot in started) + (slot in standing.queued) + any(first <= slot <= last for first, last in out)
        assert ways == 1, iso(slot)


@given(plan=plans, gap=st.integers(0, 20_000))
def test_slots_that_were_missed_are_caught_up_with_as_often_as_asked(plan: WorkflowSchedule, gap: int) -> None:
    begin = at("2026-01-01T00:00:00Z") + 1
    now = begin + gap * SECOND
    plan = schedule("s", "w", every=plan.every, overlap="allow", catch_up=plan.catch_up, jitter=plan.jitter)
    slots = [slot for slot in between(plan.timing, begin, now) if begins(plan, slot) <= now]
    in_time = [slot for slot in slots if begins(plan, slot) >= now - LATE]
    decision = decide(plan, ScheduleStanding(begin), now, is_open=False)
    assert len(decision.starts) == min(len(slots), max(len(in_time), plan.limit))
    assert decision.starts == tuple(slots[len(slots) - len(decision.starts) :])


def test_of_ten_years_of_missed_minutes_only_the_last_is_looked_for() -> None:
    plan = schedule("s", "w", every=60, catch_up="one")
    begin = at("2016-01-01T00:00:00Z")
    decision = decide(plan, ScheduleStanding(begin), begin + 3_650 * DAY + 2 * LATE - 1, is_open=False)
    assert len(decision.starts) == 1
    assert decision.left_out[0][0] == begin + 60 * SECOND


@pytest.mark.parametrize(
    ("overlap", "starts", "queued", "cancels"),
    [("skip", 0, 0, False), ("queue", 0, 3, False), ("allow", 3, 0, False), ("cancel", 1, 0, True)],
)
def test_overlap_says_what_becomes_of_slots_beside_an_open_run(
    overlap: str, starts: int, queued: int, cancels: bool
) -> None:
    plan = schedule("s", "w", every=10, overlap=overlap)  # type: ignore[arg-type]
    begin = at("2026-01-01T00:00:00Z")
    decision = decide(plan, ScheduleStanding(begin), begin + 30 * SECOND, is_open=True)
    assert len(decision.starts) == starts
    assert len(decision.standing.queued) == queued
    assert decision.cancels is cancels


def test_queued_slots_start_one_by_one_as_runs_end() -> None:
    plan = schedule("s", "w", every=10, overlap="queue")
    begin = at("2026-01-01T00:00:00Z")
    now, standing, started = begin + 30 * SECOND, ScheduleStanding(begin), list[int]()
    for _ in range(3):
        decision = decide(plan, standing, now, is_open=False)
        started += decision.starts
        standing = decide(plan, decision.standing, now, is_open=True).standing
    assert started == [begin + n * 10 * SECOND for n in (1, 2, 3)]
    assert standing.queued == ()


def test_no_more_than_a_thousand_slots_wait() -> None:
    plan = schedule("s", "w", every=1, overlap="queue", catch_up=MOST)
    begin = at("2026-01-01T00:00:00Z")
    standing = decide(plan, ScheduleStanding(begin), begin + MOST * SECOND, is_open=True).standing
    decision = decide(plan, standing, begin + (MOST + 5) * SECOND, is_open=True)
    assert decision.standing.queued == standing.queued
    assert [last - first for first, last, _ in decision.left_out] == [4 * SECOND]


def test_a_pause_leaves_out_what_falls_into_it_and_what_waits() -> None:
    plan = schedule("s", "w", every=10)
    begin = at("2026-01-01T00:00:00Z")
    row = row_of(plan, ScheduleStanding(begin, (begin,)), version="1", timeout=None, total=None, paused=False)
    held = paused(row, begin + 5 * SECOND, pause=True)
    assert held.next_at is None
    again = paused(held, begin + 55 * SECOND, pause=False)
    assert standing_of(again) == ScheduleStanding(begin + 55 * SECOND)
    assert again.next_at == begin + 60 * SECOND
    assert paused(again, begin, pause=True).last_slot == begin + 55 * SECOND, "a clock that was set back"


@given(plan=plans, queued=st.lists(st.integers(0, 2**52), max_size=3))
def test_a_schedule_reads_back_from_its_row(plan: WorkflowSchedule, queued: list[int]) -> None:
    standing = ScheduleStanding(at("2026-01-01T00:00:00Z"), tuple(queued))
    row = row_of(plan, standing, version="1", timeout=2.5, total=3, paused=False)
    assert schedule_of(row) == plan
    assert standing_of(row) == standing
    assert row.next_at == next_at(plan, standing)
    assert status_of(row).every == plan.every


@given(plan=plans, slot=st.integers(0, 2**52))
def test_the_delay_of_a_slot_is_within_the_jitter_and_always_the_same(plan: WorkflowSchedule, slot: int) -> None:
    assert 0 <= begins(plan, slot) - slot <= plan.delay
    assert begins(plan, slot) == begins(plan, slot)


def test_the_key_of_a_run_is_the_slot_in_utc() -> None:
    assert run_key("nightly", at("2026-03-29T02:30:00+02:00")) == "nightly/2026-03-29T00:30:00Z"


# What is refused


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "either cron"),
        ({"cron": "* * * * *", "every": 5}, "not both"),
        ({"cron": "30 2 * *"}, "five fields"),
        ({"cron": "0 30 2 * * *"}, "five fields"),
        ({"cron": "61 2 * * *"}, "cron: Bad minute, got '61 2 * * *'"),
        ({"cron": "30 2 31 2 *"}, "cron: Bad day-of-month"),
        ({"cron": 5}, "must be a string"),
        ({"cron": "* * * * *", "tz": "Europe/Berln"}, "did you mean 'Europe/Berlin'?"),
        ({"cron": "* * * * *", "tz": "/etc/passwd"}, "there is no zone"),
        ({"cron": "* * * * *", "tz": "Europe"}, "there is no zone"),
        ({"cron": "* * * * *", "tz": None}, "must be the name of a zone"),
        ({"every": 5, "tz": "Europe/Berlin"}, "tz: is the zone of cron"),
        ({"every": math.nan}, "every: must be between"),
        ({"every": -1}, "every: must be between"),
        ({"every": 0.5}, "every: must be between"),
        ({"every": math.inf}, "every: must be between"),
        ({"every": 1e300}, "every: must be between"),
        ({"every": True}, "every: must be between"),
        ({"every": 5, "input": {"x": math.nan}}, "input: $.x"),
        ({"every": 5, "overlap": "both"}, "overlap: must be one of skip, queue, allow, cancel"),
        ({"every": 5, "catch_up": "all"}, "catch_up: must be"),
        ({"every": 5, "catch_up": 0}, "catch_up: must be"),
        ({"every": 5, "catch_up": True}, "catch_up: must be"),
        ({"every": 5, "jitter": math.nan}, "jitter: must be between"),
        ({"every": 5, "jitter": -1.0}, "jitter: must be between"),
        ({"every": 5, "jitter": 6}, "jitter: must not be longer"),
    ],
)
def test_bad_options_are_refused_with_what_to_write(options: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        schedule("nightly", "w", **options)  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_all_faults_of_a_schedule_are_told_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        schedule("a/b", "", cron="x", tz="y", overlap="z", catch_up=-1, jitter=math.inf)  # type: ignore[arg-type]
    assert len(caught.value.faults) == 7


def test_cron_without_its_extra_is_refused_with_the_name_of_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cronsim", None)
    with pytest.raises(SpecError, match=r"letitcrash\[workflows\]"):
        schedule("nightly", "w", cron="1 2 * * *")
    assert schedule("hourly", "w", every=3600).timing == Interval(3600 * SECOND)
