"""The builders of specs refuse what is not theirs, each with its typed error and all faults at once.

The table `CALLS` has a call of each public builder that works. The checks change one thing in it.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

import actors
import supervisors
import teams
from actors import Actor, MailboxSpec, OptionError, ProcessSpec, RaySpec, process
from supervisors import (
    ChildSpec,
    Constant,
    Exponential,
    Linear,
    OwnBudget,
    SpecError,
    SupervisorSpec,
    child,
)
from teams import member, patterns, protocols, role
from teams.patterns import delegation, sequential
from teams.protocols import Behaviour, on
from teams.workflows import at_least, do, rule, workflow

PACKAGES = (
    "actors",
    "supervisors",
    "teams",
    "teams.orchestration",
    "teams.patterns",
    "teams.planning",
    "teams.protocols",
    "teams.recipes",
    "teams.resilience",
    "teams.workflows",
)
NO_BUILDERS = frozenset(
    {
        "actors.current_correlation_id",
        "actors.current_ref",
        "actors.during",
        "actors.entering",
        "actors.handles",
        "actors.sleep",
        "actors.stop_requested",
        "actors.wait_for_stop",
        "supervisors.as_tree",
        "supervisors.check",
        "supervisors.load_tree",
        "supervisors.parse_tree",
        "supervisors.start",
        "teams.load_team",
        "teams.parse_pattern",
        "teams.parse_team",
        "teams.planning.choose_execution",
        "teams.planning.recorded_by",
        "teams.planning.schedule_picture",
        "teams.protocols.consensus",
        "teams.protocols.rest",
        "teams.protocols.tally",
        "teams.recipes.choose",
        "teams.recipes.resolve",
        "teams.recipes.settle",
        "teams.resilience.holding",  # it takes the ref of an actor that runs
        "teams.resilience.resources",
        "teams.workflows.load_workflow",
        "teams.workflows.picture",
        "teams.workflows.workflow_from",
    }
)
"""Public functions that read, run or look at what the builders make."""


class Worker(Actor):
    """Does nothing."""


async def work(task: object) -> object:
    return task


async def code(run: object, input: object) -> None:
    """A workflow."""


class Works(NamedTuple):
    """Arguments of a builder that work."""

    args: tuple[Any, ...] = ()
    options: Mapping[str, Any] = {}
    models: tuple[type[BaseModel], ...] = ()
    """The models that the builder makes."""


def decide(values: Mapping[str, Any]) -> None:
    """A behaviour that has nothing to do."""


def act(move: object, state: object) -> None:
    """What it would do."""


def _call(*args: Any, **options: Any) -> Works:
    return Works(args, options)


WORKER = child("w", Worker)
FLOW = workflow("flow", tasks=[do("a", work)])

CALLS: dict[str, Works] = {
    "actors.bounded": Works((3,), {}, (MailboxSpec,)),
    "actors.prioritized": Works((len,), {}, (MailboxSpec,)),
    "actors.process": Works((), {}, (ProcessSpec,)),
    "actors.ray": Works((), {}, (RaySpec,)),
    "supervisors.budget": Works((3,), {}, (OwnBudget,)),
    "supervisors.child": Works(("a", Worker), {}, (ChildSpec, SupervisorSpec)),
    "supervisors.constant": Works((1.0,), {}, (Constant,)),
    "supervisors.dynamic_supervisor": Works(("a", WORKER), {}, (SupervisorSpec, ChildSpec)),
    "supervisors.exponential": Works((0.1,), {}, (Exponential,)),
    "supervisors.linear": Works((1.0,), {}, (Linear,)),
    "supervisors.partition_supervisor": Works(("a", WORKER), {"partitions": 2}, (SupervisorSpec, ChildSpec)),
    "supervisors.supervisor": Works(("a", WORKER), {}, (SupervisorSpec, ChildSpec)),
    "supervisors.tasks": Works(("a",), {}, (SupervisorSpec, ChildSpec)),
    "teams.can": _call("fly"),
    "teams.collect": _call(),
    "teams.fail_fast": _call(),
    "teams.first": _call(),
    "teams.goal": _call(sequential("a")),
    "teams.handoff": _call("a", "b", "done"),
    "teams.member": Works(("a", work), {}, (ChildSpec, SupervisorSpec)),
    "teams.pool": _call("a"),
    "teams.quorum": _call(2),
    "teams.role": _call("a"),
    "teams.step": _call("a"),
    "teams.team": Works(("a", member("b", work), role("c")), {}, (SupervisorSpec, ChildSpec)),
    "teams.orchestration.orchestrator": _call("a", planner="b"),
    "teams.patterns.broadcast_to": _call("a"),
    "teams.patterns.delegate": _call("a", "b"),
    "teams.patterns.delegation": _call("a", ["b"]),
    "teams.patterns.event_driven": _call("a.b"),
    "teams.patterns.hierarchical": _call("a", rules=[delegation("a", ["b"])]),
    "teams.patterns.multi_stage_review": _call(["a"]),
    "teams.patterns.parallel": _call("a", "b"),
    "teams.patterns.pipeline": _call("a"),
    "teams.patterns.quality_gate": _call("a", "b"),
    "teams.patterns.refine": _call("a", "b"),
    "teams.patterns.sequential": _call("a", "b"),
    "teams.patterns.stage": _call("a", "b"),
    "teams.planning.drafted": _call("a"),
    "teams.planning.plan": _call(FLOW),
    "teams.protocols.choreography": _call("a", on("b.c", "d")),
    "teams.protocols.decision": _call(["a"]),
    "teams.protocols.discussion": _call(["a"]),
    "teams.protocols.first_past": _call(2),
    "teams.protocols.majority": _call(),
    "teams.protocols.mesh": Works(
        ("a", {"b": Behaviour(decide=decide, act=act)}), {"until": len}, (ChildSpec, SupervisorSpec)
    ),
    "teams.protocols.on": _call("b.c", "d"),
    "teams.protocols.unanimity": _call(),
    "teams.protocols.weighted": _call({"a": 1}),
    "teams.recipes.centralised": _call("a"),
    "teams.recipes.command": _call("a", {"b": ["c"]}),
    "teams.recipes.electorate": Works(("a", "b"), {}, (ChildSpec, SupervisorSpec)),
    "teams.recipes.fast_track": _call("a", "b", "c"),
    "teams.recipes.hybrid": _call("a", ["b"]),
    "teams.recipes.staged": _call(WORKER, at_once=1, every=1.0),
    "teams.resilience.batch": _call(3, 0.1),
    "teams.resilience.bulkhead": _call(3),
    "teams.resilience.cache": _call(3.0),
    "teams.resilience.circuit_breaker": _call(3),
    "teams.resilience.degrade": _call(work, limit=3),
    "teams.resilience.fallback": _call(work),
    "teams.resilience.kill_switch": _call(),
    "teams.resilience.rate_limit": _call(3),
    "teams.resilience.retry": _call(3),
    "teams.resilience.staged_start": _call(3, 1.0),
    "teams.resilience.timeout": _call(3.0),
    "teams.workflows.ask": _call("a", "well?"),
    "teams.workflows.at_least": _call(0.5),
    "teams.workflows.coded": _call(code),
    "teams.workflows.continue_as_new": _call("a", None),
    "teams.workflows.do": _call("a", work),
    "teams.workflows.engine": Works(("a", FLOW), {}, (SupervisorSpec, ChildSpec)),
    "teams.workflows.in_team": _call("a", "crew", [{"role": "b", "action": "c"}]),
    "teams.workflows.nested": _call("a", FLOW),
    "teams.workflows.quality": _call("GENERIC"),
    "teams.workflows.quality_domain": _call("a", good=at_least(0.5)),
    "teams.workflows.routing": _call("a", rule("default", sequential("b"))),
    "teams.workflows.rule": _call("default", sequential("b")),
    "teams.workflows.schedule": _call("a", FLOW, every=60.0),
    "teams.workflows.scored": _call("GENERIC"),
    "teams.workflows.delay": _call("a", 3.0),
    "teams.workflows.subgraph": _call("a", FLOW),
    "teams.workflows.wait": _call("a", "signal"),
    "teams.workflows.workflow": _call("a", do("b", work)),
}
OPEN = frozenset({"teams.workflows.quality_domain"})
"""Builders of which any option is one: the names of criteria."""

TYPED = re.compile(r"Unpack\[(\w+)\]")
"""The annotation of `**options`."""

each_builder = pytest.mark.parametrize("name", CALLS)


def _function(name: str) -> Callable[..., Any]:
    package, _, own = name.rpartition(".")
    found: Callable[..., Any] = getattr(importlib.import_module(package), own)
    return found


def _options(build: Callable[..., Any]) -> list[str]:
    """What may be given by name: the parameters, and the keys of the typed dictionary."""
    found = []
    for each in inspect.signature(build).parameters.values():
        if each.kind is each.VAR_KEYWORD:
            keys = TYPED.fullmatch(str(each.annotation))
            names = getattr(inspect.unwrap(build), "__globals__")  # noqa: B009 - a Callable has none for a type checker
            found += sorted(names[keys[1]].__optional_keys__) if keys else []
        elif each.kind is not each.VAR_POSITIONAL:
            found.append(each.name)
    return found


def _misspelt(option: str) -> Iterator[str]:
    """The option with one letter too many, one less and two that changed places."""
    yield option + "s"
    if len(option) > 1:
        yield option[:-1]
        yield option[1:]
        yield option[1] + option[0] + option[2:]


def _faults(build: Callable[[], object]) -> list[str]:
    with pytest.raises((SpecError, OptionError)) as caught:
        build()
    error: Any = caught.value
    return [str(each) for each in error.faults]


def test_every_public_function_is_a_builder_here_or_none() -> None:
    """Guards new builders: without a call in the table nothing else here is said of them."""
    found = {
        f"{package}.{name}"
        for package in PACKAGES
        for module in [importlib.import_module(package)]
        for name in module.__all__
        if inspect.isfunction(getattr(module, name))
    }
    again = {"supervisors.process", "supervisors.ray"}
    assert found == set(CALLS) | NO_BUILDERS | again


@each_builder
def test_a_builder_takes_the_call_in_the_table(name: str) -> None:
    """Guards this file: what is wrong in a check below must be the one thing that it changes."""
    works = CALLS[name]
    _function(name)(*works.args, **works.options)


ODD: tuple[object, ...] = (
    None,
    0,
    -1,
    2.5,
    float("nan"),
    "",
    "a/b",
    "\n",
    b"x",
    [],
    [None],
    [5],
    {},
    {"a": 5},
    {5: 5},
    (),
    object(),
    len,
    int,
)


class Mirror(NamedTuple):
    """A public class with the fields of a builder."""

    kind: type
    builder: str
    fields: Mapping[str, Any]
    """Those without a default, with values that work."""


MIRRORS = (
    Mirror(actors.MailboxSpec, "actors.bounded", {}),
    Mirror(actors.MailboxSpec, "actors.prioritized", {}),
    Mirror(actors.ProcessSpec, "actors.process", {}),
    Mirror(actors.RaySpec, "actors.ray", {}),
    Mirror(supervisors.ChildSpec, "supervisors.child", {"id": "a", "start": Worker}),
    Mirror(supervisors.Constant, "supervisors.constant", {}),
    Mirror(supervisors.Exponential, "supervisors.exponential", {}),
    Mirror(supervisors.Linear, "supervisors.linear", {}),
    Mirror(supervisors.OwnBudget, "supervisors.budget", {"max_restarts": 3}),
    Mirror(supervisors.SupervisorSpec, "supervisors.supervisor", {"id": "a"}),
    Mirror(teams.Can, "teams.can", {"capability": "fly"}),
    Mirror(teams.GatherPolicy, "teams.quorum", {"kind": "quorum", "n": 2}),
    Mirror(teams.GoalSpec, "teams.goal", {"pattern": sequential("a")}),
    Mirror(teams.HandoffRule, "teams.handoff", {"from_role": "a", "to_role": "b", "trigger": "done"}),
    Mirror(teams.Pool, "teams.pool", {"target": "a"}),
    Mirror(teams.Role, "teams.role", {"name": "a"}),
    Mirror(teams.Step, "teams.step", {"target": "a"}),
    Mirror(
        patterns.BroadcastTo, "teams.patterns.broadcast_to", {"target": "a", "policy": teams.collect(), "within": None}
    ),
    Mirror(patterns.Delegation, "teams.patterns.delegation", {"parent": "a", "children": ("b",)}),
    Mirror(patterns.EventDriven, "teams.patterns.event_driven", {"topic": "a.b", "deadline": None}),
    Mirror(patterns.QualityGate, "teams.patterns.quality_gate", {"producer": "a", "gate": "b", "max_rounds": 3}),
    Mirror(patterns.Refine, "teams.patterns.refine", {"producer": "a", "reviewer": "b", "max_iterations": 3}),
    Mirror(patterns.Stage, "teams.patterns.stage", {"name": "a", "target": "b"}),
    Mirror(protocols.Rule, "teams.protocols.first_past", {"kind": "first_past", "n": 2}),
    Mirror(protocols.Rule, "teams.protocols.weighted", {"kind": "weighted", "weights": {"a": 1}}),
)
OF_THE_BUILDER = {("ChildSpec", "start"), ("SupervisorSpec", "host"), ("Stage", "name"), ("Delegation", "children")}
"""Fields of which the class takes what the builder does not: None for the template of `tasks` and for a stage that is
named after its target. Of children the builder also takes one that is not in a list.
"""


@pytest.mark.parametrize("mirror", MIRRORS, ids=lambda each: f"{each.kind.__name__} {each.builder}")
def test_a_public_class_refuses_what_its_builder_refuses(mirror: Mirror) -> None:
    """`Role` is as public as `role`: a fault must not wait until a team is made of it."""
    build, works = _function(mirror.builder), CALLS[mirror.builder]
    mirror.kind(**mirror.fields)
    parameters = inspect.signature(build).parameters.values()
    given = {
        each.name: value
        for each, value in zip(parameters, works.args, strict=False)
        if each.kind is each.POSITIONAL_OR_KEYWORD
    }
    for field in set(_options(build)) & set(inspect.signature(mirror.kind).parameters):
        for value in ODD:
            arguments = {**given, **works.options, field: value}
            try:
                build(**arguments)
            except (SpecError, OptionError) as error:
                if (mirror.kind.__name__, field) not in OF_THE_BUILDER:
                    with pytest.raises(type(error)):
                        mirror.kind(**{**mirror.fields, field: value})
            else:
                if (mirror.kind.__name__, field) not in OF_THE_BUILDER:
                    mirror.kind(**{**mirror.fields, field: value})


@pytest.mark.parametrize("kind", dict.fromkeys(each.kind for each in MIRRORS if issubclass(each.kind, BaseModel)))
def test_a_model_refuses_an_unknown_field_with_the_error_of_its_builder(kind: type) -> None:
    """Without pydantic's own error, whose text speaks of inputs."""
    found = _faults(lambda: kind(zzz=1))
    assert [each for each in found if "zzz: unknown" in each], found
    assert "by name" in _faults(lambda: kind(1))[0]


