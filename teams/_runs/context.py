"""The tools of a pattern: steps that are remembered, time, randomness and events of its run."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields
from functools import partial
from typing import Any, TypeVar

from actors.spi import ActorDeadError, ActorRef, NoProc, sleep
from teams._dispatch.gather import Gathered, Gathering, GatherPolicy, collect
from teams._dispatch.messages import CancelWork, GetRoster
from teams._dispatch.view import TeamCapacity, TeamView
from teams._dispatch.work import Assign
from teams._members.results import Outcome
from teams._members.target import Can, WorkTarget
from teams._runs.hidden import shown, whole
from teams._runs.interrupt import is_interrupt
from teams._runs.pattern import Inline, Pattern, Target, label
from teams._runs.state import BEGAN, Keeper, RunState, StepAnswer, StepOutcomes
from teams.errors import NoCapableAgent, RunError, StepFailed, StepTimeout, WorkFailed
from teams.events import RunEvent, StepBegan, StepBroke, StepDone, StepSkipped
from teams.protocols._topics.ref import TopicsRef

T = TypeVar("T")


class RunContext:
    """A run, or a named part of one. Steps are named by where they stand in the pattern, so that the same step has the
    same name when the pattern is played again.
    """

    __slots__ = ("_coordinator", "_journal", "_path", "_priority", "_record", "_used")

    def __init__(
        self,
        record: RunState,
        coordinator: ActorRef[Any],
        path: str = "",
        priority: int = 0,
        journal: StepOutcomes | None = None,
    ) -> None:
        self._record = record
        self._coordinator = coordinator
        self._path = path
        self._priority = priority
        self._journal = record.journal if journal is None else journal
        self._used: dict[str, int] = {}

    @property
    def run(self) -> str:
        """The name of the run."""
        return self._record.id

    @property
    def path(self) -> str:
        """The part of the run that this is; empty for the whole."""
        return self._path

    @property
    def keeper(self) -> Keeper | None:
        """The keeper that writes the run down; None: the run is forgotten with its process."""
        return self._record.keeper

    @property
    def random(self) -> random.Random:
        """The randomness of the runtime."""
        return self._record.runtime.random

    def now(self) -> float:
        """The runtime's clock, in seconds."""
        return self._record.runtime.now()

    def wall(self) -> float:
        """The wall clock, in seconds since the epoch. It may be set back."""
        return self._record.runtime.clock.wall()

    async def sleep(self, seconds: float, *, name: str = "sleep") -> None:
        """Waits, by the runtime's clock. A run of an engine waits until `seconds` after the time at which it came here
        first, in whatever process.
        """
        keeper = self._record.keeper
        if keeper is None:
            await sleep(seconds)
        else:
            await keeper.sleep(self._numbered(name), seconds)

    # Parts

    def key(self, name: str) -> str:
        """The full name of a step or part of this one."""
        return f"{self._path}/{name}" if self._path else name

    def _numbered(self, name: str) -> str:
        count = self._used[name] = self._used.get(name, 0) + 1
        return self.key(name) if count == 1 else self.key(f"{name}#{count}")

    def within(self, name: str, coordinator: ActorRef[Any]) -> RunContext:
        """A part of this one whose steps are work of another team."""
        return self.at(name).of(coordinator)

    def of(self, coordinator: ActorRef[Any]) -> RunContext:
        """The same part, with steps that are work of this team."""
        part = self._at(self._path)
        part._coordinator = coordinator
        return part

    def knows(self, name: str) -> bool:
        """Whether the step of this name has ended, here or in another process."""
        key, keeper = self.key(name), self._record.keeper
        return key in self._journal or (keeper is not None and keeper.knows(key))

    def _at(self, key: str, priority: int | None = None) -> RunContext:
        urgency = self._priority if priority is None else priority
        return RunContext(self._record, self._coordinator, key, urgency, self._journal)

    def at(self, name: str, *, priority: int | None = None) -> RunContext:
        """A part of this one, with names of its own. `priority` is that of its steps, unless they have their own."""
        return self._at(self._numbered(name), priority)

    def apart(self, name: str) -> RunContext:
        """A part under exactly this name, one of very many. It has a journal of its own, which `close` forgets. The
        pattern keeps what must outlive that, its result for instance (`kept`).
        """
        key = self.key(name)
        journal = self._record.parts.setdefault(key, {})
        return RunContext(self._record, self._coordinator, key, self._priority, journal)

    def close(self) -> None:
        """A part made by `apart` has ended."""
        self._record.parts.pop(self._path, None)

    def kept(self, name: str, make: Callable[[], T]) -> T:
        """The object that `make` returned the first time that this part asked for it, however often the pattern is
        played. It holds the data that a pattern must remember besides the outcomes of its steps.
        """
        key = self.key(name)
        kept = self._record.kept
        if key not in kept:
            self._record.keep(key, make())
        found: T = kept[key]
        return found

    # Events

    def emit(self, event: RunEvent) -> None:
        """Publishes an event of this run, once, however often the pattern is played. Fills in path, time and run."""
        key = self._numbered(f"({event.name})")
        if key not in self._record.emitted:
            self._record.emitted.add(key)
            own = [each.name for each in fields(event)][len(fields(RunEvent)) :]
            self._record.publish(type(event), self.now(), *(getattr(event, each) for each in own))

    # What is not shown

    def hide(self, paths: Mapping[str, tuple[str, ...]]) -> None:
        """Has the results of steps of this part, by their names, shown without these paths."""
        self._record.hidden.update((whole(self.key(name)), each) for name, each in paths.items())

    def shown(self, name: str, result: object) -> object:
        """The result of a step of this part as it is shown."""
        return shown(self._record.hidden, self.key(name), result)

    # Steps

    async def do(
        self,
        target: Target,
        value: object,
        *,
        name: str | None = None,
        timeout: float | None = None,
        priority: int | None = None,
        attempts: int = 1,
        returns: Any = None,
    ) -> Any:
        """One step: has `target` work on `value` and returns the result.

        Args:
            target: A member, a role, a capability, a pool, a pattern, or a function that is called here.
            name: What the step is called in events and partial results. None: as its target. Default: None.
            timeout: Seconds for all attempts together. None: any time. Default: None.
            priority: More is sooner where work has to wait, also for the steps of a pattern. None: the priority of this
                part of the run. Default: None.
            attempts: How often it may be tried when its member crashes. Default: 1.
            returns: The type of the result, by which a run of an engine writes it down and reads it again. None: what
                JSON can say. Default: None.

        Raises:
            StepTimeout: it was not done in time
            StepFailed: every attempt failed; `error` is the last failure
            RunError: a pattern has ended with this error
        """
        if isinstance(target, Inline) and timeout is None and attempts == 1:
            return await target.take(self, value, name, priority)
        key = self._numbered(name or label(target))
        known, record = self._journal.get(key), self._record
        if known is None and record.keeper is not None:
            known = record.keeper.recall(key, returns)
            if known is not None:
                self._journal[key] = known
        if known is None:
            began = record.under_way.get(key)
            is_new = began is None
            if began is None:
                if record.keeper is not None and (why := record.keeper.refusal()) is not None:
                    await asyncio.sleep(0)  # code that goes on all the same leaves time for others
                    raise StepFailed(self.run, key, why)
                began = record.under_way[key] = record.runtime.now()
            if isinstance(target, WorkTarget):
                due = None if timeout is None else began + timeout
                urgency = self._priority if priority is None else priority
                work = partial(self._assigned, key, target, value, due, urgency, attempts)
                known = await (self._begun(key, label(target), began, work) if is_new else self._answer(key, work))
                if known.error is not None:
                    known = await self._not_done(key, work, known)
            else:
                if is_new:
                    if record.keeper is not None:
                        await record.keeper.begin(key, label(target))
                    record.publish(StepBegan, began, key, label(target))
                left = None if timeout is None else began + timeout - record.runtime.now()
                known = await self._played(key, target, value, left, priority, attempts)
            now = record.runtime.now()
            known = record.end(self._journal, key, known, now - began, returns)
            if known.error is None:
                result = shown(record.hidden, key, known.value) if record.hidden else known.value
                record.publish(StepDone, now, key, now - began, result)
            else:
                record.publish(StepBroke, now, key, now - began, known.error)
        if known.error is not None:
            raise known.error
        return known.value

    async def _played(
        self, key: str, target: Target, value: object, timeout: float | None, priority: int | None, attempts: int
    ) -> Outcome:
        limit, task = asyncio.timeout(timeout), asyncio.current_task()
        try:
            done = self._here(key, target, value, priority, attempts)
            if timeout is None:
                return Outcome(await done)
            async with limit:
                return Outcome(await done)
        except RunError as error:
            failure = error
        except BaseException as error:  # what a step raises is the outcome of that step
            if is_interrupt(error, task):
                raise
            kind = StepTimeout if limit.expired() else StepFailed
            failure = kind(self.run, key, error)
        self._call_off(key, "its time is up" if limit.expired() else "what it is part of has failed")
        return Outcome(error=failure)

    async def do_written(
        self, name: str, title: str, work: Callable[[], Awaitable[Outcome]], returns: Any = None
    ) -> Any:
        """One step of a run of an engine whose end `work` has written before it returns the outcome. What it was begun
        with is asked for again after a crash of this actor. `title` names what is done, `returns` is the type of its
        result. Raises as `do`.
        """
        key, record = self._numbered(name), self._record
        keeper = record.keeper
        assert keeper is not None
        known = self._journal.get(key) or keeper.recall(key, returns)
        if known is None:
            began = record.under_way.get(key)
            if began is None:
                if (why := keeper.refusal()) is not None:
                    raise StepFailed(self.run, key, why)
                began = record.under_way[key] = record.runtime.now()
                await keeper.begin(key, title)
                record.publish(StepBegan, began, key, title)
            known = await work()
            now = record.runtime.now()
            record.count_end(self._journal, key, known)
            if known.error is None:
                record.publish(StepDone, now, key, now - began, shown(record.hidden, key, known.value))
            else:
                record.publish(StepBroke, now, key, now - began, known.error)
        self._journal[key] = known
        if known.error is not None:
            raise known.error
        return known.value

    def _assigned(
        self, key: str, target: WorkTarget, value: object, due: float | None, priority: int, attempts: int
    ) -> Assign:
        """The work of a step, with what is left until it is `due`, by the runtime's clock."""
        record = self._record
        left = None if due is None else due - record.runtime.now()
        # Half the time of Assign(...), for each step.
        return tuple.__new__(Assign, (value, target, f"{record.id}:{key}", record.id, priority, left, attempts, None))

    def _begun(self, key: str, target: str, began: float, work: Callable[[], Assign]) -> StepAnswer:
        """The answer to the work of a step that begins now. A run of an engine gives it to the team as soon as it is
        written that the step begins.
        """
        record = self._record
        keeper = record.keeper
        if keeper is None:
            record.publish(StepBegan, began, key, target)
            return self._answer(key, work)
        answers = record.answers
        answer = answers[key] = StepAnswer(self._coordinator, answers, key, work)
        keeper.note_begin(key, target)
        record.publish(StepBegan, began, key, target)
        keeper.publish(answer.ask)
        return answer

    async def _not_done(self, key: str, work: Callable[[], Assign], outcome: Outcome) -> Outcome:
        """The outcome of a step that failed. A run of an engine outlives its teams: what was given to one that is over
        goes to the one that was started in its place.
        """
        keeper = self._record.keeper
        while keeper is not None and isinstance(outcome.error, ActorDeadError) and not self._coordinator.is_alive():
            self._record.answers.pop(key, None)
            self._coordinator = await keeper.successor(self._coordinator)
            outcome = await self._answer(key, work)
        return self._outcome_of(key, outcome)

    def _answer(self, key: str, question: Callable[[], object]) -> StepAnswer:
        """The answer of the coordinator. It knows work by its id, so a coordinator that crashed over it is asked again.
        The answer waits with the record: after a crash of this actor the question is not asked again.
        """
        answers = self._record.answers
        answer = answers.get(key)
        if answer is None:
            answer = answers[key] = StepAnswer(self._coordinator, answers, key, question)
            answer.ask()
        return answer

    def _outcome_of(self, key: str, outcome: Outcome) -> Outcome:
        """The outcome of a step of the team."""
        error = outcome.error
        if error is None:
            return outcome
        if isinstance(error, TimeoutError):
            return Outcome(None, StepTimeout(self.run, key, error))
        return Outcome(None, StepFailed(self.run, key, error.error if isinstance(error, WorkFailed) else error))

    async def _here(self, key: str, target: Any, value: object, priority: int | None, attempts: int) -> object:
        """A pattern, or a function, in the actor of the run."""
        for attempt in range(1, attempts):
            with suppress(Exception):
                return await self._once(key if attempt == 1 else f"{key}~{attempt}", target, value, priority)
        return await self._once(key if attempts == 1 else f"{key}~{attempts}", target, value, priority)

    async def _once(self, key: str, target: Any, value: object, priority: int | None) -> object:
        if isinstance(target, Pattern):
            return await target.play(self._at(key, priority), value)
        result = target(value)
        return await result if inspect.isawaitable(result) else result

    def _call_off(self, key: str, why: str) -> None:
        """A step is not wanted any more, with all steps inside it."""
        record = self._record
        for each in record.below(key):
            if each == key:
                self._call_off_work(each, why)
            else:
                self._give_up(each, why)

    def call_off(self, names: str, why: str) -> None:
        """Steps of this part that are under way, and whose names begin like this, are not wanted any more."""
        begin = self.key(names)
        for each in [each for each in self._record.under_way if each.startswith(begin)]:
            self._give_up(each, why)

    def _give_up(self, key: str, why: str) -> None:
        self._call_off_work(key, why)
        del self._record.under_way[key]
        self._record.publish(StepSkipped, self.now(), key, f"called off, {why}")

    def _call_off_work(self, key: str, why: str) -> None:
        answer = self._record.answers.pop(key, None)
        if answer is not None and answer.coordinator.is_alive():
            answer.coordinator.tell(CancelWork(f"{self.run}:{key}", why))

    # Several at once

    async def gather(
        self,
        branches: Mapping[str, tuple[Target, object]],
        policy: GatherPolicy | None = None,
        *,
        within: float | None = None,
        name: str = "gather",
        priority: int | None = None,
        attempts: int = 1,
    ) -> Gathered:
        """Several steps at once, each with a name: (target, input). Ends as `policy` says (None: `collect()`), or after
        `within` seconds. Steps that have not ended by then are called off. Failures are values in the `Gathered`.
        """
        scope = self.at(name, priority=priority)
        known = self._record.kept.get(scope.path)
        if isinstance(known, Gathered):
            return known
        began: float = scope.kept(BEGAN, self.now)
        return await scope._gathered(branches, policy or collect(), within, began, attempts)

    async def _gathered(
        self,
        branches: Mapping[str, tuple[Target, object]],
        policy: GatherPolicy,
        within: float | None,
        began: float,
        attempts: int,
    ) -> Gathered:
        gathering = Gathering(branches, policy)
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def branch(name: str, target: Target, value: object) -> None:
            task = asyncio.current_task()
            try:
                result = await self.do(target, value, name=name, attempts=attempts)
            except BaseException as error:  # the failure of a branch is a value of the gathering
                if is_interrupt(error, task):
                    raise
                if not over.done():
                    gathering.failed(name, error)
            else:
                if not over.done():
                    gathering.done(name, result)
            if gathering.over and not over.done():
                over.set_result(None)

        if gathering.over:
            return self._settled(gathering)
        tasks = [asyncio.ensure_future(branch(name, target, value)) for name, (target, value) in branches.items()]
        try:
            left = None if within is None else max(0.0, began + within - self.now())
            await asyncio.wait([over], timeout=left)
            gathered = self._settled(gathering)  # before anything is called off, and before this may be killed
            why = "the others are enough or failed" if over.done() else "its time is up"
            if not over.done():
                over.set_result(None)
            for name in gathered.unanswered:
                self._end_off(self.key(name), why)
            return gathered
        finally:
            await end_all(tasks)

    def _settled(self, gathering: Gathering) -> Gathered:
        """The outcome of the gathering of this part, now and whenever the pattern is played again."""
        gathered = gathering.gathered()
        self._record.keep(self._path, gathered)
        return gathered

    def _end_off(self, key: str, why: str) -> None:
        self._call_off(key, why)
        if self._record.under_way.pop(key, None) is not None:
            self._record.publish(StepSkipped, self.now(), key, f"called off, {why}")

    # The team

    async def able(self, target: str | Can) -> tuple[str, ...]:
        """The slots of a target, as they were when this part asked for the first time.

        Raises:
            StepFailed: the team has no such slot (`NoCapableAgent`), or has terminated
        """
        key = self._numbered(f"who is {target}")
        kept = self._record.kept
        if key not in kept:
            outcome = await self._answer(key, GetRoster)
            self._record.answers.pop(key, None)
            if outcome.error is not None:
                raise StepFailed(self.run, key, outcome.error) from outcome.error
            slots: Any = outcome.value
            able = [
                slot.id
                for slot in slots
                if not slot.leaving
                and (target.capability in slot.capabilities if isinstance(target, Can) else target in slot[:3])
            ]
            self._record.keep(key, (tuple(able), tuple(slot.id for slot in slots)))
        found: tuple[str, ...]
        found, there = kept[key]
        if not found:
            raise StepFailed(self.run, key, NoCapableAgent(self.team, str(target), there))
        return found

    @property
    def capacity(self) -> TeamCapacity:
        """The capacity of the team, as it is now."""
        view = self._view
        return TeamCapacity(0, 0) if view is None else view.capacity

    @property
    def targets(self) -> tuple[str | Can, ...]:
        """The members, roles and capabilities of the team, as they are now."""
        view = self._view
        return () if view is None else view.targets

    @property
    def _view(self) -> TeamView | None:
        """The view that the coordinator has published; None: it has terminated."""
        view = self._coordinator.view()
        return view if isinstance(view, TeamView) else None

    @property
    def team(self) -> str:
        """The path of the team."""
        return self._coordinator.path.rpartition("/")[0]

    @property
    def topics(self) -> TopicsRef:
        """The topics of the team. Raises ActorDeadError if they have terminated."""
        path = f"{self.team}/topics"
        found = self._record.runtime.find(path)
        if not isinstance(found, TopicsRef):
            raise ActorDeadError(path, NoProc(), None)
        return found


async def end_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Ends tasks, and waits until they have ended."""
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left)
