"""The keeper of a durable run: what the run must not forget, on its way to the store and back.

A step is begun only when it is written that it begins. That a step has ended goes to the store together with the
beginnings of the steps that this makes ready: a chain of n steps takes n + 1 commits. Events and results are told when
what they tell of is written. What a step returned is passed on as another process would read it, so a run that goes on
elsewhere sees the same values.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import ValidationError

from actors.spi import ActorRef, ReplyTo, current_clock
from teams._dispatch.gather import Gathered
from teams._journal.codec import HIGHEST_LIMIT, decode, enclosed, encode, recorded, unrecorded
from teams._journal.errors import NotStorable, PayloadTooLarge
from teams._journal.rows import (
    Definition,
    EntryKind,
    InboxRow,
    JournalEntry,
    RunRow,
    Transacted,
    Unit,
    Written,
    lasting,
)
from teams._members.results import Outcome
from teams._runs.pattern import Pattern
from teams._runs.state import BEGAN, RunState
from teams.errors import NoCapableAgent, StepFailed, StepTimeout
from teams.workflows._graph.workflow import Workflow, definition_of
from teams.workflows._run.continuing import ContinueAsNew
from teams.workflows._run.names import unkeyed
from teams.workflows._run.passes import Passes
from teams.workflows._run.past import Past, Undoable
from teams.workflows._run.transaction import StepTransaction, Transaction
from teams.workflows._run.values import adapter, read, write, written
from teams.workflows.errors import AgentMissing, Diverged, TakenOver, TooManyEntries

MOST_ENTRIES = 50_000
"""Of a run. Its journal is read as a whole when it is taken up. What ends a step or the run is written all the same."""
CONTINUED = "(continued)"
"""The step of its parent that a run is of which goes on in its place."""
IN_ONE_COMMIT = 3
"""Passes of the event loop in which the steps that an end makes ready may come into its commit."""
_STEPS = {"StepFailed": StepFailed, "StepTimeout": StepTimeout}

if TYPE_CHECKING:
    from teams.workflows._run.detached import DetachedRun

EndState = Literal["done", "failed", "cancelled", "continued"]
Writer = Callable[[Unit, ReplyTo], None]


class _Batch:
    """What follows when a unit of a run is written. The reply to the unit."""

    __slots__ = ("after", "asked", "keeper", "result")

    keeper: DurableKeeper
    """Set when the unit is sent: an idle keeper is in no cycle."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[bool]] = []
        """Waits until it is written."""
        self.after: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        self.result: Written | None = None
        """The answer of the store."""

    def done(self) -> bool:
        return False

    def set_result(self, result: object, /) -> None:
        self.keeper.came(self, result)

    def set_exception(self, exception: BaseException, /) -> None:
        self.keeper.lose(exception)


class LongWait(NamedTuple):
    """A wait of a step that may take days: for a time, a signal, a person."""

    for_what: str
    until: int | None
    """UTC microseconds; None: without a limit."""


