"""The faults of a workflow as a whole. Each fault has its place: `workflow/step`, and the option."""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from pydantic import BaseModel, TypeAdapter

from supervisors.spi import SpecFault, nearest
from teams._files.form import MOST
from teams._members.target import Can, Pool
from teams._runs.pattern import Pattern, work_targets
from teams.workflows._graph.graph import Graph
from teams.workflows._graph.node import RESERVED, RUN_FIELDS, ContinueRun, Detached, InTeam, Nested, Node, Use
from teams.workflows._graph.workflow import Workflow
from teams.workflows._language.expression import KEYWORDS
from teams.workflows._language.refs import Ref, fields_of
from teams.workflows._language.template import InputTemplate
from teams.workflows.errors import CircularDependency, UnknownDependency

_BAD = "/.$#[~"
"""Characters that have a meaning in the names of steps or in references."""


def id_faults(path: str, id: object, key: str = "id") -> Iterator[SpecFault]:
    """The faults of the id of a step, or of the name of a workflow."""
    if not (isinstance(id, str) and id.strip() and id.isprintable()) or set(id) & set(_BAD):
        yield SpecFault(path, f"{key}: must be a printable string without {' '.join(_BAD)}, got {id!r}")
    elif id in RESERVED or id in KEYWORDS:
        yield SpecFault(path, f"{key}: {id!r} has a meaning in references and conditions; choose another name")


def workflow_faults(path: str, graph: Graph, input: Any, output: InputTemplate | None) -> Iterator[SpecFault]:
    """The faults of the steps together, of very many the first hundred: each may cost a search for the nearest name."""
    return islice(_workflow_faults(path, graph, input, output), MOST)


def _workflow_faults(path: str, graph: Graph, input: Any, output: InputTemplate | None) -> Iterator[SpecFault]:
    counts = Counter(each.id for each in graph.nodes)
    yield from (
        SpecFault(f"{path}/{id}", f"id: {count} steps have it; ids must be unique in a workflow")
        for id, count in counts.items()
        if count > 1
    )
    for fault in graph.faults():
        match fault:
            case UnknownDependency(step=step):
                yield SpecFault(f"{path}/{step}", fault.describe())
            case CircularDependency() if not graph.chain:
                yield SpecFault(path, fault.describe())
    yield from _continue_faults(path, graph)
    refs = _Refs(path, graph, input)
    for place, node in enumerate(graph.nodes):
        for use in node.uses():
            yield from refs.faults(node, place, use)
    for ref in output.refs if output is not None else ():
        yield from refs.output_faults(ref)


def _continue_faults(path: str, graph: Graph) -> Iterator[SpecFault]:
    """Steps that end the run while others may be under way, or before others that would never begin."""
    for place, node in enumerate(graph.nodes):
        if not isinstance(node.what, ContinueRun) or node.id not in graph:
            continue
        later = _names(each.id for each in graph.nodes[place + 1 :])
        if not graph.chain:
            below = graph.descendants(node.id)
            beside = [id for id in graph.by_id if id != node.id and id not in below | graph.ancestors(node.id)]
            later = _names(id for id in graph.by_id if id in below)
            if beside:
                why = f"{_names(beside)} may be under way when it ends the run; name them in after"
                yield SpecFault(f"{path}/{node.id}", f"continue_as_new: {why}")
        if later and node.when is None:
            why = f"{later} would never begin; give it a condition, or have nothing come after it"
            yield SpecFault(f"{path}/{node.id}", f"continue_as_new: {why}")


def nested_continue_faults(path: str, target: object) -> Iterator[SpecFault]:
    """The faults of a target that would end the run of which it is a step."""
    if isinstance(target, Workflow) and any(isinstance(each.what, ContinueRun) for each in target.graph.nodes):
        why = "ends its run with continue_as_new, so it cannot be a step of another one"
        yield SpecFault(path, f"workflow {target.name!r} {why}; start a run of it")
    if isinstance(target, Pattern):
        for each in target.parts():
            yield from nested_continue_faults(path, each)


