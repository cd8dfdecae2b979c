"""A schedule: which workflow starts when. What it does at a time is decided here. Pure; times are UTC microseconds.

what is known            when it is decided
the slots                `Schedule.timing`
what is behind           `ScheduleStanding`: the last slot that was decided on, and slots that wait for a run to end
what is done now         `decide`
"""

from __future__ import annotations

import difflib
import hashlib
import math
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from actors.spi import MissingExtra
from supervisors.spi import SpecError, SpecFault, builder
from teams._journal.codec import decode, encode
from teams._journal.errors import NotReadable, NotStorable
from teams._journal.rows import ScheduleRow
from teams.workflows._graph.check import id_faults
from teams.workflows._graph.workflow import Workflow
from teams.workflows._time.cron import DAY, SECOND, Interval, Timing, between, cron, iso, last_between

Overlap = Literal["skip", "queue", "allow", "cancel"]
CatchUp: TypeAlias = Literal["none", "one"] | int

LATE = 60 * SECOND
"""A slot whose time is over for longer was missed: no engine was there."""
MOST = 1_000
"""The most slots that are caught up with, that wait, and that one backfill starts."""
LONGEST = 3_660 * DAY
"""The longest interval."""


@dataclass(frozen=True, slots=True)
class WorkflowSchedule:
    """When runs of a workflow are started. Made by `schedule()`."""

    id: str
    workflow: str
    cron: str | None
    every: float | None
    tz: str
    input: object
    overlap: Overlap
    catch_up: CatchUp
    jitter: float

    @property
    def timing(self) -> Timing:
        """Its slots."""
        return timing_of(self.cron, self.every, self.tz)

    @property
    def delay(self) -> int:
        """The most microseconds between a slot and the start of its run."""
        return round(self.jitter * SECOND)

    @property
    def limit(self) -> int:
        """How many slots that were missed are caught up with."""
        return {"none": 0, "one": 1}.get(self.catch_up, 0) if isinstance(self.catch_up, str) else self.catch_up


@lru_cache(maxsize=1_000)
def timing_of(expression: str | None, every: float | None, tz: str) -> Timing:
    """The slots of a schedule. Raises what `cron` and ZoneInfo raise."""
    if expression is None:
        assert every is not None
        return Interval(round(every * SECOND))
    return cron(expression, zoneinfo.ZoneInfo(tz))


@builder("schedule {id}")
def schedule(
    id: str,
    workflow: str | Workflow,
    *,
    cron: str | None = None,
    every: float | None = None,
    tz: str = "UTC",
    input: object = None,
    overlap: Overlap = "skip",
    catch_up: CatchUp = "one",
    jitter: float = 0.0,
) -> WorkflowSchedule:
    """Starts a workflow again and again; a part of an `engine`. Raises SpecError with all faults at once.

    Each of its times is a slot. A slot has one run, whichever process starts it, through restarts and changes of the
    clock: the key of the run is `id/slot`, with the slot in UTC as ISO 8601 writes it.

    Args:
        id: Its name, under which its state is in the store.
        workflow: The workflow or pattern, or its name in the engine.
        cron: When, as a cron expression of five fields (minute, hour, day of the month, month, day of the week), on
            the clock of `tz`. A time that does not exist, because the clock is set forward, moves to the next instant;
            one that is there twice counts once. Needs the extra `workflows`. Either this or `every` is given.
        every: When, as seconds between two slots, from 1 second on, counted from the epoch: `every=3600` is on the hour
            in UTC.
        tz: The zone of `cron`, such as "Europe/Berlin". Default: "UTC".
        input: The input of each run; JSON. Default: None.
        overlap: What becomes of a slot while the run of an earlier one has not ended: "skip" leaves it out, "queue"
            starts it when that run has ended (1,000 slots at most wait), "allow" starts it at once, "cancel" cancels
            that run and starts it. Default: "skip".
        catch_up: What becomes of slots more than a minute late, because no engine was there: "none" leaves them out,
            "one" starts the last of them unless a slot is due anyway, a number starts the last so many, at most 1,000.
            Default: "one".
        jitter: Seconds, at most a day, by which the run of a slot may start later; how many depends on the slot alone.
            It keeps the runs of many schedules from starting at once. Default: 0.0.
    """
    name: object = workflow.name if isinstance(workflow, Workflow) else workflow
    faults = [
        *id_faults("schedule", id),
        *_name_faults(id, name),
        *_timing_faults(f"schedule {id}", cron, every, tz),
        *_option_faults(f"schedule {id}", every, input, overlap, catch_up, jitter),
    ]
    if faults:
        raise SpecError(faults)
    assert isinstance(name, str)
    return WorkflowSchedule(id, name, cron, every, tz, input, overlap, catch_up, float(jitter))


