"""A dry run: a whole workflow over stubs. Nothing is dispatched, nothing is stored.

In place of what a step does there is a stub: it returns what it was given for the step, else the input of the step.
Conditions, references, loops and maps are those of the workflow, played by an engine whose store is in memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from actors._user_code.text import cut
from supervisors import SpecError, SpecFault, start
from supervisors.spi import nearest
from teams._journal.codec import decode
from teams._journal.memory import MemoryRunStore
from teams._runs.hidden import shown
from teams._runs.pattern import Pattern
from teams.cli._text import result_text
from teams.workflows._engine.engine import engine
from teams.workflows._engine.ref import EngineRef
from teams.workflows._graph.node import (
    AskPerson,
    CallFunction,
    ContinueRun,
    Detached,
    Nested,
    Node,
    Sleep,
    WaitForSignal,
)
from teams.workflows._graph.workflow import Workflow
from teams.workflows._run.names import step_of
from teams.workflows._run.values import adapter
from teams.workflows.errors import RunFailure

LONGEST = 60.0
"""Seconds for a dry run."""
_SHOWN = 200

_NOTHING = object()


class _EndsHere(Exception):
    """A dry run ends where a run goes on in a new one."""


class Called(NamedTuple):
    """A call of a stub."""

    step: str
    title: str
    input: Any
    result: Any


@dataclasses.dataclass
class DryRun:
    """The outcome of a dry run."""

    workflow: str
    order: tuple[str, ...]
    """Its steps, each after those it depends on."""
    calls: list[Called] = dataclasses.field(default_factory=list)
    skipped: dict[str, str] = dataclasses.field(default_factory=dict)
    """Why, by step."""
    result: Any = None
    error: Exception | None = None
    continues: bool = False
    """Whether it ended where a run goes on in a new one."""

    def lines(self) -> Iterator[str]:
        """For people."""
        told: list[tuple[str, str]] = []
        for each in self.calls:
            said = f"{cut(result_text(each.input), _SHOWN)} -> {cut(result_text(each.result), _SHOWN)}"
            told.append((each.step, f"{cut(each.title)}  {said}"))
        told += ((step, f"skipped: {cut(why, _SHOWN)}") for step, why in self.skipped.items())
        places = {step: number for number, step in enumerate(self.order)}
        for step, text in sorted(told, key=lambda each: places[step_of(each[0])]):
            yield f"{cut(step)}  {text}"
        if self.continues:
            yield f"goes on in a new run with  {result_text(self.result)}"
        elif self.error is None:
            yield f"result  {result_text(self.result)}"

    @property
    def why(self) -> str:
        """Why it failed."""
        error = self.error
        if isinstance(error, RunFailure) and error.step is not None and error.__cause__ is not None:
            return f"step {error.step}: {error.__cause__}"
        return str(error)

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "workflow": self.workflow,
            "calls": [each._asdict() for each in self.calls],
            "skipped": self.skipped,
            "result": self.result,
            "continues": self.continues,
            "error": None if self.error is None else self.why,
        }


def dry_run(workflow: Workflow, known: Mapping[str, Pattern], value: object, stubs: Mapping[str, Any]) -> DryRun:
    """Plays the workflow over stubs; `known` are the workflows that it may name.

    Raises:
        SpecError: a stub is of no step, or is not what the step returns
        BadInput: the input is not what the workflow takes
        NotStorable: JSON cannot say the input
    """
    found = DryRun(workflow.name, tuple(workflow.graph.order))
    stubber = _Stubber(known, stubs, found.calls)
    flow = stubber.workflow(workflow, "")
    faults = [*stubber.faults, *stubber.unknown()]
    if faults:
        raise SpecError(faults)
    tree = engine("dry-run", flow, store=MemoryRunStore, default_timeout=LONGEST)
    with start(tree, log=False) as root:
        assert isinstance(root, EngineRef)
        run = root.start_workflow(flow.name, value).get()
        try:
            run.get(timeout=2 * LONGEST)
            found.result = run.status().get().result
        except Exception as error:  # noqa: BLE001 - that of the run, which is told
            if stubber.ended_with is None:
                found.error = error
            else:
                found.continues, found.result = True, stubber.ended_with.input
        for entry in run.history().get():
            if entry.kind == "skipped":
                found.skipped[entry.step] = str(decode(entry.body or b"null"))
    return found


class _Stubber:
    """Puts stubs in the place of what steps do."""

    def __init__(self, known: Mapping[str, Pattern], stubs: Mapping[str, Any], calls: list[Called]) -> None:
        self._known = known
        self._stubs = stubs
        self._calls = calls
        self._steps: set[str] = set()
        self._hidden: dict[str, tuple[str, ...]] = {}
        """The hidden parts of the results of steps."""
        self.faults: list[SpecFault] = []
        self.ended_with: Called | None = None
        """The step that ends the run, and has another one go on."""

    def unknown(self) -> Iterator[SpecFault]:
        """Stubs of steps that there are not."""
        for name in self._stubs:
            if name.partition("#")[0] not in self._steps:
                yield SpecFault("stub", f"{name!r} is not a step; {nearest(name, self._steps)}")

    def workflow(self, flow: Workflow, path: str, around: tuple[str, ...] = ()) -> Workflow:
        """The workflow with stubs. `path` is before the names of its steps."""
        nodes = tuple(self._node(each, path, (*around, flow.name)) for each in flow.graph.nodes)
        return dataclasses.replace(flow, graph=dataclasses.replace(flow.graph, nodes=nodes), timeout=None)

    def _node(self, node: Node, path: str, around: tuple[str, ...]) -> Node:
        name = f"{path}{node.id}"
        self._steps.add(name)
        self._hidden[name] = node.redact
        what, given = node.what, self._given(node, name)
        input = node.input
        if isinstance(what, ContinueRun):
            end = CallFunction(self._end(name, node.title))
            return dataclasses.replace(node, what=end, input=what.input, on_failure="stop")
        if isinstance(what, Nested) and name not in self._stubs:
            inner = self._known.get(what.workflow) if what.definition is None else what.definition
            if isinstance(inner, Workflow) and inner.name not in around:
                what = Nested(what.workflow, self.workflow(inner, f"{name}/", around))
                return dataclasses.replace(node, what=what, retry=None, undo=None, timeout=None, quality=None)
        otherwise: object = _NOTHING
        if isinstance(what, AskPerson):
            input = what.question
            otherwise = what.default or (what.options[0] if what.options else _NOTHING)
        elif isinstance(what, Detached):
            otherwise = f"(the id of a run of {what.workflow})"
        elif isinstance(what, WaitForSignal | Sleep):
            input = what.until if isinstance(what, Sleep) else None
            otherwise = None
        stub = self._stub(name, node.title, given, otherwise, loops=node.max_iterations is not None)
        returns = node.returns if given else None
        return dataclasses.replace(
            node,
            what=CallFunction(stub),
            input=input,
            retry=None,
            undo=None,
            timeout=None,
            quality=None,
            returns=returns,
        )

    def _end(self, name: str, title: str) -> Callable[[Any], Any]:
        def end(value: Any) -> Any:
            self.ended_with = Called(name, title, shown(self._hidden, name, value), None)
            raise _EndsHere

        return end

    def _given(self, node: Node, name: str) -> dict[str, Any]:
        """What was given for the step, and for each of its iterations, as the step returns it."""
        found = {}
        for key, value in self._stubs.items():
            if key.partition("#")[0] == name:
                reads = adapter(node.returns)
                try:
                    found[key] = value if reads is None else reads.validate_python(value)
                except ValidationError as error:
                    said = "; ".join(each["msg"] for each in error.errors(include_url=False))
                    self.faults.append(SpecFault(f"stub/{key}", f"is not what the step returns: {said}"))
        return found

    def _stub(
        self, name: str, title: str, given: Mapping[str, Any], otherwise: object, *, loops: bool
    ) -> Callable[[Any], Any]:
        calls, hidden = 0, self._hidden

        def stub(value: Any) -> Any:
            nonlocal calls
            calls += 1
            key = name if calls == 1 or not loops else f"{name}#{calls}"
            result = given.get(key, given.get(name, value if otherwise is _NOTHING else otherwise))
            self._calls.append(Called(key, title, shown(hidden, name, value), shown(hidden, name, result)))
            return result

        return stub
