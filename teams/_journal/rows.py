"""The rows of a store: plain values, compared by value. Each time is an integer: UTC microseconds since the epoch."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias, get_args

LifeState = Literal[
    "created", "running", "waiting", "paused", "blocked", "cancelling", "done", "failed", "cancelled", "continued"
]
EntryKind = Literal[
    "started",
    "began",
    "done",
    "failed",
    "skipped",
    "slept",
    "asked",
    "answered",
    "signalled",
    "routed",
    "kept",
    "edited",
    "undo_began",
    "undone",
    "expired",
    "retried",
    "ended",
]
InboxKind = Literal["signal", "cancel", "resume", "pause", "answer", "move", "edit"]

STATES: Final[tuple[LifeState, ...]] = get_args(LifeState)
KINDS: Final[tuple[EntryKind, ...]] = get_args(EntryKind)
INBOX_KINDS: Final[tuple[InboxKind, ...]] = get_args(InboxKind)

ENDED: Final[frozenset[LifeState]] = frozenset({"done", "failed", "cancelled", "continued"})
"""The states a run does not leave."""
OPEN: Final[frozenset[LifeState]] = frozenset(STATES) - ENDED
RUNNABLE: Final[frozenset[LifeState]] = frozenset({"created", "running", "cancelling"})
"""The states in which an open run without a living owner is claimed at once. In the other open states it is claimed
when its `wake_at` is due or its inbox has an untaken row."""


class RunRow(NamedTuple):
    """One run. A tuple, since the store makes one for each run that it reads or begins."""

    id: str
    workflow: str
    version: str
    key: str | None
    """The name the caller gave the run: one run a workflow and key."""
    parent: str | None
    parent_step: str | None
    state: LifeState
    waiting_for: str | None
    priority: int
    """A higher one is claimed first."""
    input: bytes
    result: bytes | None
    error: bytes | None
    attributes: bytes | None
    created_at: int
    started_at: int | None
    ended_at: int | None
    deadline: int | None
    wake_at: int | None
    """When a run that waits is claimed; it must not be later than `deadline`."""
    retain_until: int | None
    """When an ended run may be purged. None: never."""
    owner: int | None
    """The epoch of the engine that has the run awake. None: the run is parked, or new."""
    epoch: int
    """The epoch of the last owner; 0 before the first. Only writes with this epoch are accepted."""
    seq: int
    """The number of the last entry; 0 before the first. The store keeps it."""
    total: int | None
    """Steps in all, if that is known."""
    trace: str | None


LONGEST: Final = 1e12
"""Seconds, 30,000 years: no wait is longer, whatever is asked for. A column takes it in microseconds."""


def lasting(seconds: float) -> int:
    """Seconds as microseconds, at most those of `LONGEST`."""
    return round(min(seconds, LONGEST) * 1e6)


def new_run_id(now: int, source: random.Random) -> str:
    """A version 7 UUID (RFC 9562): ids sort by the time at which they were made. `now` is in microseconds."""
    value = (now // 1_000) << 80 | 0x7 << 76 | source.getrandbits(12) << 64 | 0b10 << 62 | source.getrandbits(62)
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


Value: TypeAlias = str | int | float | bytes | None
"""The types of a column."""

UPDATABLE: Final[frozenset[str]] = frozenset(RunRow._fields) - {
    "id",
    "workflow",
    "key",
    "parent",
    "parent_step",
    "input",
    "created_at",
    "epoch",
    "seq",
}
"""The columns that `Unit.update` may name."""


class JournalEntry(NamedTuple):
    """One line of the journal of a run."""

    run: str
    seq: int
    """1, 2, 3, ... without a gap."""
    kind: EntryKind
    step: str
    """The name of the step; empty for what concerns the whole run."""
    attempt: int
    at: int
    seconds: float | None
    """How long it took, by the clock of the engine."""
    body: bytes | None


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A message to a run, written by any process."""

    id: str
    run: str
    kind: InboxKind
    name: str
    body: bytes | None
    by: str
    at: int
    taken: int | None = None
    """The number of the last entry of the run when its owner took the message up. None: untaken. The store keeps it."""


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A schedule, and how far it has come."""

    id: str
    workflow: str
    spec: str
    tz: str
    input: bytes
    overlap: str
    catch_up: str
    jitter: float
    """Seconds."""
    next_at: int | None
    last_slot: int | None
    paused: bool


@dataclass(frozen=True, slots=True)
class EngineRow:
    """A process that owns runs, and until when."""

    id: str
    epoch: int
    host: str
    pid: int
    started_at: int
    lease_until: int
    process: str | None
    """The name of the process, which no other one has; None: the system has none."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of a workflow."""

    workflow: str
    version: str
    body: bytes
    created_at: int


