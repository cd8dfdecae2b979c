"""The state of a run: its journal, its events and its result. It outlives the actor that plays the pattern."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from actors.spi import ActorRef, CallbackReply, Future, Runtime, post
from teams._dispatch.ask import TRIES, OutcomeReply, ask_again, crashed_over
from teams._dispatch.gather import Gathered
from teams._members.results import Outcome
from teams._runs.pattern import Pattern
from teams.errors import RunCancelled
from teams.events import RunEvent

EVENTS = 1_000
"""How many of the last events a run keeps for readers that come late."""

BEGAN = "(began)"
"""The key under which a gathering keeps its start time."""

StepOutcomes = dict[str, Outcome]
"""The outcome of each step that has ended, by its name."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: its steps, with those of patterns inside it."""

    done: int
    failed: int
    under_way: tuple[str, ...]


class StepAnswer(OutcomeReply):
    """The outcome of a step that is given to the team, to await. It belongs to the record, so it is still there when
    the actor of the run has crashed meanwhile. On the loop thread, where the coordinator lives.
    """

    __slots__ = ("_answers", "_failed", "_key", "_message", "_question", "_waiter", "coordinator")

    def __init__(
        self,
        coordinator: ActorRef[Any],
        answers: Mapping[str, StepAnswer],
        key: str,
        question: Callable[[], object],
    ) -> None:
        """`answers` has it under `key` for as long as it is wanted. `question` makes the message when it is asked."""
        self.coordinator = coordinator
        """It is asked."""
        self._answers = answers
        self._key = key
        self._question = question
        self._message: object = None
        self._failed = False
        """Whether the coordinator crashed over the message: it is asked again, and answers to another reply."""
        self.outcome = None
        self._waiter: asyncio.Future[None] | None = None

    def ask(self) -> None:
        """Asks the coordinator, if the answer is still wanted."""
        if self.wanted():
            self._message = self._question()
            post(self.coordinator, self._message, self)

    def done(self) -> bool:
        return self._failed or self.outcome is not None

    def set_exception(self, exception: BaseException, /) -> None:
        if self.wanted() and crashed_over(exception, self.coordinator):
            self._failed = True
            again = CallbackReply(super().set_result, super().set_exception)
            ask_again(self.coordinator, self._message, again, self.wanted, TRIES - 1)
        else:
            super().set_exception(exception)

    def settled(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def wanted(self) -> bool:
        """Whether the run still waits for it."""
        return self._answers.get(self._key) is self

    def __await__(self) -> Generator[Any, None, Outcome]:
        if self.outcome is None:
            self._waiter = asyncio.get_running_loop().create_future()
            yield from self._waiter
        assert self.outcome is not None
        return self.outcome


@runtime_checkable
class Keeps(Protocol):
    """A value that a pattern keeps, with results to show before the pattern has ended."""

    def partial(self) -> Mapping[str, object]:
        """The results so far, by name."""
        ...


class Keeper(Protocol):
    """Writes down what a run must not forget when its process dies. On the loop thread. A run without a keeper is
    forgotten with its process.
    """

    async def begin(self, step: str, target: str) -> None:
        """Returns as soon as it is written that the step begins."""
        ...

    def refusal(self) -> Exception | None:
        """Why no step may begin any more; None: it may."""
        ...

    def note_begin(self, step: str, target: str) -> None:
        """Has it written that the step begins. What must wait for that is given to `publish`."""
        ...

    def end(self, step: str, outcome: Outcome, seconds: float, returns: Any = None) -> Outcome:
        """Has the end of a step written. `returns` is the type of its value. Returns the outcome as another process
        reads it.
        """
        ...

    def recall(self, step: str, returns: Any = None) -> Outcome | None:
        """How a step ended in another process; None: it has not ended."""
        ...

    def knows(self, step: str) -> bool:
        """Whether it is written that the step ended, in another process or before the run was taken up again."""
        ...

    def keep(self, key: str, value: object) -> None:
        """Has a value written that a pattern keeps besides the outcomes of its steps."""
        ...

    def publish(self, send: Callable[..., object], *values: object) -> None:
        """Calls `send(*values)` as soon as everything is written that came before."""
        ...

    async def successor(self, coordinator: ActorRef[Any]) -> ActorRef[Any]:
        """The coordinator that a team has now, in place of one that has terminated."""
        ...

    def hide(self, key: str, body: Mapping[str, Any]) -> None:
        """Has it written under this key what steps do not show, unless it is."""
        ...

    async def sleep(self, step: str, seconds: float) -> None:
        """Waits until `seconds` after the time at which the step began for the first time, in whatever process."""
        ...


@dataclass(eq=False, slots=True)
class RunState:
    """The state of a run."""

    id: str
    pattern: Pattern
    value: object
    runtime: Runtime
    path: str = ""
    """The actor that plays the pattern."""
    future: Future[Any] = field(init=False)
    journal: StepOutcomes = field(default_factory=dict)
    parts: dict[str, StepOutcomes] = field(default_factory=dict)
    """Journals of parts that are forgotten as soon as the part has ended."""
    answers: dict[str, StepAnswer] = field(default_factory=dict)
    """Steps that were given to the team and have not ended."""
    kept: dict[str, Any] = field(default_factory=dict)
    """The data that patterns keep through crashes, by their place in the run."""
    emitted: set[str] = field(default_factory=set)
    under_way: dict[str, float] = field(default_factory=dict)
    """Steps that have begun, and when."""
    done: int = 0
    failed: int = 0
    began: float | None = None
    cancelled: str | None = None
    """Why the result is not wanted any more."""
    task: asyncio.Task[Any] | None = None
    ended: bool = False
    keeper: Keeper | None = None
    hidden: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The hidden parts of the results of steps, by their whole names."""
    _events: deque[tuple[int, type[RunEvent], tuple[Any, ...]]] = field(default_factory=lambda: deque(maxlen=EVENTS))
    """The last events, numbered. The loop thread writes and every thread reads, by one operation at a time."""
    _count: int = 0
    _waiters: deque[Future[None]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.future = Future(self.runtime.park)

    @property
    def partial(self) -> dict[str, object]:
        """The results of the steps that are done, by name."""
        found: dict[str, object] = {}
        for journal in (self.journal, *list(self.parts.values())):
            found.update((name, each.value) for name, each in list(journal.items()) if each.error is None)
        for name, kept in list(self.kept.items()):
            if isinstance(kept, Keeps):
                found.update((f"{name}/{part}" if name else part, value) for part, value in kept.partial().items())
        return found

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(self.done, self.failed, tuple(self.under_way))

    def end(self, journal: StepOutcomes, name: str, outcome: Outcome, seconds: float, returns: Any = None) -> Outcome:
        """A step has ended. Returns its outcome as it is remembered."""
        if self.keeper is not None:
            outcome = self.keeper.end(name, outcome, seconds, returns)
        self.count_end(journal, name, outcome)
        return outcome

    def count_end(self, journal: StepOutcomes, name: str, outcome: Outcome) -> None:
        """A step has ended with an outcome that is written, or is not to be."""
        journal[name] = outcome
        self.under_way.pop(name, None)
        self.answers.pop(name, None)
        if outcome.error is None:
            self.done += 1
        else:
            self.failed += 1

    def keep(self, key: str, value: object) -> None:
        """Keeps a value of a pattern through crashes, by its place in the run."""
        self.kept[key] = value
        if self.keeper is not None:
            self.keeper.keep(key, value)

    def forgive(self) -> None:
        """Forgets failures, so that they are tried again when the pattern is played again. What is done stays done."""
        for journal in (self.journal, *self.parts.values()):
            for name in [name for name, outcome in journal.items() if outcome.error is not None]:
                del journal[name]
        for name, kept in list(self.kept.items()):
            if isinstance(kept, Gathered) and (kept.failures or not kept.satisfied):
                del self.kept[name]
                self.kept.pop(f"{name}/{BEGAN}", None)
        self.answers.clear()
        self.under_way.clear()
        self.failed = 0

    def below(self, name: str) -> list[str]:
        """This step, if it is under way, and those inside it that are."""
        return [each for each in self.under_way if each == name or each.startswith(f"{name}/")]

    def publish(self, kind: type[RunEvent], at: float, *values: object) -> None:
        """Publishes an event of the run. The object is made when there is a reader. On the loop thread."""
        if self.keeper is not None:
            if self.runtime.events.takers[kind]:
                self.keeper.publish(self._tell, kind, (self.path, at, self.id, *values))
            return
        fields: tuple[Any, ...] = (self.path, at, self.id, *values)
        stream = self.runtime.events
        if stream.takers[kind]:
            stream.publish(kind(*fields))
        self._events.append((self._count, kind, fields))
        self._count += 1
        if self._waiters:
            self._wake()

    def _tell(self, kind: type[RunEvent], fields: tuple[Any, ...]) -> None:
        stream = self.runtime.events
        if stream.takers[kind]:
            stream.publish(kind(*fields))

    def settle(self, outcome: Outcome) -> None:
        """The run has ended. The first outcome counts."""
        if self.future.done():
            return
        self.ended = True
        if outcome.error is not None:
            self.future.set_exception(outcome.error)
        else:
            self.future.set(outcome.value)
        self._wake()

    def _wake(self) -> None:
        while self._waiters:
            self._waiters.popleft().set(None)

    def since(self, index: int) -> tuple[list[RunEvent], int, Future[None] | None]:
        """The events from `index` on that are kept, the next index, and a future to wait for if there are none."""
        waiter: Future[None] | None = None
        while True:
            ended = self.ended  # before the events: the last of them is published before that is set
            new = [each for each in self._events.copy() if each[0] >= index]
            if new:
                return [kind(*values) for _, kind, values in new], new[-1][0] + 1, None
            if ended or waiter is not None:
                return [], index, None if ended else waiter
            waiter = Future(self.runtime.park)
            self._waiters.append(waiter)  # and look again: an event published meanwhile has not settled it


class RunHandle:
    """A run, for its caller: await it for the result, or call `.get(timeout=...)` in a thread.

    Raises `RunFailed` or `RunCancelled`, which have the results so far, or `ActorDeadError` if the team has terminated.
    """

    def __init__(self, record: RunState, cancel: Callable[[str], None]) -> None:
        self._record = record
        self._cancel = cancel

    @property
    def id(self) -> str:
        """The name of the run, as in its events."""
        return self._record.id

    def done(self) -> bool:
        """Whether it has ended, with a result or an error."""
        return self._record.future.done()

    @property
    def partial(self) -> dict[str, object]:
        """The results of the steps that are done, by name."""
        return self._record.partial

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._record.progress

    def get(self, *, timeout: float | None = None) -> Any:
        """Waits for the result in a thread, for at most `timeout` seconds. Raises `pykka.Timeout` after that."""
        return self._record.future.get(timeout=timeout)

    def __await__(self) -> Any:
        return self._record.future.__await__()

    def cancel(self, reason: str = "cancel() was called") -> None:
        """Ends the run and calls off all that it started."""
        self._cancel(reason)

    async def events(self) -> AsyncIterator[RunEvent]:
        """The events of the run, from its beginning until it has ended. Of earlier events at most the last 1,000 are
        kept.
        """
        index = 0
        while True:
            new, index, waiter = self._record.since(index)
            for event in new:
                yield event
            if waiter is not None:
                await waiter
            elif not new:
                return

    def stream(self) -> Iterator[RunEvent]:
        """The same in a thread, which it blocks."""
        index = 0
        while True:
            new, index, waiter = self._record.since(index)
            yield from new
            if waiter is not None:
                waiter.get()
            elif not new:
                return

    def __repr__(self) -> str:
        return f"<RunHandle {self.id}: {self.progress}>"


def cancelled(record: RunState) -> RunCancelled:
    """The error of a run that was cancelled."""
    return RunCancelled(record.id, record.cancelled or "", record.partial)
