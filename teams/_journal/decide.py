"""The effect of a commit on each unit. Pure: a store loads what the units concern, asks here, and writes the answer.

`Heads` is the part of the store that a batch concerns; deciding changes it, so that each unit sees those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from teams._journal.rows import (
    ENDED,
    Fenced,
    InboxRow,
    JournalEntry,
    Known,
    MessageRefused,
    OtherInput,
    Result,
    RunRow,
    Transact,
    Transacted,
    Unit,
    Written,
)

WRITTEN = Written()


@dataclass(slots=True)
class Head:
    """The part of a run row that decides."""

    epoch: int
    seq: int
    ended: bool


@dataclass(slots=True)
class Heads:
    """The state of the runs that a batch concerns, as the store has it."""

    runs: dict[str, Head] = field(default_factory=dict)
    known: dict[str, RunRow] = field(default_factory=dict)
    """The rows behind `start`: of the same id."""
    keys: dict[tuple[str, str], RunRow] = field(default_factory=dict)
    """The same by workflow and key."""
    entries: dict[tuple[str, int], JournalEntry] = field(default_factory=dict)
    """The stored entries that have the run and number of an entry of the batch."""
    inbox: set[str] = field(default_factory=set)
    """The ids of the messages of the batch that are stored."""


def begun(unit: Unit, start: RunRow) -> RunRow:
    """The row of a new run once its unit is written."""
    if not unit.entries and not unit.update:
        return start
    seq = unit.entries[-1].seq if unit.entries else start.seq
    return start._replace(seq=seq, **unit.update)  # type: ignore[arg-type]  # `Unit` has checked the names


class Write(NamedTuple):
    """What has to be written of a unit: the unit, without what the store has already."""

    unit: Unit
    seq: int
    """The number of the last entry of the run after it."""
    instead_of: str | None = None
    """The run in whose place a new one goes on: signals that it has not taken go to the new one."""


def decide(units: Sequence[Unit], heads: Heads) -> tuple[list[Result], list[Write]]:
    """The answer to each unit, and what has to be written, in order.

    A batch that was written before, with an outcome that its writer does not know, is answered `Written` again. Its
    updates are written again in their order, which gives the same rows; unless the run has later entries by now.
    """
    results: list[Result] = []
    writes: list[Write] = []
    last: dict[str, int] = {}
    several = False
    for unit in units:
        if unit.entries:
            several = several or unit.run in last
            last[unit.run] = unit.entries[-1].seq
    stale = {run for run, seq in last.items() if (head := heads.runs.get(run)) is not None and seq < head.seq}
    for unit in units:
        result, write = _decide(unit, heads, unit.run in stale, several)
        results.append(result)
        if write is not None:
            writes.append(write)
            if unit.follow is not None and _begins(unit.follow, heads):
                writes.append(Write(Unit(unit.follow.id, start=unit.follow), 0, unit.run))
    return results, writes


def _is_of(stored: JournalEntry, entry: JournalEntry) -> bool:
    """Whether an entry is that of a step which was done in its transaction."""
    ended = stored.kind in ("done", "failed")
    return ended and (stored.step, stored.attempt, stored.at) == (entry.step, entry.attempt, entry.at)


def transacted(
    results: list[Result], units: Sequence[Unit], writes: list[Write], call: Callable[[Transact], JournalEntry]
) -> None:
    """Does the steps of a batch that are done in its transaction: `call` does one, and takes back what it wrote if it
    fails. Puts their entries into what is written and into the answers.
    """
    for place, (unit, seq, instead_of) in enumerate(writes):
        if unit.transact is not None and unit.entries:
            entry = call(unit.transact)
            writes[place] = Write(replace(unit, entries=(*unit.entries[:-1], entry)), seq, instead_of)
            results[next(at for at, each in enumerate(units) if each is unit)] = Transacted(entry)


def _begins(follow: RunRow, heads: Heads) -> bool:
    """Whether a run that goes on in place of another one is new."""
    if follow.id in heads.runs:
        return False
    heads.runs[follow.id] = Head(follow.epoch, follow.seq, False)
    heads.known[follow.id] = follow
    return True


def _decide(unit: Unit, heads: Heads, stale: bool, several: bool) -> tuple[Result, Write | None]:
    """`several` says whether a later unit of the batch may have entries of the same run."""
    head = heads.runs.get(unit.run)
    start = unit.start
    if start is not None:
        there = heads.known.get(start.id)
        if there is None and start.key is not None:
            there = heads.keys.get((start.workflow, start.key))
        if there is not None:
            same = there.workflow == start.workflow and there.input == start.input
            return (Known(there) if same else OtherInput(there)), None
        head = Head(start.epoch, start.seq, start.state in ENDED)
    elif unit.epoch is not None and unit.run:
        if head is None:
            return MessageRefused("no_such_run", unit.run), None
        if head.epoch != unit.epoch:
            return Fenced(head.epoch), None
    seq = 0 if head is None else head.seq
    written = 0
    if unit.entries:
        assert head is not None
        for entry in unit.entries:
            number = entry.seq
            if number == seq + 1:
                seq = number
            elif number > seq or start is not None or seq > head.seq:
                return Fenced(head.epoch), None
            elif (there_is := heads.entries.get((entry.run, number))) == entry:
                written += 1
            else:
                if unit.transact is None or there_is is None or not _is_of(there_is, entry):
                    return Fenced(head.epoch), None
                return Transacted(there_is), None
    inbox: tuple[InboxRow, ...] = ()
    follow = unit.follow
    if unit.inbox:
        inbox = tuple({row.id: row for row in unit.inbox if row.id not in heads.inbox}.values())
        for row in inbox:
            if follow is not None and row.run == follow.id:
                continue
            target = head if row.run == unit.run else heads.runs.get(row.run)
            if target is None:
                return MessageRefused("no_such_run", row.run), None
            if target.ended:
                return MessageRefused("already_ended", row.run), None
        heads.inbox.update(row.id for row in inbox)
    if start is not None:
        assert head is not None
        new = begun(unit, start)
        heads.runs[new.id] = head
        heads.known[new.id] = new
        if new.key is not None:
            heads.keys[new.workflow, new.key] = new
    if head is not None:
        head.seq = seq
        if several:
            heads.entries.update(((entry.run, entry.seq), entry) for entry in unit.entries[written:])
        if unit.update and not stale and (state := unit.update.get("state")) is not None:
            head.ended = state in ENDED
    if not written and not stale and len(inbox) == len(unit.inbox):
        return WRITTEN, tuple.__new__(Write, (unit, seq, None))  # half the time of Write(...), for each unit
    rest = replace(unit, entries=unit.entries[written:], inbox=inbox, update={} if stale else unit.update)
    return WRITTEN, Write(rest, seq)