class Transact(Protocol):
    """A step that writes into the database of the store."""

    @property
    def entry(self) -> JournalEntry:
        """Its entry, without what it will say."""
        ...

    def __call__(self, connection: Any, /) -> JournalEntry:
        """Does it, with the connection of the store, and returns its entry. What it raises is why it failed."""
        ...

    def failed(self, error: BaseException, /) -> JournalEntry:
        """Its entry when it failed. The store has taken back what it wrote."""
        ...


@dataclass(slots=True)  # one for each step of each run, and a frozen one takes three times as long to make
class Unit:
    """The rows that one writer wants written: all of them, or none. Not changed once it is given to a store.

    Only a unit with an epoch or with `start` may have entries, updates or taken messages; else `ValueError`.
    """

    run: str
    """The run that is written to; empty where only a definition or a schedule is written."""
    epoch: int | None = None
    """The epoch of the writer. None: the writer does not own the run, and no ownership is checked."""
    definition: Definition | None = None
    """Written if the store does not have it yet."""
    start: RunRow | None = None
    """A new run. Its `id` is `run`."""
    entries: tuple[JournalEntry, ...] = ()
    update: Mapping[str, Value] = field(default_factory=dict)
    """New values for columns of the run."""
    inbox: tuple[InboxRow, ...] = ()
    """New messages, to this run or to others."""
    taken: tuple[str, ...] = ()
    """The ids of messages to this run that are taken up."""
    follow: RunRow | None = None
    """A new run in place of this one, which ends with the unit. Messages of the unit may go to it."""
    transact: Transact | None = None
    """Does a step in the transaction that writes the unit, whose last entry this makes."""
    schedule: ScheduleRow | None = None
    """Written over the row of the same id, unless that row's `last_slot` is later."""

    def __post_init__(self) -> None:
        if self.epoch is None and (self.follow or (self.start is None and (self.entries or self.update or self.taken))):
            raise ValueError(f"run {self.run}: entries, update, taken and follow need an epoch")
        if self.update and not UPDATABLE.issuperset(self.update):
            wrong = ", ".join(sorted(self.update.keys() - UPDATABLE))
            raise ValueError(f"run {self.run}: these columns are not for `update`: {wrong}")
        if self.start is not None and (self.start.id != self.run or self.start.seq != 0):
            raise ValueError(f"run {self.run}: start is of run {self.start.id} with seq {self.start.seq}, not 0")
        run = self.run
        for entry in self.entries:
            if entry.run != run:
                raise ValueError(f"run {self.run}: an entry is of another run")


@dataclass(frozen=True, slots=True)
class Written:
    """The unit is in the store, by this commit or by an earlier one."""


@dataclass(frozen=True, slots=True)
class Transacted(Written):
    """The unit is in the store, with the step that was done in its transaction."""

    entry: JournalEntry
    """As the step has made it, in this commit or in an earlier one."""


@dataclass(frozen=True, slots=True)
class Fenced:
    """The run has another owner, or other entries than the writer believes. Nothing of the unit was written."""

    epoch: int
    """The epoch of the owner now."""


@dataclass(frozen=True, slots=True)
class Known:
    """A run with the same id, or the same workflow and key, and with the same input exists. Nothing was written."""

    run: RunRow


@dataclass(frozen=True, slots=True)
class OtherInput:
    """A run with the same id, or the same workflow and key, and with another input exists. Nothing was written."""

    run: RunRow


@dataclass(frozen=True, slots=True)
class MessageRefused:
    """The run does not exist, or a message goes to a run that has ended. Nothing was written."""

    why: Literal["no_such_run", "already_ended"]
    run: str


Result: TypeAlias = Written | Fenced | Known | OtherInput | MessageRefused