@each_builder
def test_an_option_misspelt_by_one_letter_is_refused_by_name(name: str) -> None:
    """The hint names the option that was meant, which must be one of the builder itself."""
    build, works = _function(name), CALLS[name]
    own = _options(build)
    for option in own if name not in OPEN else ():
        for wrong in _misspelt(option):
            if wrong in own or wrong in inspect.signature(build).parameters:
                continue
            found = _faults(lambda wrong=wrong: build(*works.args, **{**works.options, wrong: None}))  # type: ignore[misc]
            (said,) = (each for each in found if f"{wrong}: unknown" in each)
            hint = said.partition("; ")[2]
            assert option in hint.replace("'", " ").replace(",", " ").replace("?", " ").split(), said


@each_builder
def test_all_faults_of_a_call_are_found_at_once(name: str) -> None:
    """A misspelt option does not hide another one."""
    build, works = _function(name), CALLS[name]
    if name in OPEN:
        return
    found = _faults(lambda: build(*works.args, **works.options, zzz=1, qqq=2))
    assert [each for each in found if "zzz" in each], found
    assert [each for each in found if "qqq" in each], found


@each_builder
def test_a_field_of_the_model_that_is_not_an_option_is_refused(name: str) -> None:
    """A child that is given in vain would not start, in silence."""
    build, works = _function(name), CALLS[name]
    own = _options(build)
    for field in {field for model in works.models for field in model.model_fields}.difference(own):
        found = _faults(lambda field=field: build(*works.args, **works.options, **{field: None}))  # type: ignore[misc]
        assert [each for each in found if field in each], found


