"""The keeper of a durable run: what the run must not forget, on its way to the store and back.

A step is begun only when it is written that it begins. That a step has ended goes to the store together with the
beginnings of the steps that this makes ready: a chain of n steps takes n + 1 commits. Events and results are told when
what they tell of is written. What a step returned is passed on as another process would read it, so a run that goes on
elsewhere sees the same values.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter

from actors.spi import ActorRef, current_clock
from teams._dispatch.gather import Failed, Gathered
from teams._journal.codec import decode, encode, recorded, settled, unrecorded
from teams._journal.errors import NotStorable, PayloadTooLarge
from teams._journal.rows import Entry, InboxRow, Kind, Result, RunRow, Unit, Written
from teams._members.results import Outcome
from teams._runs.pattern import Pattern
from teams._runs.state import BEGAN, RunState
from teams.errors import StepFailed, StepTimeout
from teams.workflows.errors import TakenOver

IN_ONE_COMMIT = 3
"""Passes of the event loop in which the steps that an end makes ready may come into its commit."""
_ATTEMPT = re.compile(r"~(\d+)$")
_STEPS = {"StepFailed": StepFailed, "StepTimeout": StepTimeout}

EndState = Literal["done", "failed", "cancelled", "continued"]
Writer = Callable[[Unit, Callable[[Result], object], Callable[[BaseException], object]], None]


class Waiting(NamedTuple):
    """What a step of a run waits for that may take days: a time, a signal, a person."""

    for_what: str
    until: int | None
    """UTC microseconds; None: without a limit."""


class Undo(NamedTuple):
    """A step that is done, and what undoes it."""

    step: str
    node: str
    value: Any


class DurableKeeper:
    """Keeps one run, in one process, for as long as that owns it. On the loop thread."""

    def __init__(
        self,
        row: RunRow,
        entries: Iterable[Entry],
        now: Callable[[], int],
        write: Writer,
        lost: Callable[[BaseException], object],
        waits: Callable[[], object],
        workflows: Mapping[str, Pattern],
        patterns: Mapping[str, Pattern],
        retain: Mapping[str, float | None],
    ) -> None:
        """`now` is the wall clock in UTC microseconds. `lost` is called when the run cannot be kept any more, `waits`
        whenever the run has come to wait for something that may take long. `retain` says for how many seconds an ended
        run is kept, by its state.
        """
        self.row = row
        self._team: Callable[[str], Awaitable[ActorRef[Any]]] | None = None
        self._seen: set[str] = set()
        """Messages that were delivered."""
        self.workflows = workflows
        self.patterns = patterns
        self._retain = retain
        self._now = now
        self._write = write
        self._lost = lost
        self._waits = waits
        self._seq = 0
        self._deadline = row.deadline
        self._people = 0
        """How many steps wait for people."""
        self._entries: list[Entry] = []
        self._taken: list[str] = []
        self._update: dict[str, Any] = {}
        self._after: list[Callable[[], object]] = []
        self._in_flight: list[list[Callable[[], object]]] = []
        self._ticks: int | None = None
        self._stored: dict[str, Entry] = {}
        self._began: dict[str, Entry] = {}
        self._kept: dict[str, Entry] = {}
        self.waiting: dict[str, Waiting] = {}
        """The steps that wait, by their keys."""
        self._inbox: list[InboxRow] = []
        self._journalled: set[str] = set()
        """Messages that wait and are written as entries already."""
        self._readers: dict[str, tuple[Callable[[InboxRow], bool], asyncio.Future[InboxRow]]] = {}
        self.cut_off: set[str] = set()
        """Steps that were under way when the process that owned the run died."""
        self.causes: dict[str, BaseException] = {}
        """What the steps that failed here raised, as it was; a replay has the record of it."""
        self.accepts = False
        self.leaving = False
        """Whether the run stops here, so that what comes for it now is for the process that has it next."""
        self.undo_nothing = False
        self.undoing = False
        """Whether a step failed whose failure undoes what was done."""
        self.undos: list[Undo] = []
        """What is undone, last first, when the run is cancelled or fails in a step that says so."""
        for entry in entries:
            self._read(entry)

    def _read(self, entry: Entry) -> None:
        self._seq = max(self._seq, entry.seq)
        key = keyed(entry.step, entry.attempt)
        match entry.kind:
            case "began" | "asked":
                self._began[key] = entry
            case "done" | "failed" | "slept" | "signalled" | "answered" | "expired":
                self._began.pop(key, None)
                self._stored[key] = entry
                if entry.kind in ("signalled", "answered") and entry.body is not None:
                    taken = decode(entry.body)["id"]
                    self._inbox = [row for row in self._inbox if row.id != taken]
            case "kept":
                self._kept[key] = entry
                self._read_kept(key, entry)
            case "retried":
                first = int(decode(entry.body)) if entry.body is not None else 0
                again = [k for k, each in self._stored.items() if each.kind == "failed" or 0 < first <= each.seq]
                for each in again:
                    del self._stored[each]
                self._kept = {k: each for k, each in self._kept.items() if not _failed(each)}

    def _read_kept(self, key: str, entry: Entry) -> None:
        said = decode(entry.body) if entry.body is not None else {}
        if "message" in said:
            row = InboxRow(**{**said["message"], "body": encode(said["message"]["body"])})
            self._inbox.append(row)
            self._journalled.add(row.id)
            del self._kept[key]
        elif "undo" in said:
            self.undos.append(Undo(said["step"], said["undo"], said["value"]))
            del self._kept[key]

    def restore(self, record: RunState, now: float) -> None:
        """Gives a new record what another process had kept. `now` is the runtime's clock."""
        for key, entry in self._began.items():
            record.under_way[key] = now - (self._now() - entry.at) / 1e6
            self.cut_off.add(key)
        for key, entry in self._kept.items():
            record.kept[key] = self._unkept(key, entry, now)
        record.done = sum(each.kind == "done" for each in self._stored.values())

    # What the run says

    async def begin(self, step: str, target: str) -> None:
        self._add("began", step, body=encode(target))
        await self.written()

    def end(self, step: str, outcome: Outcome, seconds: float, returns: Any = None) -> Outcome:
        self.cut_off.discard(step)
        if self.waiting:
            self._waits()
        error = outcome.error
        if error is None:
            try:
                body, value = settled(outcome.value, adapter(returns))
            except (NotStorable, PayloadTooLarge) as refused:
                error = StepFailed(self.row.id, step, refused)
            else:
                self._add("done", step, seconds, body)
                return Outcome(value)
        if not isinstance(error, StepFailed) or type(error) not in _STEPS.values():
            return outcome  # the failure of a pattern: it follows again from those of its steps
        self.causes[step] = error.error
        body = encode({"type": type(error).__name__, "error": decode(recorded(error.error))})
        self._add("failed", step, seconds, body)
        return self._failure(step, body)

    def recall(self, step: str, returns: Any = None) -> Outcome | None:
        """How a step ended that another process had begun, or this one before the run was taken up again."""
        entry = self._stored.pop(step, None)
        if entry is None:
            return None
        if entry.kind == "failed":
            assert entry.body is not None
            return self._failure(step, entry.body)
        return Outcome(None if entry.body is None else decode(entry.body, adapter(returns)))

    def _failure(self, step: str, body: bytes) -> Outcome:
        said = decode(body)
        return Outcome(error=_STEPS[said["type"]](self.row.id, step, unrecorded(encode(said["error"]))))

    def keep(self, key: str, value: object) -> None:
        if isinstance(value, Gathered):
            failures = {name: decode(recorded(each.error)) for name, each in value.failures.items()}
            said: dict[str, Any] = {"results": dict(value.results), "failures": failures}
            said |= {"unanswered": list(value.unanswered), "satisfied": value.satisfied}
        elif key.endswith(BEGAN):
            said = {"at": self._now()}
        elif isinstance(value, tuple):
            said = {"able": value}
        else:
            return  # made again from the steps, as the items of a pipeline are
        self._add("kept", key, body=encode(said))

    def _unkept(self, key: str, entry: Entry, now: float) -> object:
        assert entry.body is not None
        said = decode(entry.body)
        if "at" in said:
            return now - (self._now() - int(said["at"])) / 1e6
        if "able" in said:
            return tuple(tuple(each) for each in said["able"])
        failures = {name: Failed.by(unrecorded(encode(each))) for name, each in said["failures"].items()}
        return Gathered(said["results"], failures, tuple(said["unanswered"]), said["satisfied"])

    def note_once(self, kind: Kind, step: str, value: object = None) -> bool:
        """Has something written that happened in the run. False, and nothing: it is written already."""
        known = self._stored.get(step)
        if known is not None and known.kind == kind:
            del self._stored[step]
            return False
        self._add(kind, step, body=encode(value))
        return True

    def attach(self, team: Callable[[str], Awaitable[ActorRef[Any]]]) -> None:
        """`team` finds the coordinator of a team of the engine for the actor that plays the run now."""
        self._team = team

    async def team(self, name: str) -> ActorRef[Any]:
        """The coordinator of a team of the engine. Raises AgentMissing."""
        assert self._team is not None
        return await self._team(name)

    def is_news(self, row: InboxRow) -> bool:
        """Whether a message comes for the first time."""
        if row.id in self._seen or row.id in self._journalled:
            return False
        self._seen.add(row.id)
        return True

    def running(self, now: int) -> None:
        """The run is awake."""
        started = {} if self.row.started_at is not None else {"started_at": now}
        self.update(state="running", waiting_for=None, wake_at=None, **started)

    def leave(self, **columns: object) -> None:
        """The run stops here, with these columns, and has no owner."""
        self.leaving = True
        self.update(**columns, owner=None)

    def call_off(self, *, undo: bool) -> None:
        """The run was cancelled; `undo` says whether what was done is undone."""
        self.undo_nothing = not undo

    def undo_all(self) -> None:
        """A step failed whose failure undoes what was done."""
        self.undoing = True

    def accept_changes(self) -> None:
        """A person has looked: what was uncertain begins again, and what has changed counts as it is now."""
        self.cut_off.clear()
        self.accepts = True

    def knows(self, step: str) -> bool:
        """Whether it is written that the step has begun, or has ended."""
        return step in self._began or step in self._stored

    def wall(self) -> float:
        """The wall clock, in seconds since the epoch."""
        return self._now() / 1e6

    @property
    def said(self) -> dict[str, object]:
        """What `$run` has."""
        row = self.row
        started = row.started_at if row.started_at is not None else row.created_at
        return {"id": row.id, "key": row.key, "started_at": started / 1e6}

    def left(self) -> float | None:
        """Seconds until the run has to be ended. Waiting for people does not count."""
        if self._deadline is None:
            return None
        if self._people:
            return LOOK
        return (self._deadline - self._now()) / 1e6

    def ended(self, state: EndState, result: bytes | None, error: bytes | None) -> None:
        """Has the end of the run written."""
        now, keep = self._now(), self._retain.get(state)
        self._add("ended", "", body=encode(state))
        self._update |= {
            "state": state,
            "result": result,
            "error": error,
            "ended_at": now,
            "retain_until": None if keep is None else now + round(keep * 1e6),
            "waiting_for": None,
            "wake_at": None,
            "owner": None,
        }
        self._schedule(1)

    def update(self, **columns: object) -> None:
        """Has the row of the run changed, together with what is written next."""
        self._update |= columns
        self._schedule(1)

    def publish(self, send: Callable[[], None]) -> None:
        if self._entries or self._update or self._taken:
            self._after.append(send)
        elif self._in_flight:
            self._in_flight[-1].append(send)
        else:
            send()

    # What may take long

    async def sleep(self, step: str, seconds: float) -> None:
        if self.recall(step) is None:
            until = await self._until(step, "timer", seconds)
            await self._wait(step, Waiting("timer", until))
            self._add("slept", step)

    async def receive(
        self, step: str, what: str, fits: Callable[[InboxRow], bool], within: float | None, asks: object = None
    ) -> tuple[bool, Any]:
        """Takes a row of the inbox: (True, its value), or (False, None) after `within` seconds. The same one when the
        run is played again.
        """
        known = self._stored.get(step)
        if known is not None:
            del self._stored[step]
            return (False, None) if known.kind == "expired" else (True, decode(known.body or b"{}").get("value"))
        until = await self._until(step, what, within, asks)
        since = self._now()
        self._people += asks is not None
        try:
            row = await self._wait(step, Waiting(what, until), fits)
        finally:
            self._people -= asks is not None
        if asks is not None and self._deadline is not None:
            self._deadline += self._now() - since
            self._update["deadline"] = self._deadline
        if row is None:
            self._add("expired", step)
            return False, None
        value = None if row.body is None else decode(row.body)
        self._add(
            "answered" if row.kind == "answer" else "signalled",
            step,
            body=encode({"id": row.id, "by": row.by, "value": value}),
        )
        if row.id not in self._journalled:
            self._taken.append(row.id)
        return True, value

    async def _until(self, step: str, what: str, seconds: float | None, asks: object = None) -> int | None:
        """When the wait of a step is over. It is written when it comes here first."""
        entry = self._began.pop(step, None)
        if entry is None:
            until = None if seconds is None else self._now() + round(seconds * 1e6)
            body = encode({"what": what, "until": until, "asks": asks})
            self._add("began" if asks is None else "asked", step, body=body)
            await self.written()
            return until
        assert entry.body is not None
        found: int | None = decode(entry.body)["until"]
        return found

    async def _wait(
        self, step: str, waiting: Waiting, fits: Callable[[InboxRow], bool] | None = None
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
                self._waits()
            found: InboxRow | None = await woken
            return found
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
                self._add("kept", f"(message {row.id})", body=encode({"message": {**said, "body": body}}))
                self._taken.append(row.id)

    def undoable(self, step: str, node: str, value: object) -> None:
        """A step is done that can be undone."""
        if any(each.step == step for each in self.undos):
            return
        self.undos.append(Undo(step, node, value))
        self._add("kept", f"{step} (undo)", body=encode({"undo": node, "step": step, "value": value}))

    def took(self, row: InboxRow) -> None:
        """The row is taken up with what is written next."""
        self._taken.append(row.id)
        self._schedule(1)

    # The way to the store

    async def written(self) -> None:
        """Returns when everything so far is written. Raises TakenOver, or whatever keeps the journal from writing."""
        if not (self._entries or self._update or self._taken or self._in_flight):
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def tell() -> None:
            if not done.done():
                done.set_result(None)

        self.publish(tell)
        if self._entries or self._update or self._taken:
            self._schedule(1)
        await done

    def _add(self, kind: Kind, step: str, seconds: float | None = None, body: bytes | None = None) -> None:
        self._seq += 1
        name, attempt = unkeyed(step)
        self._entries.append(Entry(self.row.id, self._seq, kind, name, attempt, self._now(), seconds, body))
        self._schedule(IN_ONE_COMMIT)

    def _schedule(self, ticks: int) -> None:
        if self._ticks is None:
            self._ticks = ticks
            asyncio.get_running_loop().call_soon(self._tick)
        else:
            self._ticks = min(self._ticks, ticks)

    def _tick(self) -> None:
        assert self._ticks is not None
        self._ticks -= 1
        if self._ticks > 0:
            asyncio.get_running_loop().call_soon(self._tick)
            return
        self._ticks = None
        unit = Unit(
            self.row.id,
            epoch=self.row.epoch,
            entries=tuple(self._entries),
            update=self._update,
            taken=tuple(self._taken),
        )
        after = self._after
        self._entries, self._taken, self._update, self._after = [], [], {}, []
        self._in_flight.append(after)

        def done(result: Result) -> None:
            self._in_flight.remove(after)
            if isinstance(result, Written):
                for each in after:
                    each()
            else:
                self._lost(TakenOver(self.row.id))

        self._write(unit, done, self._lost)


def _failed(entry: Entry) -> bool:
    """Whether what was kept is a gathering that failed, or when one began: a retry gathers anew."""
    said = decode(entry.body) if entry.body is not None else {}
    return "at" in said or bool(said.get("failures")) or said.get("satisfied") is False


LOOK = 1.0
"""Seconds at most between two looks at the wall clock, which may be set while a run waits."""


@lru_cache(maxsize=1_000)
def _adapter(returns: Any) -> TypeAdapter[Any]:
    return TypeAdapter(returns)


def adapter(returns: Any) -> TypeAdapter[Any] | None:
    """What writes and reads values of this type; None: what JSON can say."""
    return None if returns is None else _adapter(returns)


def keyed(step: str, attempt: int) -> str:
    """The name of an attempt at a step within its run."""
    return step if attempt <= 1 else f"{step}~{attempt}"


def unkeyed(key: str) -> tuple[str, int]:
    """The step and the attempt of a name within a run."""
    found = _ATTEMPT.search(key)
    return (key, 1) if found is None else (key[: found.start()], int(found.group(1)))