def endless_faults(path: str, workflows: Mapping[str, Pattern]) -> Iterator[SpecFault]:
    """Workflows that are a step of themselves whatever the values are: no run of one would end."""
    steps = {name: dict(_always(name, each)) for name, each in workflows.items() if isinstance(each, Workflow)}
    places = {name: place for place, name in enumerate(steps)}
    for first in steps:
        seen, ahead = {first}, [[first]]
        while ahead:
            trail = ahead.pop()
            for step, name in steps[trail[-1]].items():
                if name == first:
                    why = "is a step of itself, so no run of it would end; give a step in between a condition"
                    yield SpecFault(f"{path}/{step}", f"workflow: {' -> '.join([*trail, first])}: {first!r} {why}")
                elif name not in seen and places.get(name, -1) > places[first]:
                    seen.add(name)
                    ahead.append([*trail, name])


def _always(path: str, flow: Workflow) -> Iterator[tuple[str, str]]:
    """The steps that are other workflows of the engine and cannot be skipped, with the names of these."""
    for node in flow.graph.nodes:
        if isinstance(node.what, Nested) and node.when is None and node.each is None and node.on_skipped != "skip":
            if node.what.definition is None:
                yield f"{path}/{node.id}", node.what.workflow
            else:
                yield from _always(f"{path}/{node.id}", node.what.definition)


def _names(ids: Iterable[str]) -> str:
    """At most three names, as a text."""
    found = [*ids]
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(map(repr, found[:3])) + more


class _Refs:
    """Checks the references of one workflow."""

    def __init__(self, path: str, graph: Graph, input: Any) -> None:
        self._path = path
        self._graph = graph
        self._input = input
        self._places = {id: place for place, id in enumerate(each.id for each in graph.nodes)}

    def faults(self, node: Node, place: int, use: Use) -> Iterator[SpecFault]:
        option, ref = use
        path = f"{self._path}/{node.id}"
        why = self._scope_fault(node, place, use)
        if why is None:
            why = self._field_fault(ref, node)
        if why is not None:
            yield SpecFault(path, f"{option}: {ref}: {why}")

    def output_faults(self, ref: Ref) -> Iterator[SpecFault]:
        why = None
        if ref.root not in self._places:
            known = (*self._places, "input", "run")
            if ref.root not in ("input", "task", "run"):
                why = f"{ref.root!r} is not a step of the workflow; {nearest(ref.root, known)}"
        why = why or self._field_fault(ref, None)
        if why is not None:
            yield SpecFault(self._path, f"output: {ref}: {why}")

    def _scope_fault(self, node: Node, place: int, use: Use) -> str | None:
        """Why the reference cannot be used here."""
        option, ref = use
        graph = self._graph
        match ref.root:
            case "item" | "index" if node.each is None:
                return f"only a step with each has {ref.root}"
            case "item" | "index" if option in ("each", "when"):
                return f"{option} is decided once for all items; {ref.root} exists in the input"
            case "previous" if not graph.chain:
                return "only in a chain is there a previous step; name the step"
            case "previous" if place == 0:
                return "the first step has no previous one; write $input"
            case "self" if node.max_iterations is None or option not in ("until", "input"):
                return "only until and input of a step with max_iterations have the result of the iteration before"
            case "default":
                return "default stands alone as a condition"
        later = self._places.get(ref.root, -1)
        if graph.chain and later >= place:
            if later == place:
                return "a step cannot refer to its own result; $self has that of the iteration before"
            return f"step {ref.root!r} comes after this one; move it before"
        return None

    def _field_fault(self, ref: Ref, node: Node | None) -> str | None:
        """Why the reference leads to no field, as far as types tell."""
        if ref.root == "run":
            if ref.steps and ref.steps[0] not in RUN_FIELDS:
                return f"the run has no {ref.steps[0]!r}; {nearest(str(ref.steps[0]), RUN_FIELDS)}"
            return None
        kind: Any = None
        if ref.root in ("input", "task"):
            kind = self._input
        elif ref.root == "self":
            kind = None if node is None else node.returns
        elif ref.root in self._places and self._graph[ref.root].each is None:
            kind = self._graph[ref.root].returns
        for step in ref.steps:
            fields = _fields(kind)
            if fields is None:
                return None
            if step not in fields:
                return f"{kind.__name__} has no field {step!r}; {nearest(str(step), fields)}"
            kind = fields[str(step)]
        return None