@each_builder
def test_an_argument_by_position_and_by_name_is_refused(name: str) -> None:
    """Both could be meant."""
    build, works = _function(name), CALLS[name]
    parameters = list(inspect.signature(build).parameters.values())
    several = [each for each in parameters if each.kind is each.VAR_POSITIONAL]
    singles = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    for each in [*singles[: len(works.args)], *([] if name in OPEN else several)]:
        found = _faults(lambda each=each: build(*works.args, **works.options, **{each.name: works.args[0]}))  # type: ignore[misc]
        assert [fault for fault in found if f"{each.name}: is " in fault], found


@each_builder
def test_an_argument_too_many_or_missing_is_refused(name: str) -> None:
    """Python's own TypeError would name a function inside."""
    build, works = _function(name), CALLS[name]
    parameters = list(inspect.signature(build).parameters.values())
    needed = [each for each in parameters if each.default is each.empty and "VAR_" not in each.kind.name]
    if needed:
        found = _faults(build)
        assert all(any(f"{each.name}: is missing" in fault for fault in found) for each in needed), found
    if not any(each.kind is each.VAR_POSITIONAL for each in parameters):
        given = [*works.args, *([None] * 20)]
        assert any("by position" in each for each in _faults(lambda: build(*given, **works.options)))


@each_builder
@pytest.mark.parametrize("value", ODD, ids=[f"{number} {type(each).__name__}" for number, each in enumerate(ODD)])
def test_a_value_of_any_type_works_or_is_refused_with_a_typed_error(name: str, value: object) -> None:
    """Guards each check against values that it cannot compare, iterate or hash."""
    build, works = _function(name), CALLS[name]
    parameters = list(inspect.signature(build).parameters.values())
    calls = [
        ((*works.args[:index], value, *works.args[index + 1 :]), works.options) for index in range(len(works.args))
    ]
    positional = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    calls += [
        (works.args, {**works.options, option: value})
        for option in _options(build)
        if option not in positional[: len(works.args)]
    ]
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        calls.append(((*works.args, value), works.options))
    for args, options in calls:
        try:
            build(*args, **options)
        except (SpecError, OptionError) as error:
            refused = error
            assert refused.faults


