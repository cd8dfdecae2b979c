"""Workflows as code: an `async` function whose steps are written down.

The function is called again from its beginning when its run goes on in another process, or after a crash, and steps
that have ended answer at once. So it must take the same way again: what differs between two calls comes from `run`,
where it is written down or made from the id of the run. A step that is found again under its name with another target
or another input is refused (`Diverged`): the run is blocked, and nothing is done, until a person has looked.
"""

from __future__ import annotations

import hashlib
import inspect
import random
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn, get_type_hints

from supervisors.spi import SpecError, SpecFault, builder
from teams._checks.fields import seconds_faults
from teams._dispatch.gather import Gathered, GatherPolicy
from teams._journal.codec import HIGHEST_LIMIT, encode, path_steps, text_cell
from teams._journal.rows import InboxRow
from teams._runs.context import RunContext
from teams._runs.hidden import whole
from teams._runs.pattern import Pattern, Target, label
from teams.errors import StepFailed, StepTimeout
from teams.workflows._graph.check import id_faults, type_faults
from teams.workflows._graph.workflow import location
from teams.workflows._run.continuing import ContinueAsNew
from teams.workflows._run.detached import starting
from teams.workflows._run.hidden import NOTE, note_of
from teams.workflows._run.keeper import DurableKeeper
from teams.workflows._run.play import read_value
from teams.workflows._run.values import write
from teams.workflows.errors import NeedsEngine, SignalLate