def _name_faults(id: object, name: object) -> Iterator[SpecFault]:
    if not isinstance(name, str) or not name:
        yield SpecFault(f"schedule {id}", f"workflow: must be a workflow or the name of one, got {name!r}")


def _timing_faults(path: str, expression: object, every: object, tz: object) -> Iterator[SpecFault]:
    if (expression is None) == (every is None):
        yield SpecFault(path, 'must have either cron="30 2 * * *" or every=3600.0, and not both')
    zone = list(_zone_faults(path, tz))
    yield from zone
    if every is not None and not (_is_number(every) and every >= 1.0 and every * SECOND <= LONGEST):  # type: ignore[operator]
        yield SpecFault(path, f"every: must be between 1 second and ten years in seconds, got {every!r}")
    if every is not None and expression is None and not zone and tz != "UTC":
        yield SpecFault(path, "tz: is the zone of cron; the slots of every= are counted from the epoch, in UTC")
    if expression is None:
        return
    if not isinstance(expression, str):
        yield SpecFault(path, f'cron: must be a string such as "30 2 * * *", got {expression!r}')
        return
    try:
        cron(expression, zoneinfo.ZoneInfo("UTC"))
    except MissingExtra as error:
        yield SpecFault(path, f"cron: {error}; or use every=")
    except ValueError as error:
        yield SpecFault(path, f'cron: {error}, got {expression!r}. Write it as "30 2 * * *"')


def _zone_faults(path: str, tz: object) -> Iterator[SpecFault]:
    if isinstance(tz, str):
        try:
            zoneinfo.ZoneInfo(tz)
        except (LookupError, ValueError, OSError):
            near = difflib.get_close_matches(tz[:100], sorted(zoneinfo.available_timezones()), n=1)
            hint = f"did you mean {near[0]!r}?" if near else "write it as 'Europe/Berlin'; it must be installed"
            yield SpecFault(path, f"tz: there is no zone {tz!r}; {hint}")
    else:
        yield SpecFault(path, f"tz: must be the name of a zone such as 'Europe/Berlin', got {tz!r}")


