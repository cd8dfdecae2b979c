"""How a workflow is played: the steps of its graph in a run, each as soon as what it needs has ended.

Conditions, inputs and loops depend on what the run has written down and on nothing else, so a run that is played again,
in whatever process, takes the same way.
"""

from __future__ import annotations

import asyncio
from collections import ChainMap
from collections.abc import Callable, Coroutine, Iterator, Mapping, MutableMapping
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any, NoReturn

from pydantic import ValidationError

from teams._journal.codec import encode, plain
from teams._journal.errors import NotStorable, PayloadTooLarge
from teams._journal.rows import InboxRow
from teams._runs.context import RunContext, end_all
from teams._runs.hidden import whole
from teams._runs.pattern import Pattern, label
from teams.errors import NotApproved, RunError, StepFailed, StepTimeout
from teams.events import StepPassedOver, StepSkipped
from teams.patterns import Approved, Revision
from teams.resilience._retry import RetryOptions
from teams.workflows._graph.node import (
    MOST_ITEMS,
    RUN_FIELDS,
    AskPerson,
    CallFunction,
    ContinueRun,
    Detached,
    InTeam,
    Nested,
    Node,
    RoleStep,
    Sleep,
    WaitForSignal,
)
from teams.workflows._graph.workflow import ChosenExecution, Workflow
from teams.workflows._language.evaluate import holds, value_of
from teams.workflows._language.refs import MISSING, SKIPPED
from teams.workflows._quality.domain import QUALITY, Scores
from teams.workflows._quality.scoring import DECISION, DECISIONS, Quality
from teams.workflows._run.continuing import ContinueAsNew
from teams.workflows._run.detached import starting
from teams.workflows._run.execution import CHOICE, ExecutionChoice, choice_of
from teams.workflows._run.hidden import NOTE, note_of, signals_in
from teams.workflows._run.keeper import DurableKeeper, checked
from teams.workflows._run.step_order import StepOrder
from teams.workflows._run.values import adapter, write
from teams.workflows.errors import (
    AgentMissing,
    BadInput,
    Blocked,
    FanOutTooLarge,
    NeedsEngine,
    QualityTooLow,
    SignalLate,
    Uncertain,
)
from teams.workflows.events import ExecutionChosen, LevelDone

Bindings = MutableMapping[str, object]


def play(workflow: Workflow, run: RunContext, value: object) -> Coroutine[Any, Any, object]:
    """Plays the workflow with this input.

    Raises:
        BadInput: the input is not what the workflow takes
        StepFailed: a step failed whose `on_failure` is "stop" or "undo"
        NotApproved: a loop ended without its condition
    """
    return _Player(workflow, run, read_input(workflow, value)).play()


def read_input(pattern: Pattern, value: object) -> object:
    """The input of a run as its workflow takes it. Raises BadInput."""
    wanted = getattr(pattern, "input", None)
    return value if wanted is None else read_value(getattr(pattern, "name", ""), wanted, value)


def read_value(workflow: str, wanted: Any, value: object) -> object:
    """The input of a workflow as this type. Raises BadInput."""
    reads = adapter(wanted)
    if reads is None:
        return value
    try:
        return reads.validate_python(value)
    except ValidationError as error:
        faults = tuple(
            f"{'.'.join(map(str, each['loc'])) or 'input'}: {each['msg']}" for each in error.errors(include_url=False)
        )
        raise BadInput(workflow, faults) from None


