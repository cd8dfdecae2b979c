"""The journal of a durable run: read once, when a process takes the run up, and recalled while it plays.

An actor that plays the run again in the same process recalls the same: what was recalled, and what has come since, is
kept for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from teams._dispatch.gather import Gathered
from teams._journal.codec import decode, enclosed
from teams._journal.rows import EntryKind, InboxRow, JournalEntry
from teams._runs.state import RunState
from teams.workflows._run.limit import TimeLimit
from teams.workflows._run.names import keyed, step_of
from teams.workflows._run.values import read

OF_STEPS: frozenset[EntryKind] = frozenset(
    {"began", "done", "failed", "skipped", "slept", "asked", "answered", "signalled", "expired"}
)
"""The kinds of entries that say that a step has begun or ended."""


class Undoable(NamedTuple):
    """A step that is done, and what undoes it."""

    step: str
    node: str
    value: Any


class Past:
    """The state of a run by its journal. Attributes that a keeper has too are handed over to it: it goes on with
    them.
    """

    def __init__(self, entries: Iterable[JournalEntry]) -> None:
        self.seq = 0
        """The number of the last entry."""
        self.stored: dict[str, JournalEntry] = {}
        """How steps ended, unless that was recalled."""
        self.declared: dict[str, str] = {}
        """What steps were when they began."""
        self.places: dict[str, JournalEntry] = {}
        """Places of code to which the run came."""
        self.inbox: list[InboxRow] = []
        """Messages that no step has taken."""
        self.journalled: set[str] = set()
        """Messages that wait and are written as entries already."""
        self.begun: set[str] = set()
        """The steps of the workflow that have begun, by their ids in the graph."""
        self.edits: set[str] = set()
        """The edits that are decided, by their ids."""
        self.undos: list[Undoable] = []
        self.limit = TimeLimit()
        self.cancelled: str | None = None
        self.undo_nothing = False
        self.first_version: str | None = None
        """The version of the workflow with which the run began, if it was edited."""
        self._began: dict[str, JournalEntry] = {}
        self._kept: dict[str, JournalEntry] = {}
        self._noted: dict[str, JournalEntry] = {}
        """Steps that were skipped, rules that were taken."""
        self._hides: set[str] = set()
        """The keys under which it is written what steps do not show."""
        self._waited: dict[str, JournalEntry] = {}
        """Waits that were recalled, or have begun or ended since."""
        self._notes: dict[str, JournalEntry] = {}
        """Notes that were recalled, or were made since."""
        for entry in entries:
            self._read(entry)

    def _read(self, entry: JournalEntry) -> None:
        self.seq = max(self.seq, entry.seq)
        key = keyed(entry.step, entry.attempt)
        if entry.kind in OF_STEPS:
            self.begun.add(step_of(entry.step))
        match entry.kind:
            case "edited":
                self._read_edited(entry)
            case "began" | "asked":
                self._began[key] = entry
                if entry.kind == "asked":
                    self.limit.asks(key, entry.at)
                said = None if entry.body is None else decode(entry.body)
                if isinstance(said, str):
                    self.declared[key] = said
            case "skipped" | "routed":
                self._noted[key] = entry
            case "done" | "failed" | "slept" | "signalled" | "answered" | "expired":
                self._began.pop(key, None)
                self.limit.asks_no_more(key, entry.at)
                self.stored[key] = entry
                if entry.kind in ("signalled", "answered") and entry.body is not None:
                    taken = decode(entry.body)["id"]
                    self.inbox = [row for row in self.inbox if row.id != taken]
            case "kept":
                self._kept[key] = entry
                self._read_kept(key, entry)
            case "retried":
                self._read_retried(entry)

    def _read_edited(self, entry: JournalEntry) -> None:
        said = decode(entry.body or b"{}")
        if "id" in said:
            self.edits.add(said["id"])
        if self.first_version is None:
            self.first_version = said.get("from")

    def _read_retried(self, entry: JournalEntry) -> None:
        first = int(decode(entry.body)) if entry.body is not None else 0
        passed_over = {k for k, each in self._noted.items() if each.kind == "skipped"}
        again = [
            k
            for k, each in self.stored.items()
            if 0 < first <= each.seq or (each.kind == "failed" and step_of(k) not in passed_over)
        ]
        undone = [k for k in self.stored if k.endswith("/undo")]
        again += [*undone, *(k.removesuffix("/undo") for k in undone)]
        self.undos = [each for each in self.undos if f"{each.step}/undo" not in undone]
        for each in again:
            self.stored.pop(each, None)
            self._noted.pop(each, None)
        self._noted = {k: each for k, each in self._noted.items() if not 0 < first <= each.seq}
        self._kept = {k: each for k, each in self._kept.items() if not _failed(each)}
        self.cancelled, self.undo_nothing = None, False
        self.limit.begin_again(entry.at)

    def _read_kept(self, key: str, entry: JournalEntry) -> None:
        said = decode(entry.body) if entry.body is not None else {}
        if "message" in said:
            row = InboxRow(**{**said["message"], "body": enclosed(said["message"]["body"])})
            self.inbox.append(row)
            self.journalled.add(row.id)
            del self._kept[key]
        elif "pause" in said:
            self.limit.pause(said["pause"])
            del self._kept[key]
        elif "go_on" in said:
            self.limit.go_on(said["go_on"])
            del self._kept[key]
        elif "cancel" in said:
            self.cancelled, self.undo_nothing = said["cancel"], not said["undo"]
            del self._kept[key]
        elif "place" in said:
            self.places[key] = self._kept.pop(key)
        elif "redact" in said:
            self._hides.add(key)
            del self._kept[key]
        elif "undo" in said:
            self.undos.append(Undoable(said["step"], said["undo"], read(entry.body)["value"]))
            del self._kept[key]

    def restore(self, record: RunState, wall: int, now: float) -> set[str]:
        """Gives a new record what is kept. Returns the steps that were under way. `wall` is the wall clock in UTC
        microseconds, `now` the runtime's clock.
        """
        if not self.seq:
            return set()
        under_way = {key: each for key, each in self._began.items() if key in self.declared}  # the others are waits
        record.under_way |= {key: now - (wall - each.at) / 1e6 for key, each in under_way.items()}
        for key, entry in self._kept.items():
            record.kept[key] = _unkept(entry, wall, now)
        record.done = sum(each.kind == "done" for each in self.stored.values())
        return set(under_way)

    def is_ahead(self) -> bool:
        """Whether code has not come to a step that is written. It comes to none of a gathering that is over."""
        return any(
            not any(step.startswith(f"{gathering}/") for gathering in self._kept)
            for step in (*self.stored, *self._began, *self._noted)
        )

    def hides_more(self, key: str) -> bool:
        """Something is hidden under this key. False: that is written already."""
        if key in self._hides:
            return False
        self._hides.add(key)
        return True

    # Waits and notes

    def begun_wait(self, step: str) -> JournalEntry | None:
        """How a wait began, here or in another process."""
        return self._began.pop(step, None) or self._waited.get(step)

    def ended_wait(self, step: str) -> JournalEntry | None:
        """How a wait ended, here or in another process."""
        known = self.stored.pop(step, None)
        if known is not None:
            self._waited[step] = known
        known = self._waited.get(step)
        return None if known is None or known.kind in ("began", "asked") else known

    def waited(self, step: str, entry: JournalEntry) -> None:
        """A wait has begun or ended here."""
        self._waited[step] = entry

    def note(self, step: str) -> JournalEntry | None:
        """The note of a step, made here or in another process."""
        known = self._noted.pop(step, None)
        if known is not None:
            self._notes[step] = known
        return self._notes.get(step)

    def noted_here(self, step: str, entry: JournalEntry) -> None:
        """Something was noted at a step here."""
        self._notes[step] = entry


def _unkept(entry: JournalEntry, wall: int, now: float) -> object:
    said = read(entry.body)
    if "at" in said:
        return now - (wall - int(said["at"])) / 1e6
    if "able" in said:
        return tuple(tuple(each) for each in said["able"])
    return Gathered(said["results"], said["failures"], tuple(said["unanswered"]), said["satisfied"])


def _failed(entry: JournalEntry) -> bool:
    """Whether what was kept is a gathering that failed, or when one began: a retry gathers anew."""
    said = decode(entry.body) if entry.body is not None else {}
    return "at" in said or bool(said.get("failures")) or said.get("satisfied") is False
