"""Workflows as mappings, and in TOML or YAML files.

    workflow = "customer_support"       # its name

    [[steps]]                           # a chain; [[tasks]] with `dependencies` is a DAG
    id = "classify"
    agent = "classifier"
    input = { message = "$input.message" }

    [[steps]]
    id = "process"
    agent = "processor"
    input = { category = "$classify.category" }
    condition = "$classify.category != 'spam'"
    timeout = "30s"

| key that says what a step does | value | further keys |
|---|---|---|
| `agent` | a member or a role, `{ can = "capability" }`, `{ pool = "role", route = "..." }` | those of work |
| `run` | a function as "module:name" | those of work |
| `pattern` | the mapping of a pattern (_files/pattern.py) | those of work |
| `team` | the name of a team, with `workflow = [{ role, action, input }]` or `pattern = "name"` | those of work |
| `workflow` | the name of another workflow, or its mapping | `detached`, those of work |
| `wait` | the name of a signal | `on_timeout`, `returns` |
| `ask` | a question | `options`, `default`, `person` |
| `sleep` | seconds, "30s", a reference to a time, or a time | |
| `continue_as_new` | the input of the run that goes on in place of this one | |

`quality` with a mapping scores the result of a step (`domain`, `scorers`, `threshold`, `on_low`, `max_rounds`,
`person`, `timeout`). `on_low` beside `quality_domain` and `quality_threshold` says the same in short; the scores are
then fields of the result. Without either, `quality_domain` and a threshold are metadata for plans.

The further keys are the options of the builders; `condition` is `when`, `dependencies` is `after`. Types and functions
are "module:name". Nothing in a file is evaluated as code. Every fault is found at once, each with its place and the
nearest name there is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from supervisors.spi import SpecError, SpecFault, locate, nearest, read_document
from teams._files.form import Faults, FormKey, FormKeys, FormReader, TooManyFaults, seconds
from teams._files.pattern import PatternReader
from teams._members.priority import Priority
from teams._members.target import pool
from teams._runs.pattern import Target
from teams.resilience import Retry, retry
from teams.workflows._graph.builder import ask, continue_as_new, delay, do, in_team, nested, wait, workflow
from teams.workflows._graph.node import CallFunction, Node
from teams.workflows._graph.workflow import Workflow
from teams.workflows._quality.domain import Criterion, QualityDomain, at_least, domain_of
from teams.workflows._quality.scoring import Quality, quality

_DEEPEST = 16
"""Workflows within workflows in one document."""


class WorkflowDefaults(NamedTuple):
    """What counts where a workflow in a file does not say it."""

    execution: str | None = None
    """Of a DAG; None: that of `workflow`."""
    parallel_threshold: int | None = None
    """Of a DAG; None: that of `workflow`."""
    quality_domain: str = "GENERIC"
    """Of a step with `on_low`."""

    def of(self, values: Mapping[str, object]) -> Mapping[str, object]:
        """A workflow with them."""
        if "tasks" not in values:
            return values
        own = {"execution": self.execution, "parallel_threshold": self.parallel_threshold}
        return {**{key: each for key, each in own.items() if each is not None and key not in values}, **values}


def load_workflow(path: str | os.PathLike[str]) -> Workflow:
    """The workflow that a `.toml`, `.yaml` or `.yml` file describes. Imports the modules it names.

    Raises:
        SpecError: the file cannot be read or parsed, or the workflow has faults; all of them, each with its place
    """
    return workflow_from(read_document(path, "workflow"))


def workflow_from(values: Mapping[str, object]) -> Workflow:
    """The workflow that nested mappings describe, with the keys of a file. Imports the modules they name.

    Raises:
        SpecError: every fault (of more than 100, the first 100), each with its place
    """
    faults = Faults()
    made = None
    with suppress(TooManyFaults):
        made = _WorkflowReader(faults).workflow("workflow", values)
    if made is None or faults:
        raise SpecError(tuple(dict.fromkeys(faults)))
    return made


def read_workflow(path: str, values: object, faults: Faults, defaults: WorkflowDefaults) -> Workflow | None:
    """The workflow that a mapping describes, as part of a document. None where it has faults, which go to `faults`."""
    return _WorkflowReader(faults, defaults).workflow(path, values)


def read_steps(path: str, key: str, value: object, faults: Faults) -> list[Node]:
    """The steps of a DAG that a list of mappings describes. Their faults go to `faults`."""
    return _WorkflowReader(faults).dag(path, key, value)


class _WorkflowReader(PatternReader):
    """Reads one workflow, and those inside it."""

    def __init__(self, faults: Faults, defaults: WorkflowDefaults | None = None, depth: int = 0) -> None:
        super().__init__(None, faults)
        self._defaults = WorkflowDefaults() if defaults is None else defaults
        self._depth = depth

    def workflow(self, path: str, values: object) -> Workflow | None:
        """The workflow; None, with faults, if it cannot be read."""
        if not isinstance(values, Mapping):
            self.fault(path, f"must be a mapping with the keys {', '.join(WORKFLOW)}, got {values!r}")
            return None
        if self._depth > _DEEPEST:
            self.fault(path, f"workflows are nested deeper than {_DEEPEST} levels")
            return None
        named = [key for key in ("workflow", "name") if key in values]
        name = values[named[0]] if named else None
        path = name if isinstance(name, str) and name.strip() and name.isprintable() else path
        if len(named) != 1:
            self.fault(path, 'a workflow needs the key workflow = "name"' if not named else "has workflow and name")
        if "steps" in values and "tasks" in values:
            self.fault(path, "has steps and tasks: steps are a chain, tasks a DAG; give one of them")
        made: Workflow | None = self.form(path, self._defaults.of(values), self._build, WORKFLOW, None)
        return made

    def _build(self, name: object = "workflow", workflow_name: object = None, **given: Any) -> Workflow | None:
        title: Any = name if workflow_name is None else workflow_name
        steps = [*given.pop("steps", ()), *given.pop("tasks", ())]
        try:
            made = workflow(title, *steps, **given) if self._chained else workflow(title, tasks=steps, **given)
        except SpecError as error:
            self.faults += (SpecFault(each.path, _as_in_a_file(each.message)) for each in error.faults)
            return None
        return made

    _chained = True

    def made(self, path: str, build: Callable[..., Any], given: Mapping[str, Any], otherwise: Any) -> Any:
        """The object that the builder makes; the places of its faults keep what is below that of the step."""
        try:
            return build(**given)
        except SpecError as error:
            own = f"step {given.get('id')!r}"
            for each in error.faults:
                below = each.path.removeprefix(own) if each.path.startswith(own) else ""
                self.faults.append(SpecFault(path + below, _as_in_a_file(each.message)))
        except ValueError as error:
            self.fault(path, str(error))
        return otherwise

    # Steps

    def chain(self, path: str, key: str, value: object) -> list[Node]:
        """The steps of a chain."""
        return self._steps(path, key, value)

    def dag(self, path: str, key: str, value: object) -> list[Node]:
        """The steps of a DAG."""
        self._chained = False
        return self._steps(path, key, value)

    def _steps(self, path: str, key: str, value: object) -> list[Node]:
        if isinstance(value, str | Mapping) or not isinstance(value, list | tuple):
            self.fault(path, f"{key}: must be a list of steps, got {value!r}")
            return []
        found = []
        for number, each in enumerate(value):
            id = each.get("id") if isinstance(each, Mapping) else None
            where = f"{path}/{id}" if isinstance(id, str) and id else f"{path}/{key}/[{number}]"
            found.append(self._step(where, each, f"{id}" if isinstance(id, str) and id else f"[{number}]"))
        return found

    def _step(self, path: str, values: object, id: str) -> Node:
        # Stands for a step with faults, so that references to it are not faults.
        otherwise = Node(id, CallFunction(str))
        if not isinstance(values, Mapping):
            self.fault(path, f"must be a mapping with the keys of a step, got {values!r}")
            return otherwise
        markers = [key for key in FORMS if key in values]
        if "team" in markers:
            markers = [each for each in markers if each not in ("workflow", "pattern")]
        if len(markers) != 1:
            self.fault(
                path, f"a step needs one of {', '.join(FORMS)}; got {' and '.join(markers) or _unmarked(values)}"
            )
            return otherwise
        if self._chained and "dependencies" in values:
            self.fault(path, "dependencies: steps are a chain; write tasks in place of steps for a DAG")
        if values.get("detached") is True and isinstance(values.get("workflow"), Mapping):
            self.fault(path, "detached: is for a workflow of the engine, by its name; this one is part of the step")
        build, keys = FORMS[markers[0]]
        if "quality" in keys:
            values = self._with_quality(path, values)
        checked = values.get("quality") if isinstance(values.get("quality"), Mapping) else None
        if checked is not None:
            values = {key: each for key, each in values.items() if key != "quality"}
        known = {**values, "metadata": self._metadata(path, values)} if METADATA & values.keys() else values
        if "max_retries" in values and "retry" in values:
            self.fault(path, "has retry and max_retries; give one of them")
        known = {key: each for key, each in known.items() if key not in METADATA}
        if checked is not None:
            known["quality"] = checked
        made: Node = self.form(path, known, build, keys, otherwise)
        return made

    def _with_quality(self, path: str, values: Mapping[str, object]) -> Mapping[str, object]:
        """A step whose `on_low` makes a quality of its `quality_domain` and its threshold."""
        if "on_low" not in values:
            return values
        if isinstance(values.get("quality"), Mapping):
            self.fault(path, "on_low: write it into quality")
            return {key: each for key, each in values.items() if key != "on_low"}
        if "quality" in values and "quality_threshold" in values:
            self.fault(path, "has quality and quality_threshold; give one of them")
        given = {
            "domain": values.get("quality_domain", self._defaults.quality_domain),
            "threshold": values.get("quality_threshold", values.get("quality")),
            "on_low": values["on_low"],
        }
        own = ("on_low", "quality", "quality_domain", "quality_threshold")
        return {**{key: each for key, each in values.items() if key not in own}, "quality": given}

    def _metadata(self, path: str, values: Mapping[str, object]) -> object:
        own = values.get("metadata", {})
        if not isinstance(own, Mapping):
            return own
        for key in METADATA & values.keys() & own.keys():
            self.fault(path, f"{key}: stands in the step and in its metadata")
        return {**own, **{key: each for key, each in values.items() if key in METADATA}}

    # How the value of a key is read

    def worker(self, path: str, key: str, value: object) -> Target:
        """What does a step: a target, or a pool."""
        if isinstance(value, Mapping) and "pool" in value:
            made: Target = self.form(path, value, pool, POOL, "pool")
            return made
        if isinstance(value, Mapping) and "can" not in value:
            self.fault(path, f'{key}: must be a name, {{ can = "capability" }} or {{ pool = "role" }}, got {value!r}')
            return "agent"
        return self.target(path, value)

    def inner(self, path: str, key: str, value: object) -> object:
        """Another workflow: its name, or its mapping."""
        if not isinstance(value, Mapping):
            return value
        return _WorkflowReader(self.faults, self._defaults, self._depth + 1).workflow(path, value) or "workflow"

    def pattern_at(self, path: str, key: str, value: object) -> Target:
        """A pattern that stands under a key."""
        return self.pattern(f"{path}/{key}", value)

    def kind(self, path: str, key: str, value: object) -> Any:
        """The type at "module:name"."""
        if not isinstance(value, str):
            self.fault(path, f"{key}: must be a type as 'module:name', got {value!r}")
            return None
        found = locate(path, key, value)
        if isinstance(found, SpecFault):
            self.faults.append(found)
            return None
        return found

    def undo(self, path: str, key: str, value: object) -> Any:
        """A member, or a function at "module:name"."""
        return self.function(path, key, value) if isinstance(value, str) and ":" in value else value

    def priority(self, path: str, key: str, value: object) -> object:
        """A number, or the name of a priority."""
        if isinstance(value, str):
            names = {each.name.lower(): int(each) for each in Priority}
            if value.lower() in names:
                return names[value.lower()]
            self.fault(path, f"{key}: no priority {value!r}; {nearest(value, names)}")
            return None
        return value

    def attempts(self, path: str, key: str, value: object) -> Retry | object:
        """A number of retries, or the options of `retry`."""
        if not isinstance(value, Mapping):
            return value
        made: Retry = self.form(f"{path}/{key}", value, retry, RETRY, None)
        return made

    def quality(self, path: str, key: str, value: object) -> Quality | None:
        """How the result of a step is scored."""
        made: Quality | None = self.form(f"{path}/{key}", value, quality, QUALITY, None)
        return made

    def domain(self, path: str, key: str, value: object) -> object:
        """A quality domain: its name, or its name and criteria."""
        if not isinstance(value, Mapping):
            return value
        made: QualityDomain | None = self.form(f"{path}/{key}", value, _domain, DOMAIN, None)
        return UNKNOWN_DOMAIN if made is None else made

    def criteria(self, path: str, key: str, value: object) -> dict[str, Criterion | float]:
        """The criteria of a domain."""
        if not isinstance(value, Mapping):
            self.fault(path, f"{key}: must be a mapping of criteria, got {value!r}")
            return {}
        return {
            str(name): self.form(f"{path}/{name}", each, _criterion, CRITERION, 1.0)
            if isinstance(each, Mapping)
            else each
            for name, each in value.items()
        }

    def scorers(self, path: str, key: str, value: object) -> object:
        """One scorer of all criteria, or scorers by criterion."""
        if isinstance(value, Mapping) and not ("can" in value or "pool" in value):
            return {str(name): self._scorer(path, f"{key}/{name}", each) for name, each in value.items()}
        return self._scorer(path, key, value)

    def _scorer(self, path: str, key: str, value: object) -> object:
        return value if isinstance(value, str) and value.startswith("$") else self.worker(path, key, value)

    def exceptions(self, path: str, key: str, value: object) -> object:
        """Classes of exceptions, each at "module:name", or a predicate."""
        listed = value if isinstance(value, list | tuple) else [value]
        found = tuple(self.function(path, key, each) for each in listed)
        return found if isinstance(value, list | tuple) else found[0]

    def nap(self, path: str, key: str, value: object) -> object:
        """Seconds, or a time."""
        try:
            return seconds(value)
        except ValueError as error:
            if isinstance(value, str):
                return value
            self.fault(path, f"{key}: {error}")
            return 1.0


def _as_in_a_file(message: str) -> str:
    """The message of a builder with the name that an option has in a file."""
    option, colon, rest = message.partition(":")
    return _KEYS.get(option, option) + colon + rest


_KEYS = {"when": "condition", "after": "dependencies", "signal": "wait", "question": "ask"}


def _nap(id: str, value: float | str, **options: Any) -> Node:
    return delay(id, until=value, **options) if isinstance(value, str) else delay(id, value, **options)


def _domain(name: Any, criteria: Mapping[str, Criterion | float]) -> QualityDomain:
    """A quality domain; its faults say their criterion."""
    try:
        return domain_of(name, criteria)
    except SpecError as error:
        faults = [
            SpecFault(each.path, f"{part}: {each.message}" if (part := each.path.partition("/")[2]) else each.message)
            for each in error.faults
        ]
        raise SpecError(faults) from None


def _criterion(least: Any, weight: Any = 1.0) -> Criterion:
    return at_least(least, weight=weight)


def _unmarked(values: Mapping[str, object]) -> str:
    """Describes a mapping without one of the keys that say what a step does."""
    for key in values:
        near = nearest(str(key), FORMS)
        if key not in WORK and near.startswith("did"):
            return f"{str(key)!r}: {near}"
    return ", ".join(map(str, values)) or "nothing"


def _in_team(id: str, team: str, steps: object = None, pattern: object = None, **options: Any) -> Node:
    if (steps is None) is (pattern is None):
        raise SpecError([SpecFault(f"step {id!r}", "team: needs workflow = [{role, action}] or pattern = 'name'")])
    if pattern is not None and not isinstance(pattern, str):
        raise SpecError([SpecFault(f"step {id!r}", f"pattern: must be the name of one, got {pattern!r}")])
    if isinstance(steps, str):
        raise SpecError([SpecFault(f"step {id!r}", f"workflow: must be a list of {{role, action}}, got {steps!r}")])
    given: Any = pattern if steps is None else steps
    return in_team(id, team, given, **options)


RAW: FormKey[FormReader] = FormKey()
"""The builder checks the value."""
SECONDS: FormKey[FormReader] = FormKey(FormReader.seconds)
MUST = RAW._replace(required=True)
TYPE = FormKey(_WorkflowReader.kind)

METADATA = frozenset(
    {"description", "parallel_safe", "estimated_duration", "quality", "quality_domain", "quality_threshold"}
)
"""Keys of a step that are part of its metadata."""
ENDING: FormKeys = {
    "id": MUST,
    "condition": RAW._replace(to="when"),
    "dependencies": RAW._replace(to="after"),
    "on_failure": RAW,
    "on_skipped": RAW,
    "redact": RAW,
    "metadata": RAW,
}
STEP: FormKeys = {**ENDING, "timeout": SECONDS}
WORK: FormKeys = {
    **STEP,
    "input": RAW,
    "each": RAW,
    "max_parallel": RAW,
    "max_iterations": RAW,
    "until": RAW,
    "retry": FormKey(_WorkflowReader.attempts),
    "max_retries": RAW._replace(to="retry"),
    "undo": FormKey(_WorkflowReader.undo),
    "effects": RAW,
    "returns": TYPE,
    "priority": FormKey(_WorkflowReader.priority),
    "quality": FormKey(_WorkflowReader.quality),
    "on_low": RAW,
}
POOL: FormKeys = {
    "pool": FormKey(_WorkflowReader.worker, to="target", required=True),
    "route": RAW,
    "key": FormKey(FormReader.function),
}
UNKNOWN_DOMAIN = QualityDomain("unknown", {})
"""Stands for a domain with faults, so that scorers of its criteria are not faults."""
CRITERION: FormKeys = {"at_least": MUST._replace(to="least"), "weight": RAW}
DOMAIN: FormKeys = {"name": MUST, "criteria": FormKey(_WorkflowReader.criteria, required=True)}
QUALITY: FormKeys = {
    "domain": FormKey(_WorkflowReader.domain, required=True),
    "scorers": FormKey(_WorkflowReader.scorers),
    "threshold": RAW,
    "on_low": RAW,
    "max_rounds": RAW,
    "person": RAW,
    "timeout": SECONDS,
}
RETRY: FormKeys = {
    "max_retries": RAW,
    "backoff": RAW,
    "on": FormKey(_WorkflowReader.exceptions),
    "fatal": FormKey(_WorkflowReader.exceptions),
}
FORMS: Mapping[str, tuple[Callable[..., Node], FormKeys]] = {
    "agent": (do, {"agent": FormKey(_WorkflowReader.worker, to="target", required=True), **WORK}),
    "run": (do, {"run": FormKey(FormReader.function, to="target", required=True), **WORK}),
    "pattern": (do, {"pattern": FormKey(_WorkflowReader.pattern_at, to="target", required=True), **WORK}),
    "team": (_in_team, {"team": MUST, "workflow": RAW._replace(to="steps"), "pattern": RAW, **WORK}),
    "workflow": (nested, {"workflow": FormKey(_WorkflowReader.inner, required=True), "detached": RAW, **WORK}),
    "wait": (wait, {"wait": MUST._replace(to="signal"), "on_timeout": RAW, "returns": TYPE, **STEP}),
    "ask": (ask, {"ask": MUST._replace(to="question"), "options": RAW, "default": RAW, "person": RAW, **STEP}),
    "sleep": (_nap, {"sleep": FormKey(_WorkflowReader.nap, to="value", required=True), **STEP}),
    "continue_as_new": (continue_as_new, {"continue_as_new": MUST._replace(to="input"), **ENDING}),
}
"""The key that says what a step does -> its builder and its keys."""
WORKFLOW: FormKeys = {
    "workflow": RAW._replace(to="workflow_name"),
    "name": RAW,
    "steps": FormKey(_WorkflowReader.chain),
    "tasks": FormKey(_WorkflowReader.dag),
    "input": TYPE,
    "output": RAW,
    "timeout": SECONDS,
    "metadata": RAW,
    "execution": RAW,
    "parallel_threshold": RAW,
}