def _fields(kind: Any) -> Mapping[str, Any] | None:
    """The types of the fields of a type by name; None: it does not say, or may have others."""
    if not isinstance(kind, type):
        return None
    if issubclass(kind, BaseModel):
        if kind.model_config.get("extra") == "allow":
            return None
        return {name: each.annotation for name, each in kind.model_fields.items()}
    typed = issubclass(kind, dict) and "__total__" in vars(kind)  # a TypedDict, of `typing_extensions`, too
    names = kind.__annotations__ if typed else fields_of(kind)
    if not names:
        return None
    try:
        hints = typing.get_type_hints(kind)
    except Exception:  # noqa: BLE001 - a name that only type checkers import
        hints = {}
    return {name: hints.get(name) for name in names}


# What the workflow needs around it


def unknown_names(
    workflow: Workflow,
    *,
    members: Iterable[str],
    capabilities: Iterable[str] = (),
    teams: Mapping[str, Iterable[str]] | None = None,
    workflows: Iterable[str] = (),
    path: str | None = None,
) -> Iterator[SpecFault]:
    """The faults of names that are not there: of members and roles, capabilities, teams (each with the names of its
    members and roles), and workflows. `path` is the place of the workflow; None: its name.
    """
    members, capabilities, workflows = frozenset(members), frozenset(capabilities), frozenset(workflows)
    teams = {} if teams is None else teams
    for node in workflow.graph.nodes:
        where = f"{workflow.name if path is None else path}/{node.id}"
        for part in _named(node):
            if isinstance(part, Can) and part.capability not in capabilities:
                yield SpecFault(
                    where, f"no member has the capability {part.capability!r}; {nearest(part.capability, capabilities)}"
                )
            elif isinstance(part, str) and part not in members:
                yield SpecFault(where, f"no member or role {part!r}; {nearest(part, members)}")
        match node.what:
            case InTeam(team) if team not in teams:
                yield SpecFault(where, f"team: no team {team!r}; {nearest(team, teams)}")
            case InTeam(team, tuple(steps)):
                have = frozenset(teams[team])
                for each in steps:
                    if each.role not in have:
                        yield SpecFault(
                            f"{where}/{each.action}",
                            f"role: no role {each.role!r} in {team!r}; {nearest(each.role, have)}",
                        )
            case Nested(name, None) | Detached(name) if name not in workflows:
                yield SpecFault(where, f"workflow: no workflow {name!r}; {nearest(name, workflows)}")
            case Nested(_, Workflow() as inner):
                yield from unknown_names(
                    inner, members=members, capabilities=capabilities, teams=teams, workflows=workflows, path=where
                )


def _named(node: Node) -> Iterator[str | Can | Pool]:
    if node.target is not None and not isinstance(node.what, Nested):
        yield from work_targets(node.target)
    if node.undo is not None:
        yield from work_targets(node.undo)
    if node.quality is not None:
        yield from work_targets(node.quality.scoring)


def type_faults(path: str, key: str, value: Any, faults: list[SpecFault]) -> None:
    """Adds a fault unless values can be checked by this type, written and read. None: any value."""
    if value is None:
        return
    try:
        TypeAdapter(value).rebuild()  # raises for a type with fields whose own types it does not find
    except Exception as error:  # noqa: BLE001 - pydantic raises different errors for what is not a type
        why = str(error).splitlines()[0]
        faults.append(SpecFault(path, f"{key}: must be a type that pydantic can check, got {value!r}: {why}"))