def test_the_place_of_every_fault_of_a_member_is_the_member() -> None:
    """Its children have its id, and a reader of `a:` looks for a supervisor."""
    options: dict[str, Any] = {"capabilites": {"x"}, "restart": "often", "count": 0}
    assert _faults(lambda: member("a", work, **options)) == [
        "member 'a': capabilites: unknown key; did you mean 'capabilities'?",
        "member 'a': count: must be an integer >= 1, got 0",
        "member 'a': restart: must be 'permanent', 'transient' or 'temporary', got 'often'",
    ]


def test_a_time_that_is_not_more_than_0_has_one_wording() -> None:
    """One check has one wording."""
    (of_spec,) = _faults(lambda: child("a", Worker, start_timeout=0))
    (of_host,) = _faults(lambda: process(silent_after=0))
    (of_step,) = _faults(lambda: teams.step("a", timeout=0))
    assert "start_timeout: must be more than 0 seconds" in of_spec
    assert "silent_after: must be more than 0 seconds" in of_host
    assert "timeout: must be more than 0 seconds" in of_step


def test_an_error_inside_of_a_builder_stays_what_it_is() -> None:
    """A TypeError of the user's own code is not a wrong call of the builder."""

    class Odd:
        def __len__(self) -> int:
            raise TypeError("of the user")

        def __iter__(self) -> Iterator[str]:
            raise TypeError("of the user")

    with pytest.raises(TypeError, match="of the user"):
        role("a", capabilities=Odd())