class _Player:
    def __init__(self, workflow: Workflow, run: RunContext, value: object) -> None:
        self._workflow = workflow
        self._graph = workflow.graph
        self._run = run
        self._keeper = run.keeper if isinstance(run.keeper, DurableKeeper) else None
        self._edits = self._keeper if run.path == "" else None
        """The keeper, where this is the whole of a run, whose graph may be edited."""
        self._begin_more: Callable[[], object] | None = None
        self._results: dict[str, object] = {}
        self._undos: list[tuple[Node, str, object]] = []
        said = {"id": run.run} if self._keeper is None else self._keeper.said
        version = workflow.version if self._edits is None else said["version"]
        about = {name: said.get(name) for name in RUN_FIELDS} | {"workflow": workflow.name, "version": version}
        self._env: Bindings = {"input": value, "task": value, "run": about}
        """What references find: these, and the results so far. No step has one of these names."""
        self._skipped = False
        """Whether a step was skipped so far."""
        self._input = value

    async def play(self) -> object:
        self._hide()
        if self._edits is not None:
            self._edits.follow(self._edited)
        try:
            execution = "sequential" if self._in_turn else self._choice().execution
            await (self._chain() if self._workflow.chain and execution == "sequential" else self._waves(execution))
        except Blocked:
            raise
        except RunError:
            self._over()
            if self._keeper is None:
                await self._undo()
            raise
        return self._result()

    def _hide(self) -> None:
        """What steps do not show. The store has it in the definition of a run, but not where the run plays another
        pattern, which has this workflow inside.
        """
        run, graph = self._run, self._graph
        paths = {node.id: node.redact for node in graph.nodes if node.redact}
        if not paths:
            return
        run.hide(paths)
        if self._keeper is not None and self._edits is None:
            named = {whole(run.key(id)): each for id, each in paths.items()}
            self._keeper.hide(whole(run.key(NOTE)), note_of(named, signals_in(graph)))

    # Edits

    def _edited(self, workflow: Workflow) -> None:
        """The run goes on with another graph, in which what has begun is the same."""
        self._workflow, self._graph = workflow, workflow.graph
        self._hide()
        if self._begin_more is not None:
            self._begin_more()

    def _begun(self, id: str) -> None:
        if self._edits is not None:
            self._edits.begun.add(id)

    def _over(self) -> None:
        """No step begins any more."""
        if self._edits is not None:
            self._edits.over()

    # Which step is next

    async def _chain(self) -> None:
        env, place = self._env, 0

        def from_the_first() -> None:
            nonlocal place
            place = 0

        self._begin_more = from_the_first
        while place < len(self._graph.nodes):
            node = self._graph.nodes[place]
            place += 1
            if node.id not in self._results:
                self._begun(node.id)
                env["previous"] = previous = self._previous(node)
                self._ended(node.id, await self._step(node, env, previous))
        self._over()

    def _ended(self, id: str, result: object) -> None:
        self._results[id] = self._env[id] = result
        self._skipped = self._skipped or result is SKIPPED

    @property
    def _in_turn(self) -> bool:
        """Whether each step comes after the one before, without a choice."""
        return self._workflow.chain and not self._graph.by_data

    def _choice(self) -> ExecutionChoice:
        """How the steps run. What "auto" chose when the run began is written down, and not chosen again."""
        if self._workflow.execution != "auto":
            return choice_of(self._workflow)
        run, keeper = self._run, self._keeper
        key = run.key(CHOICE)
        if keeper is not None and (known := keeper.noted(key)) is not None:
            return ExecutionChoice(**known)
        choice = run.kept(CHOICE, lambda: choice_of(self._workflow, run.capacity))
        if keeper is None or keeper.note_once("routed", key, asdict(choice)):
            run.emit(ExecutionChosen("", 0.0, "", choice.execution, choice.reason, choice.detail))
        return choice

    async def _waves(self, execution: ChosenExecution) -> None:
        order = StepOrder(self._graph, execution, self._workflow.parallel_threshold)
        ended: asyncio.Queue[str] = asyncio.Queue()
        tasks: dict[str, asyncio.Task[object]] = {}

        async def do(id: str) -> object:
            try:
                node = self._graph[id]
                if self._workflow.chain:
                    previous = self._previous(node)
                    return await self._step(node, ChainMap({"previous": previous}, self._env), previous)
                return await self._step(node, self._env, self._default_input(id))
            finally:
                ended.put_nowait(id)

        def begin(ids: list[str]) -> None:
            for id in ids:
                self._begun(id)
                tasks[id] = asyncio.ensure_future(do(id))

        self._begin_more = lambda: begin(order.edit(self._graph, tasks, self._results))
        begin(order.begin())
        try:
            while tasks:
                id = await ended.get()
                task = tasks[id]
                await asyncio.wait([task])
                del tasks[id]
                self._ended(id, task.result())
                level = order.level
                begin(order.ended(id))
                if level and (order.level > level or not tasks):
                    self._run.emit(LevelDone("", 0.0, "", level, self._graph.levels[level - 1]))
            self._over()
        finally:
            self._begin_more = None
            await end_all(tasks.values())

    def _previous(self, node: Node) -> object:
        """The input of a step of a chain: the result before it. Where it takes none, some may still be under way."""
        if node.id in self._graph.takers:
            for place in range(self._graph.places[node.id] - 1, -1, -1):
                found = self._results[self._graph.nodes[place].id]
                if found is not SKIPPED:
                    return found
        return self._input

    def _default_input(self, id: str) -> object:
        needs = self._graph.needs(id)
        return {each: _null(self._results[each]) for each in needs} if needs else self._input

    def _result(self) -> object:
        if self._workflow.output is not None:
            return self._workflow.output.render(self._env)
        if self._workflow.chain:
            done = [found for id in self._graph.by_id if (found := self._results[id]) is not SKIPPED]
            return done[-1] if done else self._input
        sinks = self._graph.sinks
        if len(sinks) == 1:
            return _null(self._results[sinks[0]])
        return {id: _null(self._results[id]) for id in sinks}

    # One step

    async def _step(self, node: Node, env: Bindings, default: object) -> object:
        run = self._run
        try:
            if self._skipped and node.on_skipped != "null":
                skipped = [str(use.ref) for use in node.uses() if env.get(use.ref.root) is SKIPPED]
                if skipped and node.on_skipped == "skip":
                    return self._skip(node, f"{skipped[0]} was skipped")
                if skipped:
                    raise StepFailed(run.run, run.key(node.id), LookupError(f"{skipped[0]} was skipped"))
            if node.when is not None and not self._decided(node, holds, node.when, env):
                return self._skip(node, "its condition is not met")
            if node.each is not None:
                return await self._map(node, env, default)
            if node.max_iterations is not None:
                return await self._loop(node, env, default)
            return await self._done(node, env, default, node.id)
        except Blocked:
            raise
        except RunError as error:
            if node.on_failure == "skip":
                return self._skip(node, str(error))
            if node.on_failure == "continue_with_warning":
                self._once(node, StepPassedOver("", 0.0, "", run.key(node.id), str(error), error))
                return SKIPPED
            if node.on_failure == "undo" and self._keeper is not None:
                self._keeper.undo_all()
            raise

    def _decided(self, node: Node, decide: Any, *args: object) -> Any:
        try:
            return decide(*args)
        except Exception as error:
            raise StepFailed(self._run.run, self._run.key(node.id), error) from error

    def _skip(self, node: Node, why: str) -> object:
        self._once(node, StepSkipped("", 0.0, "", self._run.key(node.id), why))
        return SKIPPED

    def _once(self, node: Node, event: Any) -> None:
        if self._keeper is None or self._keeper.note_once("skipped", self._run.key(node.id), event.why):
            self._run.emit(event)

    async def _map(self, node: Node, env: Bindings, default: object) -> object:
        items: Any = self._decided(node, value_of, node.each, env)
        key = self._run.key(node.id)
        if items is MISSING or not isinstance(items, list | tuple):
            got = "no value" if items is MISSING else type(items).__name__
            raise StepFailed(self._run.run, key, TypeError(f"each: {node.each} must be a list, got {got}"))
        if len(items) > MOST_ITEMS:
            raise StepFailed(self._run.run, key, FanOutTooLarge(self._run.run, key, len(items), MOST_ITEMS))
        results: list[object] = [None] * len(items)
        left: Iterator[tuple[int, object]] = iter(enumerate(items))

        async def work() -> None:
            for index, item in left:
                own = ChainMap({"item": item, "index": index}, env)
                results[index] = await self._done(node, own, item, f"{node.id}[{index}]")

        tasks = [asyncio.ensure_future(work()) for _ in range(min(node.max_parallel, len(items)))]
        try:
            if tasks:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks:
                if task.done():
                    task.result()
        except RunError:
            await end_all(tasks)
            self._run.call_off(f"{node.id}[", "another item has failed")
            raise
        finally:
            await end_all(tasks)
        return results

    async def _loop(self, node: Node, env: Bindings, default: object) -> object:
        assert node.max_iterations is not None
        run = self._run
        said: list[object] = []
        last: object = SKIPPED
        for number in range(1, node.max_iterations + 1):
            own = ChainMap({"self": last}, env)
            last = await self._tries(node, own, default, node.id if number == 1 else f"{node.id}#{number}")
            own = ChainMap({"self": last}, env)
            good = _is_approved(last) if node.until is None else self._decided(node, holds, node.until, own)
            if good:
                return last
            said.append(_feedback(run.shown(node.id, last)))
        raise NotApproved(run.run, node.max_iterations, run.shown(node.id, last), tuple(said))

    def _done(self, node: Node, env: Bindings, default: object, name: str) -> Coroutine[Any, Any, object]:
        """A step, and if it has a quality, until that is high enough."""
        if node.quality is not None:
            return self._rounds(node, node.quality, env, default, name)
        if node.retry is None and node.undo is None:
            return self._do(node, env, self._input_of(node, env, default), name)
        return self._tries(node, env, default, name)

    async def _rounds(self, node: Node, quality: Quality, env: Bindings, default: object, name: str) -> object:
        """A step whose result is scored, and what follows when that is low. What is written is not scored again."""
        run, revision, number = self._run, None, 1
        while True:
            part = name if number == 1 else f"{name}#{number}"
            result = await self._tries(node, env, default, part, revision)
            said = await run.do(quality.scoring, result, name=f"{part}/{QUALITY}")
            if isinstance(said, Approved):
                return result
            scores: Scores = said.feedback
            choice: str = quality.on_low
            if choice == "ask":
                choice = await self._decision(part, scores, quality.person)
            elif choice == "retry" and number == quality.max_rounds:
                choice = "fail"
            if choice in ("warn", "accept"):
                return result
            if choice != "retry":
                step = run.key(name)
                raise QualityTooLow(
                    run.run,
                    step,
                    scores.domain,
                    scores.score,
                    scores.threshold,
                    dict(scores.scores),
                    scores.low,
                    scores.missing,
                    number,
                    run.shown(name, result),
                )
            number += 1
            revision = Revision(self._input_of(node, env, default), scores, result, number)

    async def _decision(self, part: str, scores: Scores, person: str | None) -> str:
        """The decision of a person about a low score."""
        keeper, name = self._needs_engine(part), f"{part}/{DECISION}"
        low = "".join(f", {each} {scores.scores.get(each, 'missing')}" for each in (*scores.low, *scores.missing))
        whole = f"{scores.domain} of {self._run.key(part)} is {scores.score:g} of {scores.threshold:g}"
        question = f"{whole}{low}: accept the result, retry the step, or fail it?"
        asks = {"question": question, "options": list(DECISIONS), "default": None, "person": person}
        key = self._run.key(name)

        def fits(row: InboxRow) -> bool:
            return row.kind == "answer" and row.name == key

        _, said = await keeper.receive(key, f"{person}: {question}", fits, None, asks)
        return str(said)

    async def _tries(
        self, node: Node, env: Bindings, default: object, name: str, revision: Revision | None = None
    ) -> object:
        """A step, again after failures as its options say. What another process has decided is not decided anew."""
        run, delay = self._run, None
        attempt = 1
        value = self._input_of(node, env, default) if revision is None else revision
        if node.undo is not None and self._keeper is not None:
            self._refuse_input(name, value if revision is None else revision.work, self._keeper.max_value_bytes)
        while True:
            key = name if attempt == 1 else f"{name}~{attempt}"
            if self._keeper is not None and node.retry is not None:
                decide = partial(self._delay, node.retry, attempt=attempt, previous=delay)
                self._keeper.decides.update(dict.fromkeys(map(run.key, _parts(node, key)), decide))
            try:
                result = await self._do(node, env, value, key)
            except Blocked:
                raise
            except StepFailed as error:
                if self._keeper is None:
                    delay = self._delay(node.retry, error.error, attempt, delay)
                else:
                    delay = self._keeper.again.get(error.step)
                if delay is None:
                    raise
                await run.sleep(delay, name=f"{key}/pause")
                attempt += 1
            else:
                if node.undo is not None:
                    self._undoable(node, name, value if revision is None else revision.work, result)
                return result

    def _refuse_input(self, name: str, value: object, limit: int) -> None:
        """What a step gets that can be undone is written down; it must not be too large when the step is done."""
        try:
            encode(value, limit=limit, path="$input")
        except NotStorable as error:
            raise StepFailed(self._run.run, self._run.key(name), error) from error

    def _delay(
        self, retry: RetryOptions | None, error: BaseException, attempt: int, previous: float | None
    ) -> float | None:
        """Seconds before the next attempt; None: there is none."""
        if retry is None or isinstance(error, NotStorable) or not isinstance(error, Exception):
            return None
        return retry.delay(error, attempt, previous, self._run.random)

    def _input_of(self, node: Node, env: Bindings, default: object) -> object:
        if node.input is not None:
            return self._decided(node, node.input.render, env)
        return default

    def _do(self, node: Node, env: Bindings, value: object, name: str) -> Coroutine[Any, Any, object]:
        target = node.target
        if target is None:
            match node.what:
                case Nested(workflow):
                    target = self._registered(workflow)
                case Detached(workflow):
                    target = starting(self._needs_engine(name), self._run, workflow, name, node.priority)
                case _:
                    return self._do_here(node, env, value, name)
        if node.effects == "at_most_once":
            self._refuse_uncertain(name)
        elif node.effects == "transaction":
            return self._transact(node, value, name)
        return self._run.do(
            target, value, name=name, timeout=node.timeout, priority=node.priority, returns=node.returns
        )

    def _transact(self, node: Node, value: object, name: str) -> Coroutine[Any, Any, object]:
        """A step in the transaction that writes it."""
        keeper = self._needs_engine(name)
        assert isinstance(node.what, CallFunction)
        key, function = self._run.key(name), node.what.function
        return self._run.do_written(
            name, label(function), partial(keeper.transact, key, function, value, node.returns), node.returns
        )

    async def _do_here(self, node: Node, env: Bindings, value: object, name: str) -> object:
        """A step that the engine does itself, or has another team do."""
        run = self._run
        match node.what:
            case InTeam(team, steps):
                return await self._in_team(node, env, team, steps, value, name)
            case WaitForSignal(signal, on_timeout):
                came, said = await self._receive(node, name, f"signal {signal}", "signal", signal)
                if not came and on_timeout == "fail":
                    raise self._late(name, f"signal {signal!r}", node.timeout)
                return self._decided(node, checked, said, node.returns) if came else SKIPPED
            case AskPerson():
                return await self._ask(node, env, name, node.what)
            case Sleep(seconds, until):
                await run.sleep(self._seconds(node, env, seconds, until), name=name)
                return None
            case ContinueRun(input):
                self._continue(name, self._decided(node, input.render, env))
        raise AssertionError(node.what)

    def _registered(self, name: str) -> Pattern:
        found = None if self._keeper is None else self._keeper.workflows.get(name)
        if found is None:
            raise AgentMissing(self._run.run, f"workflow {name!r}")
        return found

    def _refuse_uncertain(self, name: str) -> None:
        """A step that must not be done twice, and may have been done before its process died."""
        key = self._run.key(name)
        if self._keeper is not None and key in self._keeper.cut_off:
            raise Uncertain(self._run.run, key)

    async def _in_team(
        self, node: Node, env: Bindings, team: str, steps: tuple[RoleStep, ...] | str, value: object, name: str
    ) -> object:
        keeper = self._needs_engine(name)
        part = self._run.within(name, await keeper.team(team))
        if isinstance(steps, str):
            pattern = keeper.patterns.get(steps)
            if pattern is None:
                raise AgentMissing(self._run.run, f"pattern {steps!r}")
            return await part.do(pattern, value, name=steps, timeout=node.timeout, returns=node.returns)
        for each in steps:
            said = value if each.input is None else self._decided(node, each.input.render, env)
            last = each is steps[-1]
            value = await part.do(
                each.role,
                {"action": each.action, "input": said},
                name=each.action,
                timeout=node.timeout,
                priority=node.priority,
                returns=node.returns if last else None,
            )
        return value

    async def _ask(self, node: Node, env: Bindings, name: str, ask: AskPerson) -> object:
        question = str(self._decided(node, ask.question.render, env))
        asks = {"question": question, "options": list(ask.options), "default": ask.default, "person": ask.person}
        what = f"{ask.person or 'a person'}: {question}"
        came, said = await self._receive(node, name, what, "answer", self._run.key(name), asks)
        if came:
            return said
        if ask.default is None:
            raise self._late(name, "an answer", node.timeout)
        return ask.default

    def _continue(self, name: str, value: object) -> NoReturn:
        """Ends the run; another one of the same workflow goes on with this input."""
        keeper, key = self._needs_engine(name), self._run.key(name)
        if self._edits is None:
            raise StepFailed(self._run.run, key, NeedsEngine(self._workflow.name, key))
        try:
            read_input(keeper.workflows.get(self._workflow.name, self._workflow), value)
            input = write(value, limit=keeper.max_value_bytes)
        except (BadInput, NotStorable, PayloadTooLarge) as error:
            raise StepFailed(self._run.run, key, error) from error
        self._over()
        raise ContinueAsNew(input, key)

    async def _receive(
        self, node: Node, name: str, what: str, kind: str, wanted: str, asks: object = None
    ) -> tuple[bool, Any]:
        keeper = self._needs_engine(name)

        def fits(row: InboxRow) -> bool:
            return row.kind == kind and row.name == wanted

        return await keeper.receive(self._run.key(name), what, fits, node.timeout, asks)

    def _needs_engine(self, name: str) -> DurableKeeper:
        if self._keeper is None:
            raise StepFailed(self._run.run, self._run.key(name), NeedsEngine(self._workflow.name, name))
        return self._keeper

    def _late(self, name: str, what: str, seconds: float | None) -> StepTimeout:
        key = self._run.key(name)
        return StepTimeout(self._run.run, key, SignalLate(self._run.run, key, what, seconds or 0.0))

    def _seconds(self, node: Node, env: Bindings, seconds: float | None, until: Any) -> float:
        if until is None:
            assert seconds is not None
            return seconds
        said = self._decided(node, until.render, env)
        when = self._decided(node, _instant, said)
        now = self._keeper.wall() if self._keeper is not None else self._run.wall()
        return max(0.0, float(when) - now)

    # Undoing

    def _undoable(self, node: Node, name: str, value: object, result: object) -> None:
        if self._keeper is not None:
            said = {"input": plain(value), "result": plain(result, adapter(node.returns))}
            self._keeper.undoable(self._run.key(name), f"{self._workflow.name}/{node.id}", said)
        else:
            self._undos.append((node, name, {"input": value, "result": result}))

    async def _undo(self) -> None:
        for node, name, value in reversed(self._undos):
            assert node.undo is not None
            await self._run.do(node.undo, value, name=f"{name}/undo")


def _parts(node: Node, key: str) -> Iterator[str]:
    """The steps of the run that an attempt at a step has."""
    yield key
    match node.what:
        case InTeam(_, str(pattern)):
            yield f"{key}/{pattern}"
        case InTeam(_, tuple(steps)):
            yield from (f"{key}/{each.action}" for each in steps)


def _null(value: object) -> object:
    return None if value is SKIPPED else value


def _instant(said: object) -> float:
    """Seconds since the epoch. Raises ValueError."""
    if isinstance(said, int | float) and not isinstance(said, bool):
        return float(said)
    when = datetime.fromisoformat(str(said))
    if when.tzinfo is None:
        raise ValueError(f"the time {said} needs an offset, such as {said}+00:00")
    return when.timestamp()


def _is_approved(result: object) -> bool:
    if isinstance(result, Approved):
        return True
    found = result.get("approved") if isinstance(result, Mapping) else getattr(result, "approved", None)
    return found is True


def _feedback(result: object) -> object:
    found = result.get("feedback") if isinstance(result, Mapping) else getattr(result, "feedback", None)
    return result if found is None else found