def _option_faults(
    path: str, every: object, input: object, overlap: object, catch_up: object, jitter: object
) -> Iterator[SpecFault]:
    try:
        encode(input)
    except NotStorable as error:
        yield SpecFault(path, f"input: {error}")
    if overlap not in get_args(Overlap):
        yield SpecFault(path, f"overlap: must be one of {', '.join(get_args(Overlap))}, got {overlap!r}")
    if catch_up not in ("none", "one") and not (type(catch_up) is int and 1 <= catch_up <= MOST):
        yield SpecFault(path, f"catch_up: must be 'none', 'one' or a number from 1 to {MOST}, got {catch_up!r}")
    if not (_is_number(jitter) and 0.0 <= jitter <= DAY / SECOND):  # type: ignore[operator]
        yield SpecFault(path, f"jitter: must be between 0 and {DAY // SECOND} seconds, got {jitter!r}")
    elif _is_number(every) and jitter > every:  # type: ignore[operator]
        yield SpecFault(path, f"jitter: must not be longer than every={every!r}, got {jitter!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


# What is done at a time


class ScheduleStanding(NamedTuple):
    """How far a schedule has come."""

    last: int
    """Slots until here are decided on. Of a new schedule: the time at which it was first seen."""
    queued: tuple[int, ...] = ()
    """Slots that are decided on and have no run yet, in order."""


class SlotDecision(NamedTuple):
    """The decision about the slots that are due."""

    starts: tuple[int, ...]
    """Slots whose runs start now, in order."""
    cancels: bool
    """Whether the open runs of the schedule are cancelled first."""
    left_out: tuple[tuple[int, int, str], ...]
    """Slots that will have no run: from the first to the last, and why."""
    standing: ScheduleStanding
    """How far it has come when these runs are started."""


def run_key(id: str, slot: int) -> str:
    """The key of the run of a slot: one run a slot."""
    return f"{id}/{iso(slot)}"


def begins(schedule: WorkflowSchedule, slot: int) -> int:
    """When the run of a slot starts: the same in each process."""
    if not schedule.delay:
        return slot
    digest = hashlib.sha256(run_key(schedule.id, slot).encode()).digest()
    return slot + (int.from_bytes(digest[:8]) * schedule.delay >> 64)


def next_at(schedule: WorkflowSchedule, standing: ScheduleStanding) -> int | None:
    """When the next slot that is not decided on starts. None: there is none."""
    slot = next(schedule.timing.after(standing.last), None)
    return None if slot is None else begins(schedule, slot)


def decide(schedule: WorkflowSchedule, standing: ScheduleStanding, now: int, *, is_open: bool) -> SlotDecision:
    """The decision at a time. `is_open` says whether a run of the schedule has not ended."""
    due, missed, last = _due(schedule, standing.last, now)
    left_out = [] if missed is None else [(*missed, "no engine was there in time")]
    waiting = (*standing.queued, *due)
    busy = f"an earlier run has not ended (overlap={schedule.overlap!r})"
    starts: tuple[int, ...] = ()
    queued: tuple[int, ...] = ()
    match schedule.overlap:
        case "allow":
            starts = waiting
        case "queue":
            starts, queued = ((), waiting) if is_open else (waiting[:1], waiting[1:])
            if len(queued) > MOST:
                left_out.append((queued[MOST], queued[-1], f"{MOST} slots wait already"))
                queued = queued[:MOST]
        case "skip":
            starts = () if is_open else waiting[:1]
            if rest := waiting[len(starts) :]:
                left_out.append((rest[0], rest[-1], busy))
        case "cancel":
            starts = waiting[-1:]
            if rest := waiting[:-1]:
                left_out.append((rest[0], rest[-1], f"a later slot is due (overlap={schedule.overlap!r})"))
    cancels = schedule.overlap == "cancel" and is_open and bool(starts)
    return SlotDecision(starts, cancels, tuple(left_out), ScheduleStanding(last, queued))


def _due(schedule: WorkflowSchedule, last: int, now: int) -> tuple[tuple[int, ...], tuple[int, int] | None, int]:
    """The slots that start now, the first and last one that are left out before them, and the last one of all."""
    timing = schedule.timing
    until = now
    for slot in between(timing, max(last, now - schedule.delay - 1), now):
        if begins(schedule, slot) > now:
            until = slot - 1
            break
    recent = tuple(between(timing, max(last, min(until, now - LATE - schedule.delay - 1)), until))
    in_time = next((n for n, slot in enumerate(recent) if begins(schedule, slot) >= now - LATE), len(recent))
    count = max(len(recent) - in_time, schedule.limit)
    due = last_between(timing, last, until, count) if count else ()
    first = next(between(timing, last, until), None)
    if first is None:
        return (), None, last
    if due:
        missed = None if due[0] == first else (first, *last_between(timing, last, due[0] - 1, 1))
        return due, missed, due[-1]  # type: ignore[return-value]  # two numbers
    (end,) = last_between(timing, last, until, 1)
    return (), (first, end), end


# Rows


def row_of(
    schedule: WorkflowSchedule,
    standing: ScheduleStanding,
    *,
    version: str,
    timeout: float | None,
    total: int | None,
    paused: bool,
) -> ScheduleRow:
    """The schedule as it is stored. With the version and the options of its runs, so that any process can start one."""
    spec: dict[str, Any] = {"version": version, "timeout": timeout, "total": total}
    spec |= {"cron": schedule.cron} if schedule.cron is not None else {"every": schedule.every}
    row = ScheduleRow(
        id=schedule.id,
        workflow=schedule.workflow,
        spec=encode(spec).decode(),
        tz=schedule.tz,
        input=encode(schedule.input),
        overlap=schedule.overlap,
        catch_up=str(schedule.catch_up),
        jitter=schedule.jitter,
        next_at=None,
        last_slot=None,
        paused=paused,
    )
    return moved(row, standing)


def schedule_of(row: ScheduleRow) -> WorkflowSchedule:
    """The schedule of a row. Raises NotReadable."""
    spec = spec_of(row)
    try:
        catch_up: Any = row.catch_up if row.catch_up in ("none", "one") else int(row.catch_up)
        return WorkflowSchedule(
            row.id, row.workflow, spec.get("cron"), spec.get("every"), row.tz, decode(row.input),
            row.overlap, catch_up, row.jitter,  # type: ignore[arg-type]  # it was checked when it was written
        )  # fmt: skip
    except ValueError as error:
        raise NotReadable(f"schedule {row.id}: {error}") from None


def spec_of(row: ScheduleRow) -> Mapping[str, Any]:
    """The spec in the row of a schedule."""
    found: Mapping[str, Any] = decode(row.spec.encode())
    return found


def standing_of(row: ScheduleRow) -> ScheduleStanding:
    """How far the schedule of a row has come."""
    return ScheduleStanding(row.last_slot or 0, tuple(spec_of(row).get("queued", ())))


def moved(row: ScheduleRow, standing: ScheduleStanding) -> ScheduleRow:
    """The row when the schedule has come so far."""
    spec = {name: value for name, value in spec_of(row).items() if name != "queued"}
    if standing.queued:
        spec["queued"] = list(standing.queued)
    at = None if row.paused else next_at(schedule_of(row), standing)
    return replace(row, spec=encode(spec).decode(), last_slot=standing.last, next_at=at)


def paused(row: ScheduleRow, now: int, *, pause: bool) -> ScheduleRow:
    """The row when the schedule is paused or goes on. What falls into a pause is left out, and what waits, too."""
    return moved(replace(row, paused=pause), ScheduleStanding(max(now, row.last_slot or 0)))


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """The status of a schedule. Times are seconds since the epoch."""

    id: str
    workflow: str
    cron: str | None
    every: float | None
    tz: str
    overlap: str
    catch_up: str
    jitter: float
    """Seconds."""
    paused: bool
    next_at: float | None
    """When the next run starts; None: it is paused, or there is no further slot."""
    decided_until: float
    """Slots until here have their run, wait for it, or are left out."""
    queued: tuple[float, ...]
    """Slots that wait for an earlier run to end."""


def status_of(row: ScheduleRow) -> ScheduleStatus:
    """The status of a schedule, by its row."""
    spec, standing = spec_of(row), standing_of(row)
    return ScheduleStatus(
        id=row.id,
        workflow=row.workflow,
        cron=spec.get("cron"),
        every=spec.get("every"),
        tz=row.tz,
        overlap=row.overlap,
        catch_up=row.catch_up,
        jitter=row.jitter,
        paused=row.paused,
        next_at=None if row.next_at is None else row.next_at / SECOND,
        decided_until=standing.last / SECOND,
        queued=tuple(each / SECOND for each in standing.queued),
    )
