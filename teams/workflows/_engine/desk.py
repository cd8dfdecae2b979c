"""The desk of an engine: which runs are awake here, and everything that is said to runs.

    message          from, to                    answer
    StartRun         the ref of the engine       the row of the run, as soon as it is written
    Say, Answer      the ref                     None, as soon as it is written
    RetryRun         the ref                     the row
    AwaitEnd         the ref                     the row of the ended run
    GetRun, GetRuns  the ref                     rows

The desk has a lease in the name of its process. Whenever something may be new in the store it claims runs, as many as
there is room for, and starts an actor for each. A run that waits for long is parked: its actor ends, its row stays.
Promise: a run that was acknowledged is taken up by some engine until it has ended. A lease that is not renewed in time
ends the runs of this process before another may take them over.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from actors.spi import (
    Actor,
    ActorDeadError,
    ActorRef,
    Crashed,
    ExitReason,
    Future,
    Reply,
    RestartLimitExceeded,
    answer,
    handles,
    settle_failure,
    sleep,
    take_reply,
    when_gone,
    when_terminated,
)
from supervisors.spi import NotFound, SupervisionError, SupervisorRef
from teams._dispatch.ask import ask_again, asked
from teams._journal import rows
from teams._journal.codec import decode, encode
from teams._journal.errors import JournalError, StoreAway
from teams._journal.lease import Lease
from teams._journal.rows import ENDED, Definition, Entry, InboxRow, Result, RunRow, Unit, Written
from teams._runs.pattern import Pattern
from teams._runs.state import RunState
from teams.errors import TeamError
from teams.events import RunEnded, RunEvent
from teams.workflows._engine.journal import Query, StoreOpened, Write
from teams.workflows._engine.messages import (
    Answer,
    AwaitEnd,
    GetRun,
    GetRuns,
    RetryRun,
    RunsWaiting,
    Say,
    StartRun,
    Traced,
)
from teams.workflows._engine.settings import EngineSettings, new_run
from teams.workflows._graph.graph import Graph
from teams.workflows._graph.workflow import Workflow
from teams.workflows._run.keeper import DurableKeeper
from teams.workflows._run.play import read_input
from teams.workflows._run.run import Live, failure
from teams.workflows.errors import (
    AgentMissing,
    AlreadyAnswered,
    AlreadyEnded,
    Blocked,
    KeyTaken,
    NoOpenQuestion,
    NoSuchRun,
    NoSuchWorkflow,
    NotAnOption,
    NotEnded,
)
from teams.workflows.events import (
    EngineTookOver,
    LeaseLost,
    RunAccepted,
    RunBlocked,
    RunCancelling,
    RunLost,
    RunParked,
    RunPaused,
    RunRetried,
    RunsPurged,
    RunTakenUp,
    SlotStarted,
)

if TYPE_CHECKING:
    from teams.workflows._tracing import WorkflowTracing

POLL = 0.25
"""Seconds between two looks at whether another process wrote something."""
LOOK = 5.0
"""Seconds after which the desk looks for runs in any case: the lease of a process that died ends without a word."""
PARK = 1.0
"""Seconds that a run must wait for, and has waited, before it is parked."""
PAUSE = 0.5
"""Seconds before the store is asked again when it did not answer."""
PURGE = 60.0
"""Seconds between two looks for ended runs that are not kept any longer."""
PURGED = 500
"""How many of them are deleted at once."""
LEASE = 15.0
"""Seconds for which an engine owns its runs without a word."""


class _Look(NamedTuple):
    """Look whether there is something to do."""


class _Poll(NamedTuple):
    """Look whether another process wrote something."""


class _Renew(NamedTuple):
    """Lengthen the lease."""


class _Purge(NamedTuple):
    """Delete ended runs that are not kept any longer."""


class _MaybePark(NamedTuple):
    run: str
    keeper: DurableKeeper


class _Gone(NamedTuple):
    run: str
    keeper: DurableKeeper
    reason: ExitReason


class _Paused(NamedTuple):
    run: str
    keeper: DurableKeeper


class _Lost(NamedTuple):
    run: str
    keeper: DurableKeeper
    error: BaseException


class _Kept:
    """What outlives the incarnations of the desk."""

    def __init__(self) -> None:
        self.lease: Lease | None = None
        self.live: dict[str, Live] = {}
        self.refs: dict[str, ActorRef[Any]] = {}
        self.waiters: dict[str, list[Reply]] = {}
        self.guarded = False
        self.tracing: WorkflowTracing | None = None

    def refuse(self, path: str, reason: ExitReason) -> None:
        """There is no desk any more."""
        if self.tracing is not None:
            self.tracing.close()
        for run in list(self.waiters):
            for reply in self.waiters.pop(run):
                settle_failure(reply, ActorDeadError(path, reason, AwaitEnd(run)), path)


class Desk(Actor):
    """The desk. Runs on the loop."""

    only_host = "loop"
    concurrency = 1_000
    answers: ClassVar[tuple[type[BaseException], ...]] = (TeamError, SupervisionError, JournalError)

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._kept = self.kept(_Kept)
        self._looking = False
        self._again = False

    @property
    def home(self) -> str:
        """The path of the engine."""
        return self.path.rpartition("/")[0]

    async def on_start(self) -> None:  # type: ignore[override]
        kept = self._kept
        if not kept.guarded:
            kept.guarded = True
            when_gone(self, partial(kept.refuse, self.path))
            if self._settings.tracing:
                from teams.workflows._tracing import WorkflowTracing  # the extra may be missing

                kept.tracing = WorkflowTracing(self.runtime, engine=self.home)
        if kept.lease is None:
            await self._register()
        self.tell_every(POLL, _Poll())
        self.tell_every(LOOK, _Look())
        self.tell_every(LEASE / 6, _Renew())
        self.tell_every(PURGE, _Purge())
        self.ref.tell(_Look())

    async def on_stop(self) -> None:  # type: ignore[override]
        lease = self._kept.lease
        if lease is not None:
            with contextlib.suppress(StoreAway):  # the lease ends by itself
                await self._query("release", lease.epoch)

    async def _query(self, method: str, *args: object, **options: object) -> Any:
        return await self.sibling("store").call(Query(method, args, tuple(options.items())), timeout=None)

    async def _write(self, unit: Unit) -> Result:
        found: Result = await asked(self.sibling("journal"), Write(unit))
        return found

    def _now(self) -> int:
        return round(self.runtime.clock.wall() * 1e6)

    # The lease

    async def _register(self) -> None:
        """Takes a lease, as soon as the store answers."""
        epoch: int | None = None
        while epoch is None:
            asked_at = self.runtime.now()
            try:
                epoch = await self._query("register", socket.gethostname(), os.getpid(), LEASE)
            except StoreAway:
                await sleep(PAUSE)
        self._kept.lease = Lease(epoch, LEASE, asked_at)
        self.runtime.events.publish(EngineTookOver(self.path, self.runtime.now(), epoch))

    @handles
    async def renew(self, _: _Renew) -> None:
        lease = self._kept.lease
        if lease is None:
            return
        asked_at = self.runtime.now()
        if asked_at >= lease.stop():
            await self._lease_lost(lease)
        elif asked_at >= lease.due():
            try:
                renewed = await self._query("renew", lease.epoch, LEASE)
            except StoreAway:
                return  # there is time for more attempts until the lease ends
            if self._kept.lease is not lease:
                return
            if renewed:
                self._kept.lease = Lease(lease.epoch, LEASE, asked_at)
            else:
                await self._lease_lost(lease)

    @handles
    async def store_opened(self, _: StoreOpened) -> None:
        lease = self._kept.lease
        if lease is not None:
            await self._lease_lost(lease)

    async def _lease_lost(self, lease: Lease) -> None:
        """The runs here are stopped before another process may have them."""
        self._kept.lease = None
        self.runtime.events.publish(LeaseLost(self.path, self.runtime.now(), lease.epoch))
        for run in list(self._kept.live):
            await self._drop(run)
        await self._register()
        self.ref.tell(_Look())

    # Which runs are awake

    @handles
    async def poll(self, _: _Poll) -> None:
        if self._kept.lease is None or self._looking:
            return
        with contextlib.suppress(StoreAway):  # the next look finds what there is
            if await self._query("changed"):
                await self.look(_Look())

    @handles
    async def runs_waiting(self, _: RunsWaiting) -> None:
        await self.look(_Look())

    @handles
    async def look(self, _: _Look) -> None:
        if self._looking:
            self._again = True
            return
        self._looking = True
        try:
            self._again = True
            while self._again and self._kept.lease is not None:
                self._again = False
                await self._look_once()
        except StoreAway:
            self.tell_after(PAUSE, _Look())
        finally:
            self._looking = False

    async def _look_once(self) -> None:
        kept, lease = self._kept, self._kept.lease
        assert lease is not None
        if self.runtime.find(f"{self.home}/runs") is None:
            self.tell_after(POLL, _Look())
            return
        room = self._settings.max_concurrent_workflows - len(kept.live)
        if room > 0:
            claimed = await self._query("claim", lease.epoch, room, tuple(self._settings.workflows))
            for row in claimed:
                await self._take_up(row)
            self._again = self._again or len(claimed) == room
        for message in await self._query("inbox"):
            live = kept.live.get(message.run)
            if live is not None:
                self._deliver(live, message)
        for run in [run for run in kept.waiters if run not in kept.live]:
            await self._tell_end(run)
        wake = await self._query("next_wake")
        if wake is not None:
            self.tell_after(min(LOOK, max(0.0, (wake - self._now()) / 1e6)), _Look())

    async def _take_up(self, row: RunRow) -> None:
        """Starts the actor of a run that this process owns."""
        entries: list[Entry] = await self._query("entries", row.id)
        messages: list[InboxRow] = await self._query("inbox", row.id)
        try:
            pattern = await self._pattern(row)
        except Blocked as error:
            await self._block(row, error)
            return
        live = self._awake(row, entries, pattern)
        for message in messages:
            self._deliver(live, message)
        keeper = live.keeper
        if keeper.leaving:
            await keeper.written()
            return
        resumed = any(each.kind in ("resume", "cancel") for each in messages)
        if row.state in ("paused", "blocked") and not resumed:
            keeper.set_aside()
            keeper.leave()
            await keeper.written()
            await self._drop(row.id)
            self.ref.tell(_Look())
            return
        if row.state != "cancelling" and live.record.cancelled is None:
            keeper.running(self._now())
        age = max(0.0, (self._now() - row.created_at) / 1e6)
        self._publish(live, RunTakenUp, row.workflow, row.state, live.record.done, age, row.trace)
        await self._begin(live)

    def _publish(self, live: Live, kind: type[RunEvent], *values: object) -> None:
        """Publishes an event of a run, when what it tells of is written."""
        fields: tuple[Any, ...] = (self.path, self.runtime.now(), live.record.id, *values)
        live.keeper.publish(lambda: self.runtime.events.publish(kind(*fields)))

    async def _pattern(self, row: RunRow) -> Pattern:
        """The definition of a run, as it was when the run was started. Raises Blocked."""
        found = self._settings.workflows.get(row.workflow)
        if found is None:
            raise AgentMissing(row.id, f"workflow {row.workflow!r}")
        if self._settings.version(row.workflow) == row.version:
            return found
        stored: Definition | None = await self._query("definition", row.workflow, row.version)
        if stored is None:
            raise AgentMissing(row.id, f"version {row.version[:12]} of workflow {row.workflow!r}")
        return self._settings.restored(row.id, stored)

    def _awake(self, row: RunRow, entries: list[Entry], pattern: Pattern) -> Live:
        runtime, own = self.runtime, self.ref
        journal = self.sibling("journal")
        keeper: DurableKeeper

        def lost(error: BaseException) -> None:
            if own.is_alive():
                own.tell(_Lost(row.id, keeper, error))

        def waits() -> None:
            if own.is_alive():
                own.tell(_MaybePark(row.id, keeper))

        def write(unit: Unit, done: Callable[[Result], object], failed: Callable[[BaseException], object]) -> None:
            ask_again(journal, Write(unit), done, failed)

        keeper = DurableKeeper(
            row, entries, self._now, write, lost, waits, self._settings.workflows, self._settings.patterns,
            self._settings.retain,
        )  # fmt: skip
        value = decode(row.input)
        if isinstance(pattern, Workflow):
            value = read_input(pattern, value)
        record = RunState(row.id, pattern, value, Future(runtime.park), runtime.park, keeper=keeper)
        keeper.restore(record, runtime.now())
        live = Live(record, keeper)
        self._kept.live[row.id] = live
        return live

    async def _begin(self, live: Live) -> None:
        run = live.record.id
        found = self.runtime.find(f"{self.home}/runs")
        assert isinstance(found, SupervisorRef)
        own = self.ref
        try:
            ref: ActorRef[Any] = await found.start_child({"home": self.home, "live": live})
        except (SupervisionError, ActorDeadError):
            self._kept.live.pop(run, None)  # the supervisor of the runs is being started again: it is claimed later
            return
        self._kept.refs[run] = ref
        when_terminated(ref, lambda reason: own.tell(_Gone(run, live.keeper, reason)) if own.is_alive() else None)

    @handles
    async def gone(self, message: _Gone) -> None:
        """The actor of a run has terminated."""
        kept = self._kept
        live = kept.live.get(message.run)
        if live is None or live.keeper is not message.keeper:
            return
        del kept.live[message.run]
        kept.refs.pop(message.run, None)
        if isinstance(message.reason, Crashed | RestartLimitExceeded) and not live.record.future.done():
            error = ActorDeadError(f"{self.home}/runs", message.reason, None)
            live.keeper.ended("failed", None, failure(error))
            now, began = self.runtime.now(), live.record.began
            self._publish(live, RunEnded, 0.0 if began is None else now - began, error)
            await live.keeper.written()
        await self._tell_end(message.run)
        self.ref.tell(_Look())

    @handles
    async def lost(self, message: _Lost) -> None:
        live = self._kept.live.get(message.run)
        if live is not None and live.keeper is message.keeper:
            at = self.runtime.now()
            self.runtime.events.publish(RunLost(self.path, at, message.run, message.error))
            await self._drop(message.run)

    @handles
    async def paused(self, message: _Paused) -> None:
        live = self._kept.live.get(message.run)
        if live is not None and live.keeper is message.keeper:
            await self._drop(message.run)
            self.ref.tell(_Look())

    async def _drop(self, run: str) -> None:
        """The actor of a run ends; the row of the run says what becomes of it."""
        self._kept.live.pop(run, None)
        ref, found = self._kept.refs.pop(run, None), self.runtime.find(f"{self.home}/runs")
        if ref is not None and isinstance(found, SupervisorRef):
            try:
                await found.terminate_child(ref.path.rpartition("/")[2])
            except (NotFound, ActorDeadError, SupervisionError):
                return  # it has ended by itself

    @handles
    async def maybe_park(self, message: _MaybePark) -> None:
        """A run waits for something that may take long: it is parked when nothing else of it is under way."""
        live = self._kept.live.get(message.run)
        if live is None or live.keeper is not message.keeper:
            return
        await sleep(PARK)
        waiting = live.waiting(self._now(), PARK)
        if waiting is None or self._kept.live.get(message.run) is not live:
            return
        keeper = live.keeper
        keeper.set_aside()
        for_what, wake_at = waiting
        keeper.update(state="waiting", waiting_for=for_what, wake_at=wake_at, owner=None)
        await keeper.written()
        if live.waiting(self._now(), 0.0) != waiting:  # what it waits for has come meanwhile
            keeper.update(state="running", waiting_for=None, wake_at=None, owner=keeper.row.epoch)
            return
        await self._drop(message.run)
        at = None if wake_at is None else wake_at / 1e6
        self.runtime.events.publish(RunParked(self.path, self.runtime.now(), message.run, for_what, at))
        self.ref.tell(_Look())

    async def _block(self, row: RunRow, error: Blocked) -> None:
        messages: list[InboxRow] = await self._query("inbox", row.id)
        taken = tuple(each.id for each in messages if each.kind == "resume")
        update: dict[str, Any] = {"state": "blocked", "waiting_for": str(error), "owner": None}
        result = await self._write(Unit(row.id, epoch=row.epoch, update=update, taken=taken))
        if isinstance(result, Written):
            self.runtime.events.publish(RunBlocked(self.path, self.runtime.now(), row.id, error))

    @handles
    async def purge(self, _: _Purge) -> None:
        if self._kept.lease is None:
            return
        try:
            count: int = await self._query("purge", self._now(), PURGED)
        except StoreAway:
            return  # the next look deletes what there is
        if count:
            self.runtime.events.publish(RunsPurged(self.path, self.runtime.now(), count))
        if count == PURGED:
            self.ref.tell(_Purge())

    # What is said to runs

    def _deliver(self, live: Live, message: InboxRow) -> None:
        """Something was said to a run that is awake here."""
        record, keeper = live.record, live.keeper
        if keeper.leaving or not keeper.is_news(message):
            return
        match message.kind:
            case "cancel":
                keeper.took(message)
                keeper.call_off(undo=message.name != "now")
                if record.cancelled is None and not record.future.done():
                    record.cancelled = (decode(message.body) if message.body else None) or "it was cancelled"
                    if keeper.row.state != "cancelling":
                        keeper.update(state="cancelling")
                        self._publish(live, RunCancelling, record.cancelled)
                    if record.task is not None:
                        record.task.cancel()
            case "pause":
                keeper.took(message)
                keeper.leave(state="paused", waiting_for="resume", wake_at=None)
                self._publish(live, RunPaused)
                keeper.publish(lambda: self.ref.tell(_Paused(record.id, keeper)))
            case "resume":
                keeper.took(message)
                if message.name == "accept_changes":
                    keeper.accept_changes()
            case "signal" | "answer":
                keeper.arrived(message)
            case _:
                keeper.took(message)

    @handles
    async def start_run(self, message: StartRun) -> RunRow:
        settings, now = self._settings, self._now()
        pattern = settings.workflows.get(message.workflow)
        if pattern is None:
            raise NoSuchWorkflow(message.workflow, tuple(settings.workflows))
        if isinstance(pattern, Workflow):
            read_input(pattern, message.value)
        row = new_run(
            self._new_id(),
            message.workflow,
            settings.version(message.workflow),
            encode(message.value),
            now,
            key=message.key,
            priority=message.priority,
            timeout=settings.timeout(pattern, message.timeout),
            total=settings.total(pattern),
            attributes=message.attributes,
        )
        lease, kept = self._kept.lease, self._kept
        here = lease is not None and len(kept.live) < settings.max_concurrent_workflows
        if here:
            assert lease is not None
            row = settings.owned(row, lease.epoch, now)
        definition, slot = settings.definition(message.workflow, now), message.slot
        schedule = None if slot is None else slot.schedule
        result = await self._write(Unit(row.id, definition=definition, start=row, schedule=schedule))
        if isinstance(result, rows.KeyTaken):
            raise KeyTaken(message.workflow, message.key or "", result.run.id)
        if isinstance(result, rows.Known) and result.run.id != row.id:
            if schedule is not None:
                await self._write(Unit("", schedule=schedule))
            return result.run
        events, at = self.runtime.events, self.runtime.now()
        if slot is not None:
            events.publish(SlotStarted(self.path, at, slot.schedule.id, slot.at / 1e6, row.id))
        events.publish(RunAccepted(self.path, at, row.id, row.workflow, row.key, schedule.id if schedule else None))
        if here and row.id not in kept.live:
            await self._begin(self._awake(row, [], pattern))
        elif not here:
            self.ref.tell(_Look())
        return row

    @handles
    def traced(self, message: Traced) -> None:
        live = self._kept.live.get(message.run)
        if live is not None and live.keeper.row.trace is None and not live.record.future.done():
            live.keeper.update(trace=message.trace)

    @handles
    async def say(self, message: Say) -> None:
        body = None if message.value is None else encode(message.value)
        row = InboxRow(self._new_id(), message.run, message.kind, message.name, body, message.by, self._now())
        result = await self._write(Unit(message.run, inbox=(row,)))
        if isinstance(result, rows.Refused):
            raise await self._refusal(message.run)
        live = self._kept.live.get(message.run)
        if live is not None:
            self._deliver(live, row)
        else:
            self.ref.tell(_Look())

    def _new_id(self) -> str:
        return self._settings.new_id(self._now(), self.runtime.random)

    async def _refusal(self, run: str) -> TeamError:
        row: RunRow | None = await self._query("run", run)
        return NoSuchRun(run) if row is None else AlreadyEnded(run, row.state)

    @handles
    async def answer_question(self, message: Answer) -> None:
        entries: list[Entry] = await self._query("entries", message.run)
        if not entries and await self._query("run", message.run) is None:
            raise NoSuchRun(message.run)
        asked_in = {each.step: decode(each.body or b"{}") for each in entries if each.kind == "asked"}
        answered = {each.step: decode(each.body or b"{}") for each in entries if each.kind == "answered"}
        waiting = await self._query("inbox", message.run)
        pending = {each.name: each.by for each in waiting if each.kind == "answer"}
        if message.step in answered or message.step in pending:
            by = answered[message.step]["by"] if message.step in answered else pending[message.step]
            raise AlreadyAnswered(message.run, message.step, by)
        ended = {each.step for each in entries if each.kind == "expired"}
        if message.step not in asked_in or message.step in ended:
            open_ = tuple(each for each in asked_in if each not in answered and each not in ended)
            raise NoOpenQuestion(message.run, message.step, open_)
        options = asked_in[message.step]["asks"]["options"]
        if options and message.value not in options:
            raise NotAnOption(message.run, message.step, message.value, tuple(options))
        await self.say(Say(message.run, "answer", message.step, message.value, message.by))

    @handles
    async def retry(self, message: RetryRun) -> RunRow:
        row: RunRow | None = await self._query("run", message.run)
        if row is None:
            raise NoSuchRun(message.run)
        if row.state not in ("failed", "cancelled"):
            raise AlreadyEnded(row.id, row.state) if row.state in ENDED else NotEnded(row.id, row.state)
        entries: list[Entry] = await self._query("entries", row.id)
        first = 0
        if message.step is not None:
            step = message.step
            began = [
                each.seq for each in entries if each.step == step or each.step.startswith((f"{step}/", f"{step}["))
            ]
            if not began:
                raise NoOpenQuestion(row.id, step, tuple(dict.fromkeys(each.step for each in entries if each.step)))
            first = began[0]
        seq = entries[-1].seq + 1 if entries else 1
        entry = Entry(row.id, seq, "retried", "", 1, self._now(), None, encode(first))
        update: dict[str, Any] = {"state": "created", "waiting_for": "a slot", "result": None, "error": None}
        update |= {"ended_at": None, "retain_until": None, "owner": None}
        if row.deadline is not None:
            update["deadline"] = self._now() + (row.deadline - row.created_at)
        result = await self._write(Unit(row.id, epoch=row.epoch, entries=(entry,), update=update))
        if not isinstance(result, Written):
            raise NotEnded(row.id, "taken up by another engine")
        self.runtime.events.publish(RunRetried(self.path, self.runtime.now(), row.id))
        self.ref.tell(_Look())
        found: RunRow = await self._query("run", row.id)
        return found

    # What is asked about runs

    @handles
    async def await_end(self, message: AwaitEnd) -> None:
        reply = take_reply(self)
        if reply is None:
            return
        self._kept.waiters[message.run] = [*(self._kept.waiters.get(message.run, ())), reply]
        if message.run not in self._kept.live:
            await self._tell_end(message.run)

    async def _tell_end(self, run: str) -> None:
        """Answers those who wait for the end of the run, if it has ended."""
        if run not in self._kept.waiters:
            return
        row: RunRow | None = await self._query("run", run)
        if row is not None and row.state not in ENDED:
            return
        for reply in self._kept.waiters.pop(run, ()):
            if row is None:
                settle_failure(reply, NoSuchRun(run), self.path)
            else:
                answer(reply, row)

    @handles
    async def get(self, message: GetRun) -> tuple[RunRow, list[Entry], list[InboxRow], Graph | None, int]:
        row: RunRow | None = await self._query("run", message.run)
        if row is None:
            raise NoSuchRun(message.run)
        entries, messages = await self._query("entries", row.id), await self._query("inbox", row.id)
        return row, entries, messages, self._settings.graph(row), self._now()

    @handles
    async def list_runs(self, message: GetRuns) -> list[RunRow]:
        found: list[RunRow] = await self._query("runs", **message.options)
        return found