class DurableKeeper:
    """Keeps one run, in one process, for as long as that owns it. On the loop thread."""

    __slots__ = (
        "_batch",
        "_definition",
        "_due",
        "_edited",
        "_entries",
        "_first_version",
        "_follow",
        "_in_flight",
        "_inbox",
        "_journalled",
        "_limit",
        "_lost",
        "_now",
        "_passes",
        "_past",
        "_readers",
        "_retain",
        "_seen",
        "_seq",
        "_taken",
        "_team",
        "_told",
        "_transactions",
        "_update",
        "_waits",
        "_write",
        "accepts",
        "again",
        "begun",
        "cancelled",
        "cut_off",
        "decides",
        "edits",
        "given_up",
        "has_ended",
        "is_over",
        "last",
        "max_value_bytes",
        "on_written",
        "patterns",
        "paused",
        "player",
        "row",
        "starts",
        "taken_over",
        "undo_nothing",
        "undoing",
        "undos",
        "waiting",
        "workflows",
    )

    def __init__(
        self,
        row: RunRow,
        entries: Iterable[JournalEntry],
        now: Callable[[], int],
        write: Writer,
        passes: Passes,
        lost: Callable[[DurableKeeper, BaseException], object],
        waits: Callable[[DurableKeeper], object],
        starts: Callable[[DetachedRun], Awaitable[str]],
        workflows: Mapping[str, Pattern],
        patterns: Mapping[str, Pattern],
        retain: Mapping[str, float | None],
        max_value_bytes: int,
    ) -> None:
        """`now` is the wall clock in UTC microseconds. `lost` is called when the run cannot be kept any more, `waits`
        whenever the run has come to wait for something that may take long. `starts` starts another run and returns its
        id. `retain` says for how many seconds an ended run is kept, by its state.
        """
        self.row = row
        self._team: Callable[[str], Awaitable[ActorRef[Any]]] | None = None
        self._seen: set[str] = set()
        """Messages that were delivered."""
        self.workflows = workflows
        self.patterns = patterns
        self._retain = retain
        self.max_value_bytes = max_value_bytes
        self._now = now
        self._write = write
        self._passes = passes
        self._lost = lost
        self._waits = waits
        self.starts = starts
        self._past = past = Past(entries)
        self._seq = past.seq
        self._limit = past.limit
        self._entries: list[JournalEntry] = []
        self._taken: list[str] = []
        self._update: dict[str, Any] = {}
        self._batch = _Batch()
        """What follows when what is gathered now is written."""
        self._in_flight: list[_Batch] = []
        self._due: int | None = None
        """In how many passes at most that goes to the store, when it was asked for; None: nothing is gathered."""
        self.waiting: dict[str, LongWait] = {}
        """The steps that wait, by their keys."""
        self._inbox = past.inbox
        self._journalled = past.journalled
        """Messages that wait and are written as entries already."""
        self._readers: dict[str, tuple[Callable[[InboxRow], bool], asyncio.Future[InboxRow]]] = {}
        self.cut_off: set[str] = set()
        """Steps that were under way when the process that owned the run died."""
        self.decides: dict[str, Callable[[BaseException], float | None]] = {}
        """For a step: after how many seconds it is tried again if it fails with this error; None: not again."""
        self._transactions: dict[str, _Batch] = {}
        """The steps that the store does now, in a transaction each."""
        self.again: dict[str, float | None] = {}
        """The decisions about the steps that failed. Each is written with the failure."""
        self.accepts = False
        self.cancelled = past.cancelled
        """Why the run was cancelled; None: it was not."""
        self.paused = False
        self.given_up = False
        """Whether the row of the run has no owner any more, or soon has none."""
        self.has_ended = False
        """Whether the end of the run is written, or on its way."""
        self.last: RunRow | None = None
        """The row of the run with its end, as soon as that is written."""
        self.taken_over = False
        self.on_written: Callable[[], object] | None = None
        """Called once, when something of the run is written next."""
        self.player: ActorRef[Any] | None = None
        """The actor that plays the run."""
        self.begun = past.begun
        """The steps of the workflow that have begun, by their ids in the graph. The player adds to them."""
        self.edits = past.edits
        """The edits that are decided, by their ids."""
        self._follow: RunRow | None = None
        """The run that goes on in place of this one."""
        self._told: list[InboxRow] = []
        """Messages to that run."""
        self._definition: Definition | None = None
        """A new version of the workflow, which goes to the store with what is gathered."""
        self._first_version = past.first_version
        """The version of the workflow with which the run began, if it has another one now."""
        self._edited: Callable[[Workflow], object] | None = None
        self.is_over = False
        """Whether every step has ended: the run is about to end."""
        self.undo_nothing = past.undo_nothing
        self.undoing = False
        """Whether a step failed whose failure undoes what was done."""
        self.undos = past.undos
        """What is undone, last first, when the run is cancelled or fails in a step that says so."""

    def restore(self, record: RunState, now: float) -> None:
        """Gives a new record what another process had kept. `now` is the runtime's clock."""
        self.cut_off |= self._past.restore(record, self._now(), now)

    # What the run says

    async def begin(self, step: str, target: str) -> None:
        self.note_begin(step, target)
        await self.written()

    def refusal(self) -> TooManyEntries | None:
        return None if self._seq < MOST_ENTRIES else TooManyEntries(self.row.id, MOST_ENTRIES)

    def _refuse_at(self, step: str) -> None:
        """Raises StepFailed if the journal is full."""
        why = self.refusal()
        if why is not None:
            raise StepFailed(self.row.id, step, why)

    def note_begin(self, step: str, target: str) -> None:
        self._add("began", step, body=_label(self._past.declared.get(step, target)))
        self._schedule(1)

    def declare(self, step: str, said: str) -> None:
        """What a step of code is, before it begins. Raises Diverged if it was something else."""
        was = self._past.declared.get(step)
        if was is not None and was != said and not self.accepts:
            raise Diverged(self.row.id, step, was, said)
        self._past.declared[step] = said

    def hide(self, key: str, body: Mapping[str, Any]) -> None:
        if self._past.hides_more(key):
            self._add("kept", key, body=encode(body))

    def first(self, key: str) -> float:
        """The wall clock, in seconds since the epoch, when the run came to this place first."""
        return (self._past.places.get(key) or self._place(key, True)).at / 1e6

    def first_with(self, key: str) -> bool:
        """Whether the run had not got further when the code came that asks this, the first time that it asked."""
        entry = self._past.places.get(key) or self._place(key, not self._past.is_ahead())
        return bool(decode(entry.body or b"true")["place"])

    def _place(self, key: str, value: bool) -> JournalEntry:
        self._refuse_at(key)
        entry = self._past.places[key] = self._add("kept", key, body=encode({"place": value}))
        return entry

    def end(self, step: str, outcome: Outcome, seconds: float, returns: Any = None) -> Outcome:
        self.cut_off.discard(step)
        if self.waiting:
            self._waits(self)
        error = outcome.error
        if error is None:
            try:
                value = outcome.value if returns is None else checked(outcome.value, returns)
                body, value = written(value, returns, self.max_value_bytes)
            except (NotStorable, PayloadTooLarge, ValidationError) as refused:
                error = StepFailed(self.row.id, step, refused)
            else:
                self._add("done", step, seconds, body)
                return outcome if value is outcome.value else Outcome(value)
        if isinstance(error, StepFailed) and isinstance(error.error, NoCapableAgent):
            return Outcome(error=AgentMissing(self.row.id, f"member for step {step}: {error.error}"))
        if not isinstance(error, StepFailed) or type(error) not in _STEPS.values():
            return outcome  # the failure of a pattern: it follows again from those of its steps
        decide = self.decides.get(step)
        again = None if decide is None else decide(error.error)
        body = encode({"type": type(error).__name__, "error": decode(recorded(error.error)), "again": again})
        self._add("failed", step, seconds, body)
        return self._failure(step, body)

    async def transact(
        self, step: str, function: Callable[[Transaction], object], value: object, returns: Any
    ) -> Outcome:
        """Has a step done in the transaction that writes it; its outcome, once that is written."""
        batch = self._transactions.get(step)
        if batch is None:
            self._send()  # the entries so far come before it
            name, attempt = unkeyed(step)
            self._seq += 1
            entry = JournalEntry(self.row.id, self._seq, "done", name, attempt, self._now(), None, None)
            decide = self.decides.get(step, _not_again)
            work = StepTransaction(entry, function, value, returns, decide, current_clock().now, self.max_value_bytes)
            batch = self._transactions[step] = _Batch()
            batch.keeper = self
            self._in_flight.append(batch)
            self._write(Unit(self.row.id, self.row.epoch, entries=(entry,), transact=work), batch)
        if batch.result is None:
            told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            batch.asked.append(told)
            if not await told:
                await asyncio.get_running_loop().create_future()  # the desk ends the actor
        del self._transactions[step]
        self.cut_off.discard(step)
        assert isinstance(batch.result, Transacted)
        entry = batch.result.entry
        assert entry.body is not None
        return self._failure(step, entry.body) if entry.kind == "failed" else Outcome(read(entry.body, returns))

    def recall(self, step: str, returns: Any = None) -> Outcome | None:
        """How a step ended that another process had begun, or this one before the run was taken up again."""
        entry = self._past.stored.pop(step, None)
        if entry is None:
            return None
        if entry.kind == "failed":
            assert entry.body is not None
            return self._failure(step, entry.body)
        return Outcome(read(entry.body, returns))

    def knows(self, step: str) -> bool:
        """Whether it is written that the step ended, in another process or before the run was taken up again."""
        return step in self._past.stored

    def _failure(self, step: str, body: bytes) -> Outcome:
        said = decode(body)
        self.again[step] = said["again"]
        return Outcome(error=_STEPS[said["type"]](self.row.id, step, unrecorded(encode(said["error"]))))

    def keep(self, key: str, value: object) -> None:
        if isinstance(value, Gathered):
            said: dict[str, Any] = {"results": dict(value.results), "failures": dict(value.failures)}
            said |= {"unanswered": list(value.unanswered), "satisfied": value.satisfied}
        elif key.endswith(BEGAN):
            said = {"at": self._now()}
        elif isinstance(value, tuple):
            said = {"able": value}
        else:
            return  # made again from the steps, as the items of a pipeline are
        self._add("kept", key, body=write(said, limit=self.max_value_bytes))

    def note_once(self, kind: EntryKind, step: str, value: object = None) -> bool:
        """Has something written that happened in the run. False, and nothing: it is written already."""
        known = self._past.note(step)
        if known is not None and known.kind == kind:
            return False
        self._past.noted_here(step, self._add(kind, step, body=encode(value)))
        return True

    def attach(self, team: Callable[[str], Awaitable[ActorRef[Any]]]) -> None:
        """`team` finds the coordinator of a team of the engine for the actor that plays the run now."""
        self._team = team

    async def team(self, name: str) -> ActorRef[Any]:
        """The coordinator of a team of the engine. Raises AgentMissing."""
        assert self._team is not None
        return await self._team(name)

    async def successor(self, coordinator: ActorRef[Any]) -> ActorRef[Any]:
        """The coordinator that a team has now, in place of one that has terminated. Raises AgentMissing."""
        assert self._team is not None
        return await self._team(coordinator.path.split("/")[-2])

    def is_news(self, row: InboxRow) -> bool:
        """Whether a message comes for the first time."""
        if row.id in self._seen or row.id in self._journalled:
            return False
        self._seen.add(row.id)
        return True

    def running(self, now: int) -> None:
        """The run is awake, unless it has ended meanwhile."""
        if self.has_ended:
            return
        started = {} if self.row.started_at is not None else {"started_at": now}
        if self._limit.paused:
            self._add("kept", "(go on)", body=encode({"go_on": now}))
            self._limit.go_on(now)
        self.update(state="running", waiting_for=None, wake_at=None, owner=self.row.epoch, **started)

    def taken_up(self, now: int) -> None:
        """The run was claimed, and goes on. One that was under way when its owner died has nothing to write."""
        row = self.row
        if (
            row.state != "running"
            or row.waiting_for is not None
            or row.wake_at is not None
            or row.started_at is None
            or self._limit.paused
        ):
            self.running(now)

    def call_off(self, why: str, *, undo: bool) -> None:
        """The run was cancelled; `undo` says whether what was done is undone. It is written: another process undoes the
        rest.
        """
        self.cancelled, self.undo_nothing, self.paused = why, not undo, False
        self._add("kept", "(cancel)", body=encode({"cancel": why, "undo": undo}))
        self.update(state="cancelling", waiting_for=None, wake_at=None, owner=self.row.epoch)

    def pause(self) -> None:
        """The run stops where it is."""
        now = self._now()
        self.paused = True
        self._limit.pause(now)
        self._add("kept", "(pause)", body=encode({"pause": now}))
        self.set_aside()
        self.update(state="paused", waiting_for="resume", wake_at=None, owner=None)

    def resume(self, now: int, *, accept_changes: bool) -> None:
        """The run goes on. `accept_changes` says that a person has looked."""
        if accept_changes:
            self.accept_changes()
        if self.paused:
            self.paused = False
            self.running(now)

    def take_part(self, player: ActorRef[Any]) -> bool:
        """The actor begins to play the run. False: another one does."""
        other = self.player
        if other is not None and other.path != player.path and other.is_alive():
            return False
        self.player = player
        return True

    def let_go(self) -> None:
        """No actor plays the run any more."""
        self.player = self._team = None

    def undo_all(self) -> None:
        """A step failed whose failure undoes what was done."""
        self.undoing = True

    def accept_changes(self) -> None:
        """A person has looked: what was uncertain begins again, and what has changed counts as it is now."""
        self.cut_off.clear()
        self.accepts = True

    def noted(self, step: str) -> Any:
        """The decision at this place: the rule that was taken, or how steps run. None: nothing yet."""
        entry = self._past.note(step)
        return None if entry is None or entry.body is None else decode(entry.body)

    def wall(self) -> float:
        """The wall clock, in seconds since the epoch."""
        return self._now() / 1e6

    @property
    def said(self) -> dict[str, object]:
        """What `$run` has."""
        row = self.row
        started = row.started_at if row.started_at is not None else row.created_at
        return {
            "id": row.id,
            "key": row.key,
            "started_at": started / 1e6,
            "version": self._first_version or row.version,
        }

    def left(self) -> float | None:
        """Seconds until the run has to be ended. Waiting for people, and being paused, does not count."""
        if self.row.deadline is None:
            return None
        until = self.deadline
        return LOOK if until is None else (until - self._now()) / 1e6

    @property
    def deadline(self) -> int | None:
        """When the run has to be ended, in UTC microseconds. None: at no time, or not while it waits for people."""
        return self._limit.due(self.row.deadline)

    def ended(self, state: EndState, result: bytes | None, error: bytes | None) -> None:
        """Has the end of the run written. The first end counts."""
        if self.has_ended:
            return
        self.has_ended = True
        self.set_aside()
        now, keep = self._now(), self._retain.get(state)
        self._add("ended", "", body=encode(state))
        last: dict[str, Any] = {
            "state": state,
            "result": result,
            "error": error,
            "ended_at": now,
            "retain_until": None if keep is None else now + lasting(keep),
            "waiting_for": None,
            "wake_at": None,
            "owner": None,
        }
        self.update(**last)
        self.publish(self._has_ended, self.row._replace(seq=self._seq, **last))

    def continued(self, id: str, again: ContinueAsNew, workflow: Workflow | None) -> None:
        """Has the end of the run written, and the begin of the one that goes on in its place, with this workflow; None:
        that of this run. Signals that no step has taken are told to that. The first end counts.
        """
        if self.has_ended:
            return
        row, now = self.row, self._now()
        if workflow is not None:
            if self._definition is not None:
                self._send()
            self._definition = definition_of(workflow, now)
            row = row._replace(version=workflow.version, total=len(workflow.graph.nodes))
        self._follow = row._replace(
            id=id,
            key=None,
            parent=row.id,
            parent_step=CONTINUED,
            state="created",
            waiting_for="a slot",
            input=again.input,
            created_at=now,
            started_at=None,
            deadline=None if row.deadline is None else now + (row.deadline - row.created_at),
            wake_at=None,
            owner=None,
            epoch=0,
            seq=0,
            trace=None,
        )
        signals = [each for each in self._inbox if each.kind == "signal"]
        self._inbox = [each for each in self._inbox if each.kind != "signal"]
        # Those that wait in the store go to the new run by themselves.
        self._told = [replace(each, id=f"{each.id}>{id}", run=id) for each in signals if each.id in self._journalled]
        if again.step is not None:
            self._add("began", again.step, body=encode("continue as new"))
            self._add("done", again.step, 0.0, again.input)
        self.ended("continued", encode(id), None)

    def _has_ended(self, last: RunRow) -> None:
        self.last = last

    def update(self, **columns: object) -> None:
        """Has the row of the run changed, together with what is written next."""
        self._update |= columns
        if "owner" in columns:
            self.given_up = columns["owner"] is None
        self._schedule(1)

    def publish(self, send: Callable[..., object], *values: object) -> None:
        if self._entries or self._update or self._taken:
            self._batch.after.append((send, values))
        elif self._in_flight:
            self._in_flight[-1].after.append((send, values))
        else:
            send(*values)

    # What may take long

    async def sleep(self, step: str, seconds: float) -> None:
        if self._past.ended_wait(step) is None:
            until = await self._until(step, "timer", seconds)
            await self._wait(step, LongWait("timer", until))
            self._past.waited(step, self._add("slept", step))

    async def receive(
        self, step: str, what: str, fits: Callable[[InboxRow], bool], within: float | None, asks: object = None
    ) -> tuple[bool, Any]:
        """Takes a row of the inbox: (True, its value), or (False, None) after `within` seconds. The same one when the
        run is played again.
        """
        known = self._past.ended_wait(step)
        if known is not None:
            return (False, None) if known.kind == "expired" else (True, decode(known.body or b"{}").get("value"))
        until = await self._until(step, what, within, asks)
        row = await self._wait(step, LongWait(what, until), fits)
        self._limit.asks_no_more(step, self._now())
        if row is None:
            self._past.waited(step, self._add("expired", step))
            return False, None
        value = None if row.body is None else decode(row.body)
        kind: EntryKind = "answered" if row.kind == "answer" else "signalled"
        body = enclosed({"id": row.id, "by": row.by, "value": value})
        self._past.waited(step, self._add(kind, step, body=body))
        if row.id not in self._journalled:
            self._taken.append(row.id)
        return True, value

    async def _until(self, step: str, what: str, seconds: float | None, asks: object = None) -> int | None:
        """When the wait of a step is over. It is written when it comes here first."""
        entry = self._past.begun_wait(step)
        if entry is None:
            self._refuse_at(step)
            until = None if seconds is None else self._now() + lasting(seconds)
            body = encode({"what": what, "until": until, "asks": asks})
            entry = self._add("began" if asks is None else "asked", step, body=body)
            if asks is not None:
                self._limit.asks(step, entry.at)
        self._past.waited(step, entry)
        await self.written()
        assert entry.body is not None
        found: int | None = decode(entry.body)["until"]
        return found

    async def _wait(
        self, step: str, waiting: LongWait, fits: Callable[[InboxRow], bool] | None = None
    ) -> InboxRow | None:
        woken: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting[step] = waiting
        clock, timer = current_clock(), None

        def due() -> None:
            nonlocal timer
            assert waiting.until is not None
            left = (waiting.until - self._now()) / 1e6
            if left > 0:  # by the wall clock, which may have been set
                timer = clock.call_at(clock.now() + min(left, LOOK), due)
            elif not woken.done():
                woken.set_result(None)

        try:
            if fits is not None:
                for row in self._inbox:
                    if fits(row):
                        self._inbox.remove(row)
                        return row
                self._readers[step] = (fits, woken)
            if waiting.until is not None:
                due()
            if not woken.done():
                self._waits(self)
            found: InboxRow | None = await woken
            return found
        except BaseException:
            if woken.done() and not woken.cancelled() and (missed := woken.result()) is not None:
                self._inbox.insert(0, missed)  # the actor ends before it has taken it
            raise
        finally:
            if timer is not None:
                timer.cancel()
            self._readers.pop(step, None)
            self.waiting.pop(step, None)

    def arrived(self, row: InboxRow) -> None:
        """Something was said to the run from outside."""
        for fits, woken in self._readers.values():
            if not woken.done() and fits(row):
                woken.set_result(row)
                return
        self._inbox.append(row)

    def set_aside(self) -> None:
        """Messages that no step waits for become entries: a parked run is not taken up again because of them."""
        for row in self._inbox:
            if row.id not in self._journalled:
                self._journalled.add(row.id)
                body = None if row.body is None else decode(row.body)
                said = {"id": row.id, "run": row.run, "kind": row.kind, "name": row.name, "by": row.by, "at": row.at}
                self._add("kept", f"(message {row.id})", body=enclosed({"message": {**said, "body": body}}))
                self._taken.append(row.id)

    def undoable(self, step: str, node: str, value: object) -> None:
        """A step is done that can be undone."""
        if any(each.step == step for each in self.undos):
            return
        self.undos.append(Undoable(step, node, value))
        self._add(
            "kept", f"{step} (undo)", body=write({"undo": node, "step": step, "value": value}, limit=3 * HIGHEST_LIMIT)
        )

    # Edits

    def follow(self, edited: Callable[[Workflow], object]) -> None:
        """A player plays the workflow; it is told of another graph by `edited`."""
        self._edited, self.is_over = edited, False

    def over(self) -> None:
        """Every step has ended, or the run fails."""
        self._edited, self.is_over = None, True

    def edit(self, workflow: Workflow, definition: Definition, id: str, body: bytes, message: str | None) -> None:
        """The run goes on with another graph. It is written in one commit; `message` is the one that said so."""
        if self._definition is not None:
            self._send()
        self._definition = definition
        self._first_version = self._first_version or self.row.version
        total = len(workflow.graph.nodes)
        self.row = self.row._replace(version=definition.version, total=total)
        self._decide_edit(id, body, message)
        self.update(version=definition.version, total=total)
        if self._edited is not None:
            self._edited(workflow)

    def refuse_edit(self, id: str, body: bytes, message: str) -> None:
        """An edit that came as a message is refused; `body` says why."""
        self._decide_edit(id, body, message)

    def _decide_edit(self, id: str, body: bytes, message: str | None) -> None:
        self.edits.add(id)
        self._add("edited", "", body=body)
        if message is not None:
            self._taken.append(message)

    def took(self, row: InboxRow) -> None:
        """The row is taken up with what is written next."""
        self._taken.append(row.id)
        self._schedule(1)

    # The way to the store

    async def written(self) -> None:
        """Returns when everything so far is written, and not at all if this process does not own the run any more: the
        actor that waits here ends then.
        """
        if not await self.is_written():
            await asyncio.get_running_loop().create_future()  # the desk ends the actor

    async def is_written(self) -> bool:
        """Returns when everything so far is written. False: this process does not own the run any more."""
        if self.taken_over:
            return False
        if self._entries or self._update or self._taken:
            batch = self._batch
            self._schedule(1)
        elif self._in_flight:
            batch = self._in_flight[-1]
        else:
            return True
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        batch.asked.append(told)
        return await told

    def came(self, batch: _Batch, result: object) -> None:
        """A unit of the run is written, or refused."""
        self._in_flight.remove(batch)
        if not isinstance(result, Written):
            _settle(batch.asked, False)
            self.lose(TakenOver(self.row.id))
            return
        batch.result = result
        if batch.asked:
            _settle(batch.asked, True)
        for send, values in batch.after:
            send(*values)
        if self.on_written is not None:
            told, self.on_written = self.on_written, None
            told()

    def lose(self, error: BaseException) -> None:
        """This process does not own the run any more."""
        self.taken_over = True
        for batch in (*self._in_flight, self._batch):
            _settle(batch.asked, False)
        self._lost(self, error)

    def _add(self, kind: EntryKind, step: str, seconds: float | None = None, body: bytes | None = None) -> JournalEntry:
        self._seq = seq = self._seq + 1
        name, attempt = unkeyed(step) if "~" in step else (step, 1)
        # Half the time of JournalEntry(...), at least twice for each step.
        entry = tuple.__new__(JournalEntry, (self.row.id, seq, kind, name, attempt, self._now(), seconds, body))
        self._entries.append(entry)
        if self._due is None:
            self._schedule(IN_ONE_COMMIT)
        return entry

    def _schedule(self, passes: int) -> None:
        due = self._due
        if due is None:
            self._passes.soon(self._pass)
        if due is None or passes < due:
            self._due = passes

    def _pass(self) -> None:
        """A pass of the event loop. What was due may have gone to the store before."""
        if self._due is None:
            return
        self._due -= 1
        if self._due:
            self._passes.soon(self._pass)
        else:
            self._send()

    def _send(self) -> None:
        """Sends what has gathered to the store."""
        self._due = None
        if self.taken_over or not (self._entries or self._update or self._taken):
            return
        row = self.row
        entries, taken = tuple(self._entries), tuple(self._taken)
        if self._follow is None:
            unit = Unit(row.id, row.epoch, self._definition, None, entries, self._update, (), taken)
        else:
            told = tuple(self._told)
            unit = Unit(row.id, row.epoch, self._definition, None, entries, self._update, told, taken, self._follow)
        self._definition = self._follow = None
        batch = self._batch
        self._entries, self._taken, self._update, self._batch = [], [], {}, _Batch()
        batch.keeper = self
        self._in_flight.append(batch)
        self._write(unit, batch)


def _settle(asked: list[asyncio.Future[bool]], written: bool) -> None:
    for each in asked:
        if not each.done():
            each.set_result(written)


def _not_again(_: BaseException) -> None:
    return None


@lru_cache(maxsize=1_000)
def _label(text: str) -> bytes:
    """The description of a step, as its beginning says it."""
    return encode(text)


def checked(value: object, returns: Any) -> object:
    """A value as this type. Raises ValidationError."""
    reads = adapter(returns)
    return value if reads is None else reads.validate_python(value)


LOOK = 1.0
"""Seconds at most between two looks at the wall clock, which may be set while a run waits."""