class WorkflowContext:
    """A run, for the code of its workflow. On the loop thread.

    Code that waits only through this is safe to play again. Each step needs a name of its own; one that is not given is
    that of the target, and the second one of the same name gets `#2`, and so on, in the order in which they begin.
    """

    __slots__ = ("_keeper", "_made", "_names", "_run", "_takes", "_workflow")

    def __init__(self, run: RunContext, workflow: str, takes: Any = None) -> None:
        self._run = run
        self._takes = takes
        self._workflow = workflow
        self._keeper = run.keeper if isinstance(run.keeper, DurableKeeper) else None
        self._names: dict[str, int] = {}
        self._made = 0

    @property
    def id(self) -> str:
        """The id of the run."""
        return self._run.run

    async def do(
        self,
        target: Target,
        value: object = None,
        *,
        name: str | None = None,
        returns: Any = None,
        timeout: float | None = None,
        priority: int | None = None,
        attempts: int = 1,
        redact: str | Iterable[str] = (),
    ) -> Any:
        """One step: has `target` work on `value` and returns the result, which is written down.

        Args:
            target: A member, a role, a capability, a pool, a pattern, another workflow, or a function that is called
                here.
            value: The input; JSON, models and dataclasses.
            name: What the step is called. None: as its target. Default: None.
            returns: The type of the result. None: what JSON can say. Default: None.
            timeout: Seconds for all attempts together. None: any time. Default: None.
            priority: More is sooner where work has to wait. None: that of the run. Default: None.
            attempts: How often it may be tried when its member crashes. Default: 1.
            redact: Dotted paths in its result that are not shown, such as "card.number"; "$" is the whole. Default: ().

        Raises:
            StepFailed: every attempt failed; `error` is the last failure, as it was written down
            StepTimeout: it was not done in time
            Diverged: the run has a step of this name with another target or input; let it pass
        """
        key = self._name(name or label(target))
        if self._keeper is not None:
            self._keeper.declare(self._run.key(key), f"{label(target)} {_digest(self.id, key, value)}")
        self._hide(key, redact)
        return await self._run.do(
            target, value, name=key, timeout=timeout, priority=priority, attempts=attempts, returns=returns
        )

    async def start(
        self, workflow: str, value: object = None, *, name: str | None = None, priority: int | None = None
    ) -> str:
        """One step: starts a run of another workflow of the engine, which goes on by itself, and returns its id.

        Args:
            workflow: The name of the workflow.
            value: Its input.
            name: What the step is called. None: as the workflow. Default: None.
            priority: That of the new run. None: that of this one. Default: None.

        Raises:
            StepFailed: the workflow does not take the input, or the run has no engine
        """
        key = self._name(name or workflow)
        if self._keeper is None:
            raise StepFailed(self.id, key, NeedsEngine(self._workflow, self._run.key(key)))
        self._keeper.declare(self._run.key(key), f"start {workflow} {_digest(self.id, key, value)}")
        target = starting(self._keeper, self._run, workflow, key, priority)
        found: str = await self._run.do(target, value, name=key, returns=str)
        return found

    async def gather(
        self,
        branches: Mapping[str, tuple[Target, object]],
        policy: GatherPolicy | None = None,
        *,
        within: float | None = None,
        name: str = "gather",
    ) -> Gathered:
        """Several steps at once, each with a name: (target, input). Ends as `policy` says (None: `collect()`), or after
        `within` seconds. Failures are values in the `Gathered`.
        """
        return await self._run.gather(branches, policy, within=within, name=self._name(name))

    async def sleep(self, seconds: float, *, name: str = "sleep") -> None:
        """Waits until `seconds` after the time at which the run came here first, in whatever process."""
        await self._run.sleep(seconds, name=self._name(name))

    async def wait(
        self,
        signal: str,
        *,
        within: float | None = None,
        name: str | None = None,
        redact: str | Iterable[str] = (),
    ) -> Any:
        """Waits for a signal and returns its value, of which the paths `redact` are not shown. Raises StepTimeout after
        `within` seconds.
        """
        called = self._name(name or f"wait {signal}")
        self._hide(called, redact, signal)
        key = self._run.key(called)
        came, value = await self._receive(key, f"signal {signal}", "signal", signal, within)
        if not came:
            raise StepTimeout(self.id, key, SignalLate(self.id, key, f"signal {signal!r}", within or 0.0))
        return value

    async def ask(
        self,
        question: str,
        *,
        options: Iterable[str] = (),
        default: str | None = None,
        within: float | None = None,
        person: str | None = None,
        name: str = "ask",
    ) -> Any:
        """Asks a person and returns the answer.

        Args:
            question: The question.
            options: The answers to choose from; empty: any. Default: ().
            default: The answer after `within` seconds without one. None: StepTimeout then. Default: None.
            within: Seconds to answer in. None: any time. Default: None.
            person: Who is asked. None: anyone. Default: None.
            name: The name of the step, under which it is answered. Default: "ask".
        """
        key = self._run.key(self._name(name))
        asks = {"question": question, "options": list(options), "default": default, "person": person}
        what = f"{person or 'a person'}: {question}"
        came, value = await self._receive(key, what, "answer", key, within, asks)
        if not came and default is None:
            raise StepTimeout(self.id, key, SignalLate(self.id, key, "an answer", within or 0.0))
        return value if came else default

    def continue_as_new(self, value: object = None) -> NoReturn:
        """Ends this run as `continued`, and begins a new one of the same workflow with this input, in one commit: for a
        workflow that goes on for ever, whose journal would grow without end. The new run has the priority, the
        attributes and the time limit of this one, and the signals that no step has taken; the key stays with this one.
        What waits for the end of this run waits for that of the new one. It does not return.

        Call it where nothing is under way: steps that have not ended are called off, and what was done is not undone
        later. Not inside `except BaseException`, and only in the workflow of the run itself.

        Raises:
            BadInput: the workflow does not take the input
            NotStorable: JSON cannot say it
            NeedsEngine: the run has no engine, or the workflow is a step of another one
        """
        if self._keeper is None or self._run.path:
            raise NeedsEngine(self._workflow, self._run.key("continue_as_new"))
        read_value(self._workflow, self._takes, value)
        raise ContinueAsNew(write(value, limit=self._keeper.max_value_bytes))

    def now(self) -> datetime:
        """The time at which the run came here first, in UTC."""
        key = self._run.key(self._name("(now)"))
        if self._keeper is None:
            return datetime.fromtimestamp(self._run.wall(), UTC)
        return datetime.fromtimestamp(self._keeper.first(key), UTC)

    @property
    def random(self) -> random.Random:
        """A source of randomness that gives the same numbers when the run is played again: keep it, each one begins
        elsewhere. Not for secrets: it is made from the id of the run.
        """
        self._made += 1
        return random.Random(f"{self.id} {self._made}")

    def uuid(self) -> uuid.UUID:
        """A UUID, the same one when the run is played again."""
        return uuid.UUID(int=self.random.getrandbits(128), version=4)

    def version(self, change: str) -> bool:
        """Whether the run came here first with the code of this change: for a change that must not meet runs that have
        passed this place. True in a new run; False in one that had got further when the change came.
        """
        key = self._run.key(f"(version {change})")
        return self._keeper is None or self._keeper.first_with(key)

    def _hide(self, name: str, redact: str | Iterable[str], signal: str | None = None) -> None:
        """Has the result of a step shown without these paths. Raises ValueError."""
        paths = (redact,) if isinstance(redact, str) else tuple(redact)
        if not paths:
            return
        for each in paths:
            path_steps(each)
        self._run.hide({name: paths})
        if self._keeper is not None:
            step = whole(self._run.key(name))
            self._keeper.hide(f"{step} {NOTE}", note_of({step: paths}, {} if signal is None else {signal: paths}))

    def _name(self, name: str) -> str:
        text_cell(name, "the name of a step")
        count = self._names[name] = self._names.get(name, 0) + 1
        return name if count == 1 else f"{name}#{count}"

    async def _receive(
        self, key: str, what: str, kind: str, wanted: str, within: float | None, asks: object = None
    ) -> tuple[bool, Any]:
        if self._keeper is None:
            raise StepFailed(self.id, key, NeedsEngine(self._workflow, key))

        def fits(row: InboxRow) -> bool:
            return row.kind == kind and row.name == wanted

        return await self._keeper.receive(key, what, fits, within, asks)


