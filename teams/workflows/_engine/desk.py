"""The desk of an engine: which runs are awake here, and everything that is said to runs.

    message          from, to                    answer
    StartRun         the ref of the engine       the row of the run, as soon as it is written
    Say, AnswerQuestion  the ref                 None, as soon as it is written
    EditRun          the ref                     None, as soon as it is decided and written
    RetryRun         the ref                     the row
    AwaitEnd         the ref                     the row of the ended run
    AwaitNews        the stream of a run         RunNews, as soon as there are new entries, or the run has ended
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
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from actors.spi import (
    Actor,
    ActorDeadError,
    ActorRef,
    Crashed,
    ExitReason,
    RestartLimitExceeded,
    Timer,
    answer,
    handles,
    is_stopping,
    is_up,
    sleep,
    take_reply,
    when_gone,
)
from supervisors.spi import SupervisionError
from teams._journal import rows
from teams._journal.codec import decode, encode, text_cell
from teams._journal.errors import JournalError, NotStorable, StoreAway
from teams._journal.lease import Lease
from teams._journal.rows import ENDED, InboxRow, JournalEntry, RunRow, Unit, Written
from teams._runs.pattern import Pattern
from teams._runs.state import RunState
from teams.errors import RunCancelled, TeamError
from teams.events import RunEnded, RunEvent
from teams.workflows._engine import lookout
from teams.workflows._engine.journal import StoreOpened
from teams.workflows._engine.keepers import Keepers
from teams.workflows._engine.listeners import Listeners, follower
from teams.workflows._engine.lookout import PAUSE, POLL, Lookout, Seen
from teams.workflows._engine.messages import (
    AnswerQuestion,
    AwaitEnd,
    AwaitNews,
    EditRun,
    FoundRun,
    GetRun,
    GetRuns,
    RetryRun,
    RunsWaiting,
    Say,
    StartRun,
    StopReading,
    Traced,
)
from teams.workflows._engine.notices import (
    HasNews,
    KeeperLost,
    LeaveRun,
    LookForRuns,
    MaybePark,
    PlayerGone,
    PollStore,
    PurgeRuns,
    RenewLease,
    RunWaits,
)
from teams.workflows._engine.players import Players
from teams.workflows._engine.records import CHANGES, Records, graph_of
from teams.workflows._engine.said import (
    answer_row,
    check_first,
    edit_body,
    edited_run,
    edited_workflow,
    existing,
    is_edited,
    new_run,
    next_of,
    open_question,
    read_changes,
    reason_of,
    refusal,
    refused_edit_body,
    retried,
)
from teams.workflows._engine.settings import EngineSettings, microseconds
from teams.workflows._graph.edit import GraphChanges
from teams.workflows._graph.graph import Graph
from teams.workflows._graph.workflow import definition_of
from teams.workflows._run.deadline import Looks
from teams.workflows._run.hidden import Hidden
from teams.workflows._run.keeper import DurableKeeper
from teams.workflows._run.passes import Passes
from teams.workflows._run.play import read_input
from teams.workflows._run.run import Live, failure
from teams.workflows._run.values import read
from teams.workflows.errors import (
    AlreadyEnded,
    NotEnded,
    WorkflowError,
)
from teams.workflows.events import (
    EngineTookOver,
    LeaseLost,
    RunAccepted,
    RunBlocked,
    RunCancelling,
    RunEdited,
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

PARK = 1.0
"""Seconds that a run must wait for, and has waited, before it is parked."""
AT_ONCE = 100
"""How many runs are read from the store at once when they are taken up."""
PURGE = 60.0
"""Seconds between two looks for ended runs that are not kept any longer."""
PURGED = 500
"""How many of them are deleted at once."""
LEASE = 15.0
"""Seconds for which an engine owns its runs without a word."""


class _Kept:
    """The state that outlives the incarnations of the desk."""

    def __init__(self) -> None:
        self.lease: Lease | None = None
        self.live: dict[str, Live] = {}
        self.refs: dict[str, ActorRef[Any]] = {}
        self.listeners = Listeners()
        self.guarded = False
        self.tracing: WorkflowTracing | None = None

    def refuse(self, path: str, reason: ExitReason) -> None:
        """There is no desk any more."""
        if self.tracing is not None:
            self.tracing.close()
        self.listeners.refuse(path, reason)


class Desk(Actor):
    """The desk. Runs on the loop."""

    only_host = "loop"
    concurrency = 1_000
    answers: ClassVar[tuple[type[BaseException], ...]] = (TeamError, SupervisionError, JournalError)

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._kept = self.kept(_Kept)
        self._starting: set[str] = set()
        """Runs that are being written for the first time here and are not awake yet."""
        self._timers: list[Timer] = []
        self._looks = Looks(self.runtime.clock)
        self._now = microseconds(self.runtime.clock.wall)
        journal = partial(self.sibling, "journal")
        self._records = Records(settings, partial(self.sibling, "store"), journal, self._now)
        self._keepers = Keepers(settings, self.ref, journal, self._now, Passes())
        self._lookout = Lookout(self._records, self._now, self._look_once, self._look_after, self._stops)
        self._players = Players(self.ref, self.runtime, self._kept.live, self._kept.refs, self._lookout)

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
        else:
            # The next look sees to these runs. While the store is away the desk starts all the same, so that it ends
            # in order and gives the lease back.
            self._lookout.doubt()
            for run, live in list(kept.live.items()):
                self._players.watch(live)
                self.waits(RunWaits(run, live.keeper))
        self._timers = [
            self.tell_every(POLL, PollStore()),
            self.tell_every(lookout.LOOK, LookForRuns()),
            self.tell_every(LEASE / 6, RenewLease()),
            self.tell_every(PURGE, PurgeRuns()),
        ]
        self.ref.tell(LookForRuns())

    async def on_stop(self) -> None:  # type: ignore[override]
        for timer in self._timers:
            timer.cancel()
        lease = self._kept.lease
        if lease is not None:
            with contextlib.suppress(StoreAway):  # the lease ends by itself
                await self._records.query("release", lease.epoch)

    # The lease

    async def _register(self) -> None:
        """Takes a lease, as soon as the store answers."""
        epoch: int | None = None
        while epoch is None:
            asked_at = self.runtime.now()
            try:
                epoch = await self._records.query("register", socket.gethostname(), os.getpid(), LEASE)
            except StoreAway:
                await sleep(PAUSE)
        self._kept.lease = Lease(epoch, LEASE, asked_at)
        self.runtime.events.publish(EngineTookOver(self.path, self.runtime.now(), epoch))

    @handles
    async def renew(self, _: RenewLease) -> None:
        lease = self._kept.lease
        if lease is None:
            return
        asked_at = self.runtime.now()
        if asked_at >= lease.stop():
            await self._lease_lost(lease)
        elif asked_at >= lease.due():
            try:
                renewed = await self._records.query("renew", lease.epoch, LEASE)
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
        self.ref.tell(LookForRuns())

    # Which runs are awake

    @handles
    async def poll(self, _: PollStore) -> None:
        if self._kept.lease is None or self._lookout.looks:
            return
        with contextlib.suppress(StoreAway):  # the next look finds what there is
            if await self._records.query("changed"):
                await self.look(LookForRuns())

    @handles
    async def runs_waiting(self, _: RunsWaiting) -> None:
        await self.look(LookForRuns())

    @handles
    async def look(self, _: LookForRuns) -> None:
        await self._lookout.look()

    def _look_after(self, seconds: float) -> Timer:
        return self.tell_after(seconds, LookForRuns())

    async def _look_once(self) -> Seen | None:
        kept, lease = self._kept, self._kept.lease
        if lease is None:
            return None
        if self._lookout.is_in_doubt():
            await self._records.give_up(lease.epoch, lambda run: run in kept.live or run in self._starting)
        runs = self.runtime.find(f"{self.home}/runs")
        if runs is None or not is_up(runs):
            self._lookout.later(POLL)
            return None
        await self._begin([live for run, live in kept.live.items() if run not in kept.refs])
        room, claimed = self._room(), []
        if room > 0:
            claimed = await self._records.query("claim", lease.epoch, room, tuple(self._settings.workflows))
            for first in range(0, len(claimed), AT_ONCE):
                if self._stops():
                    return None  # with the lease, the rest is given up
                written = await self._records.written_of(claimed[first : first + AT_ONCE])
                found = [await self._take_up(row, entries, messages) for row, entries, messages in written]
                await self._begin([live for live in found if live is not None])
        said: dict[str, list[InboxRow]] = {}
        for message in await self._records.query("inbox"):
            said.setdefault(message.run, []).append(message)
        for run, messages in said.items():
            if run in kept.live:
                self._deliver_all(kept.live[run], messages)
        for run in [run for run in kept.listeners.waiters if run not in kept.live]:
            await self._tell_end(run)
        for run in [run for run in kept.listeners.readers if run not in kept.live]:
            await self._tell_news(run)
        return Seen(lease.epoch, len(claimed), room, self._room())

    def _stops(self) -> bool:
        """Whether the engine stops: its runs end before the desk, which has no work any more."""
        engine = self.runtime.find(self.home)
        return engine is None or is_stopping(engine)

    def _room(self) -> int:
        """How many more runs may be awake here."""
        return self._settings.max_concurrent_workflows - len(self._kept.live) - len(self._starting)

    async def _take_up(self, row: RunRow, entries: list[JournalEntry], messages: list[InboxRow]) -> Live | None:
        """Wakes a run that this process owns, if it goes on now: then its actor has to be started."""
        if row.id in self._kept.live:  # it was given up, and this desk was started again before it was forgotten
            before = self._kept.live[row.id].keeper
            await self._drop(row.id)
            await before.is_written()  # what it has sent to the store comes before what is read now
            newest = await self._records.row(row.id)
            if newest is None or newest.state in ENDED:  # it was claimed just before
                await self._tell_end(row.id, newest)
                return None
            ((row, entries, messages),) = await self._records.written_of([newest])
        if any(each.kind in CHANGES for each in messages):
            row, entries, messages = await self._records.change(row, entries, messages)
        try:
            live = self._awake(row, entries, await self._records.pattern(row))
        except StoreAway:
            raise  # the next look takes the run up, or another engine does
        except Exception as error:  # noqa: BLE001 - the other runs go on; another version of the code may know what to do
            await self._block(row, entries, messages, error)
            return None
        self._deliver_all(live, messages)
        keeper = live.keeper
        if keeper.cancelled is None:
            resumed = row.state not in ("paused", "blocked") or any(each.kind == "resume" for each in messages)
            if keeper.paused or not resumed:
                del self._kept.live[row.id]
                keeper.set_aside()
                keeper.update(owner=None)
                await keeper.is_written()
                return None
            keeper.taken_up(self._now())
        age = max(0.0, (self._now() - row.created_at) / 1e6)
        self._publish(live, RunTakenUp, row.workflow, row.state, live.record.done, age, row.trace)
        return live

    def _publish(self, live: Live, kind: type[RunEvent], *values: object) -> None:
        """Publishes an event of a run, when what it tells of is written."""
        fields: tuple[Any, ...] = (self.path, self.runtime.now(), live.record.id, *values)
        live.keeper.publish(self._publish_now, kind, fields)

    def _publish_now(self, kind: type[RunEvent], fields: tuple[Any, ...]) -> None:
        self.runtime.events.publish(kind(*fields))

    def _keeper(self, row: RunRow, entries: list[JournalEntry]) -> DurableKeeper:
        keeper = self._keepers.make(row, entries)
        if row.id in self._kept.listeners.readers:
            keeper.on_written = partial(self._written_here, row.id)
        return keeper

    def _awake(self, row: RunRow, entries: list[JournalEntry], pattern: Pattern) -> Live:
        runtime, keeper = self.runtime, self._keeper(row, entries)
        value = read_input(pattern, read(row.input))
        record = RunState(row.id, pattern, value, runtime, self.path, keeper=keeper)
        record.cancelled = keeper.cancelled
        keeper.restore(record, runtime.now())
        live = Live(record, keeper, self._looks)
        self._kept.live[row.id] = live
        return live

    async def _begin(self, lives: list[Live]) -> None:
        """Starts the actors of runs, as far as these are ours still."""
        await self._players.begin([live for live in lives if self._may_begin(live)])

    def _may_begin(self, live: Live) -> bool:
        run, kept = live.record.id, self._kept
        if kept.live.get(run) is not live:
            return False
        if kept.lease is None or kept.lease.epoch != live.keeper.row.epoch:  # lost while it was being taken up
            del kept.live[run]
            return False
        return True

    @handles
    async def gone(self, message: PlayerGone) -> None:
        """The actor of a run has terminated."""
        kept = self._kept
        live = kept.live.get(message.run)
        if live is None or live.keeper is not message.keeper or not self._players.has_ended(live, message.ref):
            return
        keeper = live.keeper
        if not keeper.given_up and not keeper.taken_over:
            if not isinstance(message.reason, Crashed | RestartLimitExceeded):  # with the supervisor of the runs
                self._lookout.later(PAUSE)
                return
            error = ActorDeadError(f"{self.home}/runs", message.reason, None)
            keeper.ended("failed", None, failure(error))
            now, began = self.runtime.now(), live.record.began
            self._publish(live, RunEnded, 0.0 if began is None else now - began, error)
            await keeper.is_written()
        del kept.live[message.run]
        with contextlib.suppress(StoreAway):  # the next look tells it
            await self._tell_end(message.run, keeper.last)
        if self._lookout.crowded or (keeper.last is not None and keeper.last.state == "continued"):
            self.ref.tell(LookForRuns())
        live.let_go()

    @handles
    async def lost(self, message: KeeperLost) -> None:
        """A keeper could not write. Its run may be dropped already, or be one that was only set aside."""
        live = self._kept.live.get(message.run)
        if live is not None and live.keeper is message.keeper:
            at = self.runtime.now()
            self.runtime.events.publish(RunLost(self.path, at, message.run, message.error))
            await self._drop(message.run)
        if isinstance(message.error, NotStorable):
            await self._fail(message.keeper.row, message.error)
        else:  # the store may say all the same that it is ours
            self._lookout.doubt()
            self.ref.tell(LookForRuns())

    async def _fail(self, row: RunRow, error: NotStorable) -> None:
        """What a run did cannot be written down. It would do the same again, so it ends."""
        try:
            now: RunRow | None = await self._records.query("run", row.id)
            if now is None or now.owner != row.epoch or now.state in ENDED:
                return
            keeper = self._keeper(now, await self._records.query("entries", row.id))
            keeper.ended("failed", None, failure(error))
            seconds = (self._now() - row.created_at) / 1e6
            fields = (self.path, self.runtime.now(), row.id, seconds, error)
            keeper.publish(self._publish_now, RunEnded, fields)
            await keeper.is_written()
            await self._tell_end(row.id)
        except StoreAway:
            self._lookout.doubt()
            self._lookout.later(PAUSE)

    @handles
    async def leave_run(self, message: LeaveRun) -> None:
        """A run is paused."""
        keeper = message.keeper
        if not keeper.given_up or not await keeper.is_written():
            return
        live = self._kept.live.get(message.run)
        if live is not None and live.keeper is keeper and keeper.given_up:  # nothing has come meanwhile
            await self._drop(message.run)

    async def _drop(self, run: str) -> None:
        """The actor of a run ends; the row of the run says what becomes of it."""
        self._kept.live.pop(run, None)
        await self._players.end(run)

    @handles
    def waits(self, message: RunWaits) -> None:
        """A run waits for something that may take long. What it waits for may come soon."""
        self.tell_after(PARK, MaybePark(message.run, message.keeper))

    @handles
    async def maybe_park(self, message: MaybePark) -> None:
        """A run has waited for a while: it is parked when nothing else of it is under way."""
        live = self._kept.live.get(message.run)
        if live is None or live.keeper is not message.keeper:
            return
        keeper, waiting = live.keeper, live.waiting(self._now(), PARK)
        if waiting is None:
            if keeper.given_up and live.record.task is not None:  # a desk that crashed then has parked it
                self._go_on(live)
            return
        keeper.set_aside()
        for_what, wake_at = waiting
        keeper.update(state="waiting", waiting_for=for_what, wake_at=wake_at, owner=None)
        if not await keeper.is_written() or self._kept.live.get(message.run) is not live:
            return
        if live.waiting(self._now(), 0.0) != waiting:  # what it waits for has come meanwhile
            self._go_on(live)
            return
        await self._drop(message.run)
        at = None if wake_at is None else wake_at / 1e6
        self.runtime.events.publish(RunParked(self.path, self.runtime.now(), message.run, for_what, at))
        self.ref.tell(LookForRuns())

    def _go_on(self, live: Live) -> None:
        """A run that was parked in the store is awake after all."""
        if not live.keeper.paused and live.keeper.cancelled is None:
            live.keeper.running(self._now())

    async def _block(
        self,
        row: RunRow,
        entries: list[JournalEntry],
        messages: list[InboxRow],
        error: Exception,
    ) -> None:
        """A run cannot be played by this engine. It can be cancelled, and what is said to it is kept."""
        keeper = self._keeper(row, entries)
        cancel = next((each for each in messages if each.kind == "cancel"), None)
        for message in messages:
            if message.kind in ("signal", "answer"):
                keeper.arrived(message)
            else:
                keeper.took(message)
        if cancel is not None:
            why = reason_of(cancel)
            keeper.ended("cancelled", None, failure(RunCancelled(row.id, why, {})))
        else:
            keeper.set_aside()
            keeper.update(state="blocked", waiting_for=str(error), owner=None)
            self.runtime.events.publish(RunBlocked(self.path, self.runtime.now(), row.id, error))
        await keeper.is_written()
        await self._tell_end(row.id)

    @handles
    async def purge(self, _: PurgeRuns) -> None:
        if self._kept.lease is None:
            return
        try:
            count: int = await self._records.query("purge", self._now(), PURGED)
        except StoreAway:
            return  # the next look deletes what there is
        if count:
            self.runtime.events.publish(RunsPurged(self.path, self.runtime.now(), count))
        if count == PURGED:
            self.ref.tell(PurgeRuns())

    # What is said to runs

    def _deliver_all(self, live: Live, messages: list[InboxRow]) -> None:
        """A pause that was taken back before it was heard of does not pause the run."""
        back = max((at for at, each in enumerate(messages) if each.kind in ("resume", "cancel")), default=-1)
        for at, message in enumerate(messages):
            if message.kind != "pause" or at > back:
                self._deliver(live, message)
            elif live.keeper.is_news(message):
                live.keeper.took(message)

    def _deliver(self, live: Live, message: InboxRow) -> None:
        """Something was said to a run that is awake here."""
        record, keeper = live.record, live.keeper
        if message.kind == "edit" and keeper.given_up and not keeper.has_ended:
            return  # it leaves this process: the next look brings the message to it again
        if not keeper.is_news(message):
            return
        match message.kind:
            case "cancel":
                keeper.took(message)
                if record.cancelled is None and not keeper.has_ended:
                    record.cancelled = reason_of(message)
                    keeper.call_off(record.cancelled, undo=message.name != "now")
                    self._publish(live, RunCancelling, record.cancelled)
                    if record.task is not None:
                        record.task.cancel()
            case "pause":
                keeper.took(message)
                if record.cancelled is None and not keeper.has_ended:
                    own = self.ref
                    keeper.pause()
                    self._publish(live, RunPaused)
                    keeper.publish(lambda: own.tell(LeaveRun(record.id, keeper)) if own.is_alive() else None)
            case "move":  # by the desk, when the run is not awake
                keeper.update(owner=None)
                keeper.publish(lambda: self.ref.tell(LeaveRun(record.id, keeper)))
            case "edit" if keeper.has_ended:
                keeper.took(message)
            case "edit":
                try:
                    changes = read_changes(record.id, decode(message.body or b"{}"))
                    self._edit(live, message.id, changes, message.id)
                except (WorkflowError, JournalError) as error:
                    keeper.refuse_edit(message.id, refused_edit_body(message.id, error), message.id)
            case "resume":
                keeper.took(message)
                keeper.resume(self._now(), accept_changes=message.name == "accept_changes")
            case "signal" | "answer":
                keeper.arrived(message)
            case _:
                keeper.took(message)

    @handles
    async def start_run(self, message: StartRun) -> None:
        settings, now = self._settings, self._now()
        row = new_run(settings, message, self._new_id(), now)
        pattern = settings.workflows[message.workflow]
        lease, kept = self._kept.lease, self._kept
        here = lease is not None and self._room() > 0
        if here:
            assert lease is not None
            row = settings.owned(row, lease.epoch, now)
        definition, slot = settings.definition(message.workflow, now), message.slot
        schedule = None if slot is None else slot.schedule
        if here:
            self._starting.add(row.id)
        try:
            result = await self._records.write(Unit(row.id, definition=definition, start=row, schedule=schedule))
        except StoreAway:
            self._lookout.doubt()
            raise
        finally:
            self._starting.discard(row.id)
        known = existing(result, row)
        if known is not None:
            if schedule is not None:
                await self._records.write(Unit("", schedule=schedule))
            self._acknowledge(known, message)
            if message.until_end and known.id not in kept.live:
                await self._tell_end(known.id)
            return
        events, at = self.runtime.events, self.runtime.now()
        if slot is not None:
            events.publish(SlotStarted(self.path, at, slot.schedule.id, slot.at / 1e6, row.id))
        events.publish(RunAccepted(self.path, at, row.id, row.workflow, row.key, schedule.id if schedule else None))
        self._acknowledge(row, message)
        if here and row.id not in kept.live and kept.lease is not None and kept.lease.epoch == row.epoch:
            await self._begin([self._awake(row, [], pattern)])
        elif row.id not in kept.live:
            self.ref.tell(LookForRuns())

    def _acknowledge(self, row: RunRow, message: StartRun) -> None:
        """A run that was asked for is in the store: its caller hears of that, or later of its end."""
        reply = take_reply(self)
        if reply is None:
            return
        if message.until_end:
            self._kept.listeners.wait(row.id, reply)
        else:
            answer(reply, row)

    @handles
    def traced(self, message: Traced) -> None:
        live = self._kept.live.get(message.run)
        if live is not None and live.keeper.row.trace is None and not live.record.future.done():
            live.keeper.update(trace=message.trace)

    @handles
    async def say(self, message: Say) -> None:
        body = None if message.value is None else encode(message.value, limit=self._settings.max_value_bytes)
        await self._say(
            InboxRow(
                self._new_id(),
                message.run,
                message.kind,
                text_cell(message.name, "name"),
                body,
                message.by,
                self._now(),
            )
        )

    async def _say(self, row: InboxRow) -> None:
        result = await self._records.write(Unit(row.run, inbox=(row,)))
        if isinstance(result, rows.MessageRefused):
            ended = await self._records.query("run", row.run)
            following = next_of(ended, row)
            if following is None:
                raise refusal(row.run, ended)
            await self._say(following)
            return
        live = self._kept.live.get(row.run)
        if live is not None:
            self._deliver(live, row)
        else:
            self.ref.tell(LookForRuns())

    def _new_id(self) -> str:
        return self._settings.new_id(self._now(), self.runtime.random)

    @handles
    async def answer_question(self, message: AnswerQuestion) -> None:
        await self._records.found(message.run)
        own = answer_row(message, *await self._records.said_of(message.run), self._now())
        try:
            await self._say(own)
        except AlreadyEnded:
            open_question(
                message.run, message.step, *await self._records.said_of(message.run)
            )  # it has ended with this answer
            raise
        check_first(own, *await self._records.said_of(message.run))

    @handles
    async def edit(self, message: EditRun) -> None:
        """Changes the graph of a run: in one commit, unless another process has it awake, which decides then."""
        id, changes, told = self._new_id(), read_changes(message.run, message.changes), False
        while True:
            live = None if told else self._kept.live.get(message.run)
            if live is not None and not live.keeper.given_up and not live.keeper.taken_over:
                if id not in live.keeper.edits:
                    self._edit(live, id, changes)
                if await live.keeper.is_written():
                    return
            elif live is None and await self._is_edited(message, changes, id, told):
                return
            elif live is None and not told:
                told = True
                await self._say(InboxRow(id, message.run, "edit", "", encode(message.changes), "", self._now()))
            else:
                await sleep(POLL)

    def _edit(self, live: Live, id: str, changes: GraphChanges, message: str | None = None) -> None:
        """Changes the graph of a run that is awake here. Raises AlreadyEnded, AlreadyBegun, CannotEdit."""
        record, keeper = live.record, live.keeper
        if keeper.has_ended or keeper.is_over or record.cancelled is not None:
            raise AlreadyEnded(record.id, "its steps have ended" if record.cancelled is None else "cancelling")
        made = edited_workflow(record.id, record.pattern, changes, keeper.begun, self._settings.names)
        record.pattern = made
        body = edit_body(id, keeper.row.version, made, changes)
        keeper.edit(made, definition_of(made, self._now()), id, body, message)
        self._publish(live, RunEdited, made.version, *changes.ids)

    async def _is_edited(self, message: EditRun, changes: GraphChanges, id: str, told: bool) -> bool:
        """Whether an edit is made, of a run that is not awake here; if no process has it, it is made now. False: its
        process decides. Raises AlreadyEnded, AlreadyBegun, CannotEdit.
        """
        row = await self._records.found(message.run)
        entries: list[JournalEntry] = await self._records.query("entries", row.id)
        if is_edited(row.id, id, entries):
            return True
        if row.state in ENDED:
            raise AlreadyEnded(row.id, row.state)
        if told or row.owner is not None:
            return False
        pattern = await self._records.pattern(row)
        unit = edited_run(row, entries, pattern, changes, id, self._now(), names=self._settings.names)
        if not isinstance(await self._records.write(unit), Written):
            return await self._is_edited(message, changes, id, told)
        at = self.runtime.now()
        self.runtime.events.publish(RunEdited(self.path, at, row.id, str(unit.update["version"]), *changes.ids))
        self.ref.tell(LookForRuns())
        return True

    @handles
    async def retry(self, message: RetryRun) -> RunRow:
        row = await self._records.found(message.run)
        entries: list[JournalEntry] = await self._records.query("entries", row.id)
        result = await self._records.write(retried(row, entries, message.step, self._now()))
        if not isinstance(result, Written):
            raise NotEnded(row.id, "taken up by another engine")
        self.runtime.events.publish(RunRetried(self.path, self.runtime.now(), row.id))
        self.ref.tell(LookForRuns())
        found: RunRow = await self._records.query("run", row.id)
        return found

    # What is asked about runs

    @handles
    async def await_end(self, message: AwaitEnd) -> None:
        reply = take_reply(self)
        if reply is None:
            return
        self._kept.listeners.wait(message.run, reply)
        if message.run not in self._kept.live:
            await self._tell_end(message.run)

    async def _tell_end(self, run: str, last: RunRow | None = None) -> None:
        """Answers those who wait for the end of the run, if it has ended. `last` is its row, if that is known here."""
        listeners = self._kept.listeners
        while run in listeners.waiters:
            row = await self._records.row(run) if last is None else last
            listeners.ended(run, row, self.path)
            following = None if row is None else follower(row)
            if following is None or following in self._kept.live:
                break
            run, last = following, None

    @handles
    async def await_news(self, message: AwaitNews) -> None:
        reply = take_reply(self)
        if reply is not None:
            self._kept.listeners.read(message, reply)
            await self._tell_news(message.run)

    @handles
    def stop_reading(self, message: StopReading) -> None:
        self._kept.listeners.forget(message.run, message.reader)

    @handles
    async def has_news(self, message: HasNews) -> None:
        await self._tell_news(message.run)

    def _written_here(self, run: str) -> None:
        """Something was written of a run that is awake here."""
        if self.ref.is_alive():
            self.ref.tell(HasNews(run))

    async def _tell_news(self, run: str) -> None:
        """Answers those who wait for new entries of the run, if there are some. What is written from now on is told,
        too: of a run that is awake here by its keeper, of others with the next look.
        """
        kept, records = self._kept, self._records
        listeners = kept.listeners
        if run not in listeners.readers:
            return
        live = kept.live.get(run)
        if live is not None:
            live.keeper.on_written = partial(self._written_here, run)
        asked_now = listeners.asked(run)
        try:
            entries = await records.query("entries", run, asked_now.after) if await records.row(run) else []
            row = await records.row(run)  # as new as the entries, or newer
            graph = None if row is None else await self._graph(row)
            hidden = Hidden() if row is None else await records.hidden(row)
        except StoreAway:
            if live is not None:
                self.tell_after(PAUSE, HasNews(run))
            return  # the next look tells of the others
        listeners.news(asked_now, row, entries, graph, hidden, self.path)

    async def _graph(self, row: RunRow) -> Graph | None:
        live = self._kept.live.get(row.id)
        return await self._records.graph(row) if live is None else graph_of(live.record.pattern)

    @handles
    async def get(self, message: GetRun) -> FoundRun:
        records = self._records
        row = await records.found(message.run)
        entries, messages = await records.query("entries", row.id), await records.query("inbox", row.id)
        return FoundRun(row, entries, messages, await self._graph(row), self._now(), await records.hidden(row))

    @handles
    async def list_runs(self, message: GetRuns) -> list[RunRow]:
        found: list[RunRow] = await self._records.query("runs", **message.options)
        return found
