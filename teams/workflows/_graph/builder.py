"""The builders of workflows. Each finds all faults of its arguments and raises one SpecError."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict, TypeVar, Unpack

from pydantic_core import PydanticSerializationError, to_jsonable_python

from supervisors.spi import SpecFault, builder, nearest
from teams._checks.coroutine import generator_faults
from teams._checks.fields import count_faults, priority_faults, refuse, seconds_faults
from teams._journal.codec import path_steps
from teams._members.target import Can, Pool, work_target_faults
from teams._runs.pattern import Pattern, Target, target_faults
from teams._runs.step import Step
from teams.resilience import Retry
from teams.resilience import retry as policy
from teams.resilience._retry import RetryOptions
from teams.workflows._graph.check import id_faults, nested_continue_faults, type_faults, workflow_faults
from teams.workflows._graph.graph import Graph
from teams.workflows._graph.node import (
    EFFECTS,
    ON_FAILURE,
    ON_SKIPPED,
    ON_TIMEOUT,
    Agent,
    AskPerson,
    CallFunction,
    ContinueRun,
    Detached,
    Effects,
    FailureChoice,
    InTeam,
    Nested,
    Node,
    OnSkipped,
    PlayPattern,
    RoleStep,
    Sleep,
    TimeoutChoice,
    WaitForSignal,
    What,
)
from teams.workflows._graph.workflow import EXECUTIONS, PARALLEL_THRESHOLD, Execution, Workflow
from teams.workflows._language.expression import Expression, Fixed, Listed, parse
from teams.workflows._language.refs import Ref
from teams.workflows._language.template import InputTemplate, NotATemplate, parse_template
from teams.workflows._quality.scoring import Quality
from teams.workflows.errors import BadExpression

T = TypeVar("T")


class ContinueOptions(TypedDict, total=False):
    """The options of a step that ends the run. `do` explains them."""

    when: str | None
    after: str | Iterable[str]
    on_failure: FailureChoice
    on_skipped: OnSkipped
    redact: str | Iterable[str]
    metadata: Mapping[str, object]


class StepOptions(ContinueOptions, total=False):
    """The options of every other step. `do` explains them."""

    timeout: float | None


class WorkOptions(StepOptions, total=False):
    """The options of steps that are work. `do` explains them."""

    input: object
    each: str | Sequence[object] | None
    max_parallel: int
    max_iterations: int | None
    until: str | None
    retry: Retry | int | None
    undo: str | Callable[..., Any] | None
    effects: Effects
    returns: Any
    priority: int | None
    quality: Quality | None


_OF_WORK = dict.fromkeys(WorkOptions.__optional_keys__ - StepOptions.__optional_keys__, "is for a step that is work")
_NOT_OF_AN_END = {**_OF_WORK, "timeout": "ending a run takes no time; give a timeout to the workflow"}


@builder("step {id!r}", WorkOptions)
def do(id: str, target: Target, **options: Unpack[WorkOptions]) -> Node:
    """A step that is work. Raises SpecError with all faults at once.

    Args:
        id: Its name in the workflow, in references and in the run.
        target: What does it: a member or a role, `can(...)`, a pool, a pattern, or a function.
        input: What it gets: strings, numbers, lists and mappings. A string that is one reference, such as
            "$classify.category", becomes the value; "Dear ${input.name}" stays a string; "$$" is a dollar. None: in a
            chain, the result of the step before; in a DAG, the results of its dependencies by id; of the first, the
            input of the run. Default: None.
        when: A condition, such as "$classify.category != 'spam'". If it does not hold, the step is skipped, and
            references to it are null. None: always. Default: None.
        after: Steps that must end before, besides those that its references name. A workflow with such a step is a DAG
            and not a chain. Default: ().
        each: A list, such as "$split.items": the step is done for each of its items, at most 10,000, and its result is
            the list of results in the same order. Its input has `$item` and `$index`; without an input it gets the
            item. None: it is done once. Default: None.
        max_parallel: How many items of `each` are under way at once. Default: 10.
        max_iterations: How often it is done until `until` holds; then it fails with `NotApproved`. None: it is done
            once, and `until` has no meaning. Default: None.
        until: The condition that ends its iterations, such as "$self.score >= 0.9"; `$self` is the result of the
            iteration. None: its result is the verdict `Approved`, or its field `approved` is true. Default: None.
        retry: How often it is tried again when it failed: a number, or `teams.resilience.retry(...)`. None: never.
            Default: None.
        timeout: Seconds for each attempt. None: any time. Default: None.
        on_failure: What follows when it failed: "stop" fails the run; "continue_with_warning" and "skip" go on as if
            the step was skipped, the first with a warning; "undo" undoes the steps that were done, in reverse order,
            and fails the run. Default: "stop".
        on_skipped: What a reference to a skipped step does: "null" is a null value, "skip" skips this step, too, "fail"
            fails it. Default: "null".
        undo: A member or a function that undoes the step when the run is cancelled, or fails with
            `on_failure="undo"`. It gets the input and the result of the step. None: nothing is undone. Default: None.
        effects: "at_least_once": a step that was cut off is done again under the same key. "at_most_once": it is not,
            and the run waits for a decision. "transaction": it is done exactly once, in the database of the store; the
            target is a function that is not async, and gets a `Transaction` with the input and the connection. What it
            writes there is committed together with its end. Default: "at_least_once".
        returns: The type of its result, which is checked, and restored after a restart. References to fields that it
            does not have are faults. None: what JSON can say. Default: None.
        priority: More is sooner where work has to wait. None: the priority of the run. Default: None.
        quality: How its result is scored, and what follows when it is low: `quality(...)`. With `each`, the result of
            each item is. None: it is not scored. Default: None.
        redact: Dotted paths in its input and result that are not shown, such as "card.number" or "rows[*].name"; "$" is
            the whole. Histories, statuses, artifacts, streams, events and dry runs are without them; who waits for the
            result gets it. Default: ().
        metadata: What else is known of it, as JSON: `estimated_duration` (seconds, or [low, likely, high]),
            `parallel_safe`, `quality_domain`, and what you like. Default: {}.
    """
    faults = list(target_faults(f"step {id!r}", target))
    if isinstance(target, Step):
        faults.append(SpecFault(f"step {id!r}", "step(...) inside a workflow: give its options to do(...)"))
    return _node(id, _work(target), options, faults)


@builder("step {id!r}", WorkOptions)
def in_team(
    id: str, team: str, steps: str | Iterable[RoleStep | Mapping[str, object]], **options: Unpack[WorkOptions]
) -> Node:
    """A step that another team plays, inside this run. Raises SpecError with all faults at once.

    Args:
        id: Its name in the workflow.
        team: The team, by the name that the engine knows.
        steps: `{"role": ..., "action": ...}` one after the other, each with the result of the one before, or with an
            `input` of its own; or the name of a pattern that the engine knows.
        options: Those of `do`.
    """
    path = f"step {id!r}"
    faults = list(_name_faults(path, "team", team))
    made: tuple[RoleStep, ...] | str = ()
    if isinstance(steps, str):
        faults += _name_faults(path, "pattern", steps)
        made = steps
    else:
        made = tuple(_role_steps(path, steps, faults))
    return _node(id, InTeam(team, made), options, faults)


@builder("step {id!r}", WorkOptions)
def nested(id: str, workflow: str | Workflow, *, detached: bool = False, **options: Unpack[WorkOptions]) -> Node:
    """A step that is another workflow. Raises SpecError with all faults at once.

    Args:
        id: Its name in the workflow.
        workflow: The other workflow, or the name that the engine knows.
        detached: Whether it is a run of its own. False: it is played inside this run, and ends with it. True: the step
            starts a run under the key `run/step` and ends; its result is the id of that run, which goes on by itself,
            also when this one fails or is cancelled. The engine must know the workflow. Default: False.
        options: Those of `do`; of a detached one, those that concern its start.
    """
    path = f"step {id!r}"
    name = workflow.name if isinstance(workflow, Workflow) else workflow
    faults = [] if isinstance(workflow, Workflow) else list(_name_faults(path, "workflow", workflow))
    if not isinstance(detached, bool):
        faults.append(SpecFault(path, f"detached: must be True or False, got {detached!r}"))
    if detached is True:
        wrong = [each for each in _OF_THE_END if each in options]
        faults += (SpecFault(path, f"{each}: a detached step ends when the other run has started") for each in wrong)
        return _node(id, Detached(name), options, faults)
    return _node(id, Nested(name, workflow if isinstance(workflow, Workflow) else None), options, faults)


_OF_THE_END = ("timeout", "max_iterations", "until", "effects", "returns", "quality")
"""Options that have no meaning for the start of another run."""


@builder("step {id!r}", StepOptions, _OF_WORK)
def wait(
    id: str, signal: str, *, on_timeout: TimeoutChoice = "fail", returns: Any = None, **options: Unpack[StepOptions]
) -> Node:
    """A step that waits for a signal; its result is what the signal carries. A signal that came before is kept for it.
    Raises SpecError with all faults at once.

    Args:
        id: Its name in the workflow.
        signal: The name of the signal.
        on_timeout: What follows when no signal came within `timeout` seconds: "fail" fails the step, "skip" goes on as
            if it was skipped. Default: "fail".
        returns: The type of what the signal carries. None: what JSON can say. Default: None.
        options: Those of `do` that are not about work.
    """
    path = f"step {id!r}"
    faults = list(_name_faults(path, "signal", signal))
    faults += _choice_faults(path, "on_timeout", on_timeout, ON_TIMEOUT)
    return _node(id, WaitForSignal(signal, on_timeout), {**options, "returns": returns}, faults)


@builder("step {id!r}", StepOptions, _OF_WORK)
def ask(
    id: str,
    question: object,
    *,
    options: Iterable[str] = (),
    default: str | None = None,
    person: str | None = None,
    **more: Unpack[StepOptions],
) -> Node:
    """A step that asks a person; its result is the answer. After a restart the question is still open. Raises SpecError
    with all faults at once.

    Args:
        id: Its name in the workflow.
        question: What is asked: a string or a value, with references as in the input of `do`.
        options: The answers to choose from. Empty: any text. Default: ().
        default: The answer when `timeout` is over. None: the step fails then. Default: None.
        person: The member that is asked. None: anyone who answers. Default: None.
        more: Those of `do` that are not about work.
    """
    path = f"step {id!r}"
    faults: list[SpecFault] = []
    made = _template(path, "question", question, faults)
    if question is None or question == "":
        faults.append(SpecFault(path, f"question: must not be empty, got {question!r}"))
    choices = _texts(path, "options", options, faults)
    for name, value in (("default", default), ("person", person)):
        if value is not None:
            faults += _name_faults(path, name, value)
    if isinstance(default, str) and choices and default not in choices:
        faults.append(SpecFault(path, f"default: {default!r} is not one of the options; {nearest(default, choices)}"))
    return _node(id, AskPerson(made or InputTemplate(""), choices, default, person), more, faults)


@builder("step {id!r}", StepOptions, _OF_WORK)
def delay(id: str, seconds: float | None = None, *, until: str | None = None, **options: Unpack[StepOptions]) -> Node:
    """A step that waits, also while no process runs. Raises SpecError with all faults at once.

    Args:
        id: Its name in the workflow.
        seconds: Seconds to wait. None: until `until`. Default: None.
        until: A reference to a time, or a time as ISO 8601 with an offset. Default: None.
        options: Those of `do` that are not about work.
    """
    path = f"step {id!r}"
    faults: list[SpecFault] = []
    if (seconds is None) is (until is None):
        faults.append(SpecFault(path, "needs either seconds or until"))
    seconds = _seconds(path, "seconds", seconds, faults)
    made = None
    if until is not None:
        made = _template(path, "until", until, faults)
        if made is not None and not made.refs and not _is_time(until):
            faults.append(
                SpecFault(path, f"until: must be a reference or a time such as 2026-01-31T08:00:00Z, got {until!r}")
            )
    return _node(id, Sleep(seconds, made), options, faults)


@builder("step {id!r}", ContinueOptions, _NOT_OF_AN_END)
def continue_as_new(id: str, input: object, **options: Unpack[ContinueOptions]) -> Node:
    """A step that ends the run as `continued`, and begins a new run of the same workflow in one commit: for a workflow
    that goes on for ever, whose journal would grow without end. The new run has an empty journal, the workflow as the
    engine has it then, and the signals that no step has taken. What waits for the end of this run waits for that of the
    new one. Raises SpecError with all faults at once.

    Nothing else of the run may be under way: in a chain it is the last step or has a condition; in a DAG each other
    step comes before or after it. What was done is not undone later.

    Args:
        id: Its name in the workflow.
        input: The input of the new run, with references as in the input of `do`.
        options: Those of `do` that are not about work, but for `timeout`.
    """
    path = f"step {id!r}"
    faults: list[SpecFault] = []
    made = _template(path, "continue_as_new", input, faults)
    return _node(id, ContinueRun(made or InputTemplate(None)), options, faults)


@builder("workflow {id!r}")
def workflow(
    name: str,
    *steps: Node,
    tasks: Iterable[Node] = (),
    input: Any = None,
    output: object = None,
    timeout: float | None = None,
    metadata: Mapping[str, object] | None = None,
    execution: Execution = "ready",
    parallel_threshold: int = PARALLEL_THRESHOLD,
) -> Workflow:
    """A workflow of these steps. Raises SpecError with all faults at once.

    Steps form a chain: each begins when the one before has ended. If a step has `after`, or the steps are given as
    `tasks`, they form a DAG: each begins when all that it depends on has ended, by `after` and by its references.

    Args:
        name: Its name for the engine.
        steps: What `do`, `in_team`, `nested`, `wait`, `ask`, `delay` and `continue_as_new` return.
        tasks: Steps of a DAG, in place of `steps`. Default: ().
        input: The type of the input of a run, which is checked before anything is stored. None: any JSON value.
            Default: None.
        output: The result of a run, with references as in the input of `do`. None: of a chain, the result of the last
            step that was not skipped; of a DAG, that of the step that no other depends on, or if there are several,
            theirs by id. Default: None.
        timeout: Seconds for a run; waiting for people does not count. None: the default of the engine. Default: None.
        metadata: What else is known of it, as JSON. None: nothing. Default: None.
        execution: How the steps of a DAG run. "ready" begins each as soon as it can; "sequential" one after another;
            "levels" begins a level when the one before has ended; "hybrid" does that, too, and runs a level of fewer
            safe steps than the threshold one after another; "auto" chooses by the graph, the declared durations and the
            free capacity of the team when the run begins, and says why (`ExecutionChosen`). A step whose metadata says
            `parallel_safe = False` always runs alone. In a chain, "auto" has a step wait only for the data that it
            needs, and for steps that wait for a person, a signal or a time; what comes after such a step waits for it.
            Default: "ready", of a chain one after another.
        parallel_threshold: The least number of independent steps that "hybrid" and "auto" run side by side. Default: 3.
    """
    faults = list(id_faults("workflow", name, "name"))
    path = name if not faults else "workflow"
    listed = _nodes(path, tasks, faults) if not isinstance(tasks, tuple) or tasks else ()
    if steps and listed:
        faults.append(SpecFault(path, "has steps and tasks: give one of them"))
    listed = listed or tuple(_nodes(path, steps, faults))
    if not listed and not faults:
        faults.append(SpecFault(path, "has no steps"))
    chain = bool(steps) and not any(each.after for each in listed)
    graph = Graph(listed, chain, chain and execution == "auto")
    type_faults(path, "input", input, faults)
    made = None if output is None else _template(path, "output", output, faults)
    timeout = _seconds(path, "timeout", timeout, faults)
    faults += workflow_faults(path, graph, input, made)
    known = _metadata(path, {} if metadata is None else metadata, faults)
    if execution not in EXECUTIONS:
        choices = nearest(str(execution), EXECUTIONS)
        faults.append(
            SpecFault(path, f"execution: must be one of {', '.join(EXECUTIONS)}, got {execution!r}; {choices}")
        )
    elif chain and execution not in ("ready", "auto"):
        why = f"{execution!r} is for a DAG; the steps of a chain run one after another, or with 'auto' as data needs it"
        faults.append(SpecFault(path, f"execution: {why}"))
    faults += count_faults(path, "parallel_threshold", parallel_threshold)
    refuse(faults)
    return Workflow(name, graph, input, made, timeout, known, execution, parallel_threshold)


def _is_time(text: object) -> bool:
    """Whether this is a time as ISO 8601 with an offset."""
    try:
        return isinstance(text, str) and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


# Reading arguments: what cannot be read is a fault, and something of its type stands in its place


def _node(id: str, what: What, options: Mapping[str, Any], faults: list[SpecFault]) -> Node:
    """The node with these options. Raises SpecError with the faults so far and those of the options."""
    path = f"step {id!r}"
    found = [*id_faults(path, id), *faults]
    read = {name: reader(path, name, options[name], found) for name, reader in _READERS.items() if name in options}
    if read.get("until") is not None and read.get("max_iterations") is None:
        found.append(SpecFault(path, "until: needs max_iterations, the most iterations"))
    if read.get("each") is not None and read.get("max_iterations") is not None:
        found.append(SpecFault(path, "each and max_iterations: nest a workflow with the one in a step with the other"))
    if read.get("effects") == "transaction":
        found += [SpecFault(path, f'effects: "transaction" {why}') for why in _no_transaction(what, read)]
    if isinstance(what, Nested | PlayPattern):
        found += nested_continue_faults(path, what.definition if isinstance(what, Nested) else what.pattern)
    if read.get("quality") is not None and read.get("max_iterations") is not None:
        found.append(SpecFault(path, "quality and max_iterations: on_low='retry' repeats the step; give one of them"))
    refuse(found)
    return Node(id, what, **read)


def _no_transaction(what: What, options: Mapping[str, Any]) -> Iterator[str]:
    """Why a step cannot be done in the transaction that writes it."""
    if not isinstance(what, CallFunction):
        yield "is for a function, which is called in the thread of the store, and not for work of a member"
        return
    if inspect.iscoroutinefunction(what.function):
        yield "is for a function that is not async: it is called in the thread of the store"
    if options.get("timeout") is not None:
        yield "and timeout: the transaction cannot be left in its middle; set a limit in the database"


def _work(target: Target) -> What:
    if isinstance(target, Workflow):
        return Nested(target.name, target)
    if isinstance(target, Pattern):
        return PlayPattern(target)
    if isinstance(target, str | Can | Pool):
        return Agent(target)
    return CallFunction(target)


def _nodes(path: str, steps: Iterable[object], faults: list[SpecFault]) -> tuple[Node, ...]:
    if isinstance(steps, str | Mapping) or not isinstance(steps, Iterable):
        faults.append(SpecFault(path, f"tasks: must be a list of steps, got {steps!r}"))
        return ()
    found = []
    for number, each in enumerate(steps, 1):
        if isinstance(each, Node):
            found.append(each)
        else:
            faults.append(SpecFault(f"{path}/{number}", f"must be a step, such as do('id', target), got {each!r}"))
    return tuple(found)


_ROLE_STEP = ("role", "action", "input")


def _role_steps(path: str, steps: object, faults: list[SpecFault]) -> Iterator[RoleStep]:
    listed = list(steps) if isinstance(steps, Iterable) and not isinstance(steps, Mapping) else []
    if not listed:
        faults.append(SpecFault(path, f"steps: must be a list of {{role, action}}, or a pattern, got {steps!r}"))
    actions: set[str] = set()
    for number, each in enumerate(listed, 1):
        where = f"{path}/{number}"
        if isinstance(each, RoleStep):
            each = {"role": each.role, "action": each.action, "input": each.input and each.input.source}
        if not isinstance(each, Mapping):
            faults.append(SpecFault(where, f"must be {{role, action}}, got {each!r}"))
            continue
        for key in each:
            if key not in _ROLE_STEP:
                faults.append(
                    SpecFault(where, f"{key}: unknown key; {nearest(str(key), _ROLE_STEP, otherwise='known keys:')}")
                )
        if missing := [key for key in ("role", "action") if key not in each]:
            faults += (SpecFault(where, f"{key}: is missing") for key in missing)
            continue
        role, action = each["role"], each["action"]
        faults += _name_faults(where, "role", role)
        faults += id_faults(where, action, "action")
        if action in actions:
            faults.append(SpecFault(where, f"action: {action!r} stands there twice"))
        actions.add(str(action))
        given = each.get("input")
        made = None if given is None else _template(where, "input", given, faults)
        yield RoleStep(str(role), str(action), made)


def _name_faults(path: str, key: str, name: object) -> Iterator[SpecFault]:
    if not (isinstance(name, str) and name.strip() and name.isprintable()):
        hint = "; in YAML, put yes, no, on and off in quotes" if isinstance(name, bool) else ""
        yield SpecFault(path, f"{key}: must be a printable string, got {name!r}{hint}")


def _choice_faults(path: str, key: str, value: object, choices: Sequence[str]) -> Iterator[SpecFault]:
    if value not in choices:
        yield SpecFault(path, f"{key}: must be one of {', '.join(choices)}, got {value!r}")


def _template(path: str, key: str, value: object, faults: list[SpecFault]) -> InputTemplate | None:
    try:
        return parse_template(value)
    except BadExpression as error:
        faults.append(SpecFault(path, f"{key}: {error}"))
    except NotATemplate as error:
        where = f".{error.where}" if error.where and not error.where.startswith("[") else error.where
        faults.append(SpecFault(path, f"{key}{where}: {error.why}"))
    return None


def _input(path: str, key: str, value: object, faults: list[SpecFault]) -> InputTemplate | None:
    return None if value is None else _template(path, key, value, faults)


def _condition(path: str, key: str, value: object, faults: list[SpecFault]) -> Expression | None:
    if value is None:
        return None
    if not isinstance(value, str):
        faults.append(SpecFault(path, f"{key}: must be a condition as a string, got {value!r}"))
        return None
    try:
        return parse(value)
    except BadExpression as error:
        faults.append(SpecFault(path, f"{key}: {error}"))
        return None


def _each(path: str, key: str, value: object, faults: list[SpecFault]) -> Expression | None:
    if isinstance(value, list | tuple):
        if all(each is None or isinstance(each, str | bool | int | float) for each in value):
            faults += _not_a_number(path, key, list(value))
            return Listed(tuple(map(Fixed, value)))
        faults.append(
            SpecFault(path, f"{key}: a list here has strings and numbers; give others in input, got {value!r}")
        )
        return None
    if value is not None and not isinstance(value, str):
        faults.append(
            SpecFault(path, f'{key}: must be a list, or a reference to one such as "$split.items", got {value!r}')
        )
        return None
    found = _condition(path, key, value, faults)
    if isinstance(found, Listed) and not all(isinstance(each, Fixed) for each in found.items):
        faults.append(SpecFault(path, f"{key}: a list here has strings and numbers, got {value!r}"))
    if found is not None and not isinstance(found, Ref | Listed):
        faults.append(SpecFault(path, f"{key}: must be a reference to a list, or a list, got {value!r}"))
    return found


def _texts(path: str, key: str, value: object, faults: list[SpecFault]) -> tuple[str, ...]:
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        faults.append(SpecFault(path, f"{key}: must be a list of names, got {value!r}"))
        return ()
    found = (value,) if isinstance(value, str) else tuple(value)
    for each in found:
        faults += _name_faults(path, key, each)
    return tuple(dict.fromkeys(each for each in found if isinstance(each, str)))


def _paths(path: str, key: str, value: object, faults: list[SpecFault]) -> tuple[str, ...]:
    found = _texts(path, key, value, faults)
    for each in found:
        try:
            path_steps(each)
        except ValueError as error:
            faults.append(SpecFault(path, f"{key}: {error}"))
    return found


def _retry(path: str, key: str, value: object, faults: list[SpecFault]) -> RetryOptions | None:
    if value is None:
        return None
    if isinstance(value, Retry):
        if value.options.deadline is not None:
            faults.append(SpecFault(path, f"{key}: a deadline has no place here; use timeout"))
        return value.options
    bad = list(count_faults(path, key, value, 0))
    faults += bad
    return None if bad else policy(value).options  # type: ignore[arg-type]


def _undo(path: str, key: str, value: Any, faults: list[SpecFault]) -> Any:
    if isinstance(value, str):
        faults += work_target_faults(path, value, key)
    elif value is not None:
        faults += (SpecFault(path, f"{key}: {fault.message}") for fault in target_faults(path, value))
        if isinstance(value, Pattern | Can | Pool):
            faults.append(SpecFault(path, f"{key}: must be the name of a member or a function, got {value!r}"))
        faults += generator_faults(path, **({} if isinstance(value, type) else {key: value}))
    return value


def _returns(path: str, key: str, value: Any, faults: list[SpecFault]) -> Any:
    type_faults(path, key, value, faults)
    return value


def _metadata(path: str, value: object, faults: list[SpecFault]) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        faults.append(SpecFault(path, f"metadata: must be a mapping, got {value!r}"))
        return {}
    try:
        plain: Mapping[str, object] = to_jsonable_python(dict(value), inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        faults.append(SpecFault(path, f"metadata: must be JSON: {error}"))
        return {}
    faults += _not_a_number(path, "metadata", plain)
    safe = plain.get("parallel_safe", True)
    if not isinstance(safe, bool):
        faults.append(SpecFault(path, f"parallel_safe: must be true or false, got {safe!r}"))
    duration = plain.get("estimated_duration")
    if isinstance(duration, list):
        faults += _three_points(path, duration)
    elif duration is not None:
        faults += seconds_faults(path, "estimated_duration", duration)
    threshold = plain.get("quality_threshold", plain.get("quality"))
    if isinstance(threshold, int | float) and not 0 <= threshold <= 1:
        faults.append(SpecFault(path, f"quality: a threshold must be from 0 to 1, got {threshold!r}"))
    return plain


def _three_points(path: str, points: list[Any]) -> Iterator[SpecFault]:
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in points)
    if len(points) != 3 or not numbers or points != sorted(points) or points[0] < 0:
        wanted = "seconds, or three points in order: [low, likely, high]"
        yield SpecFault(path, f"estimated_duration: must be {wanted}, got {points!r}")


def _not_a_number(path: str, key: str, value: object) -> Iterator[SpecFault]:
    if isinstance(value, float) and not math.isfinite(value):
        yield SpecFault(path, f"{key}: must be a finite number, got {value!r}")
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, each in pairs:
        yield from _not_a_number(path, f"{key}.{name}", each)


def _seconds(path: str, key: str, value: Any, faults: list[SpecFault]) -> float | None:
    bad = list(seconds_faults(path, key, value))
    faults += bad
    return None if bad or value is None else float(value)


def _checked(check: Callable[[str, str, Any], Iterable[SpecFault]]) -> Callable[..., Any]:
    """A reader that takes the value as it is."""

    def read(path: str, key: str, value: Any, faults: list[SpecFault]) -> Any:
        faults += check(path, key, value)
        return value

    return read


def _quality_faults(path: str, key: str, value: object) -> Iterator[SpecFault]:
    if value is not None and not isinstance(value, Quality):
        yield SpecFault(path, f"{key}: must be quality(...), got {value!r}")


def _iterations_faults(path: str, key: str, value: object) -> Iterator[SpecFault]:
    if value is not None:
        yield from count_faults(path, key, value)


_READERS: Mapping[str, Callable[[str, str, Any, list[SpecFault]], Any]] = {
    "input": _input,
    "when": _condition,
    "after": _texts,
    "each": _each,
    "max_parallel": _checked(count_faults),
    "max_iterations": _checked(_iterations_faults),
    "until": _condition,
    "retry": _retry,
    "timeout": _seconds,
    "on_failure": _checked(lambda path, key, value: _choice_faults(path, key, value, ON_FAILURE)),
    "on_skipped": _checked(lambda path, key, value: _choice_faults(path, key, value, ON_SKIPPED)),
    "undo": _undo,
    "effects": _checked(lambda path, key, value: _choice_faults(path, key, value, EFFECTS)),
    "returns": _returns,
    "priority": _checked(lambda path, key, value: priority_faults(path, value)),
    "quality": _checked(_quality_faults),
    "redact": _paths,
    "metadata": lambda path, key, value, faults: _metadata(path, value, faults),
}
"""How each option is read: from its place, name and value, with the faults that are found."""