Code = Callable[[WorkflowContext, Any], Awaitable[Any]]


@dataclass(frozen=True)
class CodeWorkflow(Pattern):
    """A workflow as an `async` function, made by `coded`."""

    name: str
    function: Code
    input: Any = None
    """The type of the input of a run; None: any JSON value."""
    returns: Any = None
    """The type of the result; None: what JSON can say."""
    timeout: float | None = None
    """Seconds for a run."""

    async def play(self, run: RunContext, value: object) -> object:
        return await self.function(
            WorkflowContext(run, self.name, self.input), read_value(self.name, self.input, value)
        )

    def parts(self) -> Iterator[Target]:
        return iter(())

    @property
    def body(self) -> str:
        """Where its code is."""
        return location(self.function)


@builder("coded()")
def coded(function: Code, *, name: str | None = None, timeout: float | None = None) -> CodeWorkflow:
    """A workflow as code, also as a decorator. Raises SpecError with all faults at once.

    Args:
        function: `async def function(run: WorkflowContext, input)`. The annotation of `input` is the type of the input
            of a run, that of the result its type; without one, what JSON can say.
        name: Its name for the engine. None: that of the function. Default: None.
        timeout: Seconds for a run; waiting for people does not count. None: the default of the engine. Default: None.
    """
    called = name if name is not None else getattr(function, "__name__", "")
    faults = list(id_faults("workflow", called, "name"))
    faults += seconds_faults(called, "timeout", timeout)
    if not inspect.iscoroutinefunction(function):
        faults.append(SpecFault(called, f"must be an async function of the run and its input, got {function!r}"))
    elif len(inspect.signature(function).parameters) != 2:
        faults.append(SpecFault(called, f"must take the run and its input, not {inspect.signature(function)}"))
    if faults:
        raise SpecError(faults)
    hints = get_type_hints(function)
    given = [hints.get(each) for each in inspect.signature(function).parameters]
    takes, returns = _type(given[1]), _type(hints.get("return"))
    type_faults(called, "input", takes, faults)
    type_faults(called, "returns", returns, faults)
    if faults:
        raise SpecError(faults)
    return CodeWorkflow(called, function, takes, returns, timeout)


def _type(hint: object) -> Any:
    return None if hint in (None, object, Any, type(None)) else hint


def _digest(run: str, step: str, value: object) -> str:
    try:
        return hashlib.sha256(encode(value, limit=HIGHEST_LIMIT)).hexdigest()[:16]
    except ValueError as error:
        raise StepFailed(run, step, error) from error
