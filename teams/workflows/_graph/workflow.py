"""Workflows: a checked graph with a name, its canonical form and its version."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Coroutine, Iterator, Mapping, Set
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from teams._journal.rows import Definition
from teams._members.target import Can, Pool
from teams._runs.pattern import Pattern, Target
from teams.resilience._retry import RetryOptions
from teams.resilience._retry import retry as policy
from teams.workflows._graph.graph import Graph
from teams.workflows._graph.node import (
    Agent,
    AskPerson,
    CallFunction,
    ContinueRun,
    Detached,
    InTeam,
    Nested,
    Node,
    PlayPattern,
    Sleep,
    WaitForSignal,
)
from teams.workflows._language.expression import Fixed, Listed
from teams.workflows._language.refs import Ref
from teams.workflows._language.template import InputTemplate
from teams.workflows._quality.scoring import Quality

if TYPE_CHECKING:
    from teams._runs.context import RunContext

ChosenExecution = Literal["sequential", "ready", "levels", "hybrid"]
Execution = Literal["sequential", "ready", "levels", "hybrid", "auto"]
EXECUTIONS: tuple[Execution, ...] = get_args(Execution)
PARALLEL_THRESHOLD = 3
"""The least number of independent steps that "hybrid" and "auto" run side by side."""


@dataclass(frozen=True)
class Workflow(Pattern):
    """Steps that depend on each other, made by `workflow(...)` or read from a file. It is a pattern: a team plays it,
    and it may be a step of another pattern.
    """

    name: str
    graph: Graph
    input: Any = None
    """The type of the input of a run; None: any JSON value."""
    output: InputTemplate | None = None
    """The result of a run. None: of a chain, the result of the last step that was not skipped; of a DAG, that of the
    step that no other depends on, or if there are several, theirs by id."""
    timeout: float | None = None
    """Seconds for a run."""
    metadata: Mapping[str, object] = field(default_factory=dict)
    execution: Execution = "ready"
    """How the steps of a DAG run; `workflow` explains it."""
    parallel_threshold: int = PARALLEL_THRESHOLD

    @property
    def chain(self) -> bool:
        """Whether the steps are in an order: each comes after the one before, or after those whose data it needs."""
        return self.graph.chain

    @cached_property
    def body(self) -> str:
        """The workflow as canonical JSON, with the keys of a file. Equal bodies mean the same workflow.

        `workflow_from` reads it back if every function and type in it has a place, "module:name", and no step is a
        pattern that Python made.
        """
        return json.dumps(document(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @cached_property
    def version(self) -> str:
        """The SHA-256 of `body` in hexadecimal digits."""
        return hashlib.sha256(self.body.encode("utf-8", "surrogatepass")).hexdigest()

    def parts(self) -> Iterator[Target]:
        for node in self.graph.nodes:
            if node.target is not None:
                yield node.target
            if node.undo is not None:
                yield node.undo
            if node.quality is not None:
                yield node.quality.scoring

    def play(self, run: RunContext, value: object) -> Coroutine[Any, Any, object]:
        from teams.workflows._run.play import play

        return play(self, run, value)


# The canonical form


def definition_of(workflow: Workflow, now: int) -> Definition:
    """A workflow as it is stored with its runs."""
    return Definition(workflow.name, workflow.version, workflow.body.encode("utf-8", "surrogatepass"), now)


def document(workflow: Workflow) -> dict[str, object]:
    """The mapping that a file has for this workflow. Functions and types are named by where they are defined."""
    found: dict[str, object] = {
        "workflow": workflow.name,
        "steps" if workflow.chain else "tasks": [step_document(each) for each in workflow.graph.nodes],
    }
    if workflow.input is not None:
        found["input"] = location(workflow.input)
    if workflow.output is not None:
        found["output"] = workflow.output.source
    if workflow.timeout is not None:
        found["timeout"] = workflow.timeout
    if workflow.metadata:
        found["metadata"] = _plain(workflow.metadata)
    if workflow.execution != "ready":
        found["execution"] = workflow.execution
    if workflow.parallel_threshold != PARALLEL_THRESHOLD:
        found["parallel_threshold"] = workflow.parallel_threshold
    return found


def step_document(node: Node) -> dict[str, object]:
    """The mapping that a file has for a step."""
    found: dict[str, object] = {"id": node.id, **_what(node)}
    for option in dataclasses.fields(Node):
        value = getattr(node, option.name)
        if option.name not in ("id", "what") and value != _DEFAULTS[option.name]:
            found[_KEYS.get(option.name, option.name)] = _written(option.name, value)
    return found


_KEYS = {"when": "condition", "after": "dependencies"}
"""Options that have another name in a file."""
_DEFAULTS = {
    each.name: each.default if each.default is not dataclasses.MISSING else {} for each in dataclasses.fields(Node)
}


def _written(option: str, value: Any) -> object:
    if isinstance(value, InputTemplate):
        return value.source
    if isinstance(value, Listed):
        return [each.value for each in value.items if isinstance(each, Fixed)]
    if option in ("when", "each", "until"):
        return str(value)
    if isinstance(value, RetryOptions):
        return _retry(value)
    if isinstance(value, Quality):
        return _quality(value)
    return location(value) if option == "returns" else _plain(value)


def _quality(value: Quality) -> object:
    scoring = value.scoring
    domain = scoring.domain
    criteria = {name: {"at_least": each.threshold, "weight": each.weight} for name, each in domain.criteria.items()}
    found: dict[str, object] = {
        "domain": {"name": domain.name, "criteria": criteria},
        "threshold": scoring.threshold,
        "on_low": value.on_low,
        "max_rounds": value.max_rounds,
    }
    if len(scoring.scorers) == 1 and len(scoring.scorers[0][0]) > 1:
        found["scorers"] = _scorer(scoring.scorers[0][1])
    else:
        found["scorers"] = {names[0]: _scorer(each) for names, each in scoring.scorers}
    return found | {
        name: each for name, each in (("person", value.person), ("timeout", scoring.timeout)) if each is not None
    }


def _scorer(scorer: Target | Ref) -> object:
    return _target(scorer) if isinstance(scorer, str | Can | Pool) else _plain(scorer)


def _retry(options: RetryOptions) -> object:
    if options == policy(options.max_retries).options:
        return options.max_retries
    return {name: _plain(getattr(options, name)) for name in ("max_retries", "backoff", "on", "fatal")}


def _what(node: Node) -> dict[str, object]:
    match node.what:
        case Agent(target):
            return {"agent": _target(target)}
        case CallFunction(function):
            return {"run": location(function)}
        case PlayPattern(pattern):
            return {"pattern": _plain(pattern)}
        case InTeam(team, str(name)):
            return {"team": team, "pattern": name}
        case InTeam(team, tuple(steps)):
            rows = [
                {
                    "role": each.role,
                    "action": each.action,
                    **({} if each.input is None else {"input": each.input.source}),
                }
                for each in steps
            ]
            return {"team": team, "workflow": rows}
        case Nested(workflow, definition):
            return {"workflow": workflow if definition is None else document(definition)}
        case Detached(workflow):
            return {"workflow": workflow, "detached": True}
        case WaitForSignal(signal, on_timeout):
            return {"wait": signal, "on_timeout": on_timeout}
        case AskPerson(question, options, default, person):
            more = {"options": list(options), "default": default, "person": person}
            return {"ask": question.source, **{key: value for key, value in more.items() if value}}
        case Sleep(seconds, until):
            return {"sleep": seconds if until is None else until.source}
        case ContinueRun(input):
            return {"continue_as_new": input.source}
    raise AssertionError(node.what)


def _target(target: str | Can | Pool) -> object:
    if isinstance(target, Can):
        return {"can": target.capability}
    if isinstance(target, Pool):
        key = {} if target.key is None else {"key": location(target.key)}
        return {"pool": _target(target.target), "route": target.route, **key}
    return target


def location(named: object) -> str:
    """Where a function or a class is defined, as "module:name"; of another object, how it is made. The same in every
    process.
    """
    if isinstance(named, functools.partial):
        arguments = [*map(_plain, named.args), *(f"{name}={_plain(each)}" for name, each in named.keywords.items())]
        return f"partial({', '.join(map(str, (location(named.func), *arguments)))})"
    origin = getattr(named, "__origin__", None)  # list[int]
    if origin is not None or getattr(named, "__args__", None):
        return f"{named}"
    module, name = getattr(named, "__module__", None), getattr(named, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str):
        return f"{module}:{name}"
    return f"a {location(type(named))}"


def _plain(value: Any) -> Any:
    """A value as JSON: dataclasses with their type, functions and classes by their place."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Workflow):
        return document(value)
    if isinstance(value, InputTemplate):
        return value.source
    if isinstance(value, Ref):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Set):
        return sorted(map(_plain, value), key=str)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        own = {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
        return {"type": location(type(value)), **own}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, BaseModel):
        return to_jsonable_python(value)
    return location(value)
