"""Edits: what changes in the graph of a run, and the workflow that comes of it. Pure.

An edit is a mapping with the keys of `WorkflowRun.edit`; the steps in it are those of a file:

    remove = ["sms"]
    add_edge = [["check", "ship"]]

    [[add_node]]                        # of a chain, `dependencies` is the step after which it comes
    id = "check"
    agent = "checker"
    dependencies = ["pay"]

    [[replace]]                         # the step with this id
    id = "ship"
    agent = "courier"
    dependencies = ["pay"]
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from supervisors.spi import SpecError, SpecFault, nearest, unknown_key
from teams._checks.fields import refuse
from teams._files.form import Faults, TooManyFaults
from teams.workflows._graph.check import unknown_names, workflow_faults
from teams.workflows._graph.file import read_steps, workflow_from
from teams.workflows._graph.graph import Graph
from teams.workflows._graph.node import Node
from teams.workflows._graph.subgraph import subgraph
from teams.workflows._graph.workflow import Workflow, document, step_document
from teams.workflows.errors import AlreadyBegun, CannotEdit

KEYS = ("add_node", "add_edge", "remove", "replace", "add_subgraph")


class KnownNames(NamedTuple):
    """The names that the steps of an engine may use."""

    members: frozenset[str] = frozenset()
    """Members and roles."""
    capabilities: frozenset[str] = frozenset()
    teams: Mapping[str, frozenset[str]] = {}
    """The members and roles of teams."""
    workflows: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class GraphChanges:
    """The changes of an edit."""

    add_node: tuple[Node, ...] = ()
    add_edge: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()
    replace: tuple[Node, ...] = ()

    def document(self) -> dict[str, Any]:
        """The mapping that a file has for it."""
        found: dict[str, Any] = {
            "add_node": [step_document(each) for each in self.add_node],
            "add_edge": [list(each) for each in self.add_edge],
            "remove": list(self.remove),
            "replace": [step_document(each) for each in self.replace],
        }
        return {key: each for key, each in found.items() if each}

    @property
    def ids(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """The ids of the steps that it adds, removes and replaces."""
        return tuple(each.id for each in self.add_node), self.remove, tuple(each.id for each in self.replace)

    def summary(self) -> dict[str, list[str]]:
        """The ids of the steps that it adds, removes and replaces, and the edges, as the journal has them."""
        return {
            **dict(zip(("added", "removed", "replaced"), map(list, self.ids), strict=True)),
            "edges": [f"{source} -> {to}" for source, to in self.add_edge],
        }


def graph_changes(
    *,
    add_node: Node | Iterable[Node] = (),
    add_edge: Iterable[tuple[str, str]] = (),
    remove: str | Iterable[str] = (),
    replace: Node | Iterable[Node] = (),
    add_subgraph: Mapping[str, Workflow] | None = None,
) -> GraphChanges:
    """An edit. Raises SpecError with all faults at once."""
    faults: list[SpecFault] = []
    added = [*_steps("add_node", add_node, faults)]
    replaced = _steps("replace", replace, faults)
    edges = _edges(add_edge, faults)
    removed = _names("remove", remove, faults)
    if add_subgraph is not None and not isinstance(add_subgraph, Mapping):
        faults.append(SpecFault("edit", f"add_subgraph: must be workflows by prefix, got {add_subgraph!r}"))
        add_subgraph = None
    for prefix, inner in (add_subgraph or {}).items():
        try:
            added += subgraph(prefix, inner)
        except SpecError as error:
            faults += (SpecFault("edit", f"add_subgraph: {each}") for each in error.faults)
    made = GraphChanges(tuple(added), edges, removed, replaced)
    if not (made.add_node or made.add_edge or made.remove or made.replace) and not faults:
        faults.append(SpecFault("edit", f"changes nothing: give one of {', '.join(KEYS)}"))
    refuse(faults)
    return made


def changes_from(values: object) -> GraphChanges:
    """The edit that nested mappings describe, with the keys of a file. Imports the modules they name. Raises SpecError
    with all faults at once.
    """
    if not isinstance(values, Mapping):
        raise SpecError([SpecFault("edit", f"must be a mapping with the keys {', '.join(KEYS)}, got {values!r}")])
    faults = Faults()
    given: dict[str, Any] = {}
    with suppress(TooManyFaults):
        faults += (unknown_key("edit", str(key), KEYS) for key in values if key not in KEYS)
        for key in ("add_node", "replace"):
            if key in values:
                given[key] = read_steps("edit", key, values[key], faults)
        inner = values.get("add_subgraph")
        if isinstance(inner, Mapping):
            given["add_subgraph"] = _workflows(inner, faults)
        elif inner is not None:
            given["add_subgraph"] = inner
        given |= {key: values[key] for key in ("add_edge", "remove") if key in values}
    try:
        made = graph_changes(**given)
    except SpecError as error:
        raise SpecError(tuple(dict.fromkeys([*faults, *error.faults]))) from None
    if faults:
        raise SpecError(tuple(dict.fromkeys(faults)))
    return made


def _workflows(values: Mapping[str, object], faults: Faults) -> dict[str, Workflow]:
    found = {}
    for prefix, each in values.items():
        try:
            found[str(prefix)] = workflow_from({"workflow": str(prefix), **each} if isinstance(each, Mapping) else {})
        except SpecError as error:
            faults += (SpecFault(f"edit/{fault.path}", fault.message) for fault in error.faults)
    return found


def _steps(key: str, value: object, faults: list[SpecFault]) -> tuple[Node, ...]:
    listed = [value] if isinstance(value, Node) else value
    if isinstance(listed, str | Mapping) or not isinstance(listed, Iterable):
        faults.append(SpecFault("edit", f"{key}: must be steps, such as do('id', target), got {value!r}"))
        return ()
    found = tuple(listed)
    faults += (
        SpecFault("edit", f"{key}: must be a step, such as do('id', target), got {each!r}")
        for each in found
        if not isinstance(each, Node)
    )
    return tuple(each for each in found if isinstance(each, Node))


def _edges(value: object, faults: list[SpecFault]) -> tuple[tuple[str, str], ...]:
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        faults.append(SpecFault("edit", f"add_edge: must be pairs of steps, such as [('a', 'b')], got {value!r}"))
        return ()
    found = []
    for each in value:
        pair = tuple(each) if isinstance(each, list | tuple) else ()
        if len(pair) == 2 and all(isinstance(id, str) for id in pair):
            found.append((str(pair[0]), str(pair[1])))
        else:
            faults.append(SpecFault("edit", f"add_edge: must be a pair of steps, such as ('a', 'b'), got {each!r}"))
    return tuple(found)


def _names(key: str, value: object, faults: list[SpecFault]) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if isinstance(listed, Mapping) or not isinstance(listed, Iterable):
        faults.append(SpecFault("edit", f"{key}: must be ids of steps, got {value!r}"))
        return ()
    found = tuple(listed)
    faults += (
        SpecFault("edit", f"{key}: must be the id of a step, got {each!r}")
        for each in found
        if not isinstance(each, str)
    )
    return tuple(each for each in found if isinstance(each, str))


# What comes of it


def edited(
    run: str, workflow: Workflow, changes: GraphChanges, begun: Collection[str], names: KnownNames | None = None
) -> Workflow:
    """The workflow with the changes, all of them. `begun` are the steps that have begun; what they needed counts as
    begun, too. `names` are those of the engine; None: they are not known here.

    Raises:
        AlreadyBegun: a step that has begun would be another one, or need another one
        CannotEdit: what comes of it has faults, or no other process could read it
    """
    graph = workflow.graph
    faults = [*_name_faults(graph, changes)]
    _refuse(run, faults)
    past = _past(graph, begun)
    nodes = _chained(graph, changes, faults) if graph.chain else _linked(graph, changes)
    _refuse(run, faults)
    made = replace(workflow, graph=replace(graph, nodes=tuple(nodes)))
    touched = [id for id in graph.by_id if id in past and not _is_same(graph, made.graph, id)]
    if touched:
        raise AlreadyBegun(run, tuple(touched))
    if not nodes:
        faults.append(SpecFault(workflow.name, "no step would be left"))
    faults += workflow_faults(workflow.name, made.graph, workflow.input, workflow.output)
    if names is not None:
        faults += unknown_names(made, **names._asdict())
    _refuse(run, faults)
    _refuse(run, [*_unreadable(made)])
    return made


def _refuse(run: str, faults: list[SpecFault]) -> None:
    if faults:
        raise CannotEdit(run, tuple(map(str, dict.fromkeys(faults))))


def _past(graph: Graph, begun: Collection[str]) -> frozenset[str]:
    """The steps that have begun, and every one that ended before one of them: it may have left no entry."""
    found: set[str] = set()
    for id in begun:
        if id in graph and id not in found:
            found |= {id, *graph.ancestors(id)}
    return frozenset(found)


def _is_same(before: Graph, after: Graph, id: str) -> bool:
    """Whether a step is the same, and needs the same."""
    return id in after and before[id] == after[id] and set(before.needs(id)) == set(after.needs(id))


def _name_faults(graph: Graph, changes: GraphChanges) -> Iterator[SpecFault]:
    """The faults of the names of an edit: steps that are not there, or there already."""
    new = [each.id for each in changes.add_node]
    there = {*(id for id in graph.by_id if id not in changes.remove), *new}
    for id in new:
        if id in graph and id not in changes.remove:
            yield SpecFault(id, "add_node: there is a step with this id; replace it, or choose another")
    for key, ids in (("remove", changes.remove), ("replace", [each.id for each in changes.replace])):
        for id in ids:
            if id not in graph:
                yield SpecFault(id, f"{key}: there is no such step; {nearest(id, graph.by_id)}")
    for each in changes.replace:
        if each.id in changes.remove:
            yield SpecFault(each.id, "is removed and replaced: give one of them")
    for edge in changes.add_edge:
        for id in edge:
            if id not in there:
                yield SpecFault(id, f"add_edge: there is no such step; {nearest(id, there)}")


def _linked(graph: Graph, changes: GraphChanges) -> list[Node]:
    """The steps of a DAG with the changes."""
    new = {each.id: each for each in changes.replace}
    nodes = [new.get(each.id, each) for each in graph.nodes if each.id not in changes.remove]
    nodes += changes.add_node
    first: dict[str, list[str]] = {}
    for source, to in changes.add_edge:
        first.setdefault(to, []).append(source)
    return [
        replace(each, after=tuple(dict.fromkeys([*each.after, *first[each.id]]))) if each.id in first else each
        for each in nodes
    ]


def _chained(graph: Graph, changes: GraphChanges, faults: list[SpecFault]) -> list[Node]:
    """The steps of a chain with the changes: a new one comes after the one that it names, or at the end."""
    new = {each.id: each for each in changes.replace}
    nodes = [new.get(each.id, each) for each in graph.nodes if each.id not in changes.remove]
    faults += (
        SpecFault(to, f"add_edge: {source!r}: the steps of a chain have an order; add or replace steps")
        for source, to in changes.add_edge
    )
    faults += (
        SpecFault(each.id, "replace: a step of a chain stays where it is; leave out dependencies")
        for each in changes.replace
        if each.after
    )
    for each in changes.add_node:
        places = [place for place, node in enumerate(nodes) if node.id in each.after]
        if len(each.after) > 1 or len(places) < len(each.after):
            known = nearest(each.after[0], [node.id for node in nodes])
            faults.append(SpecFault(each.id, f"add_node: in a chain it comes after one step that is there; {known}"))
        nodes.insert(places[0] + 1 if places else len(nodes), replace(each, after=()))
    return nodes


def _unreadable(workflow: Workflow) -> Iterator[SpecFault]:
    """Why another process could not read the workflow in the store. Until it is edited, a run has that of the code."""
    try:
        found = workflow_from(json.loads(workflow.body))
    except SpecError as error:
        for each in error.faults:
            yield SpecFault(each.path, f"{each.message}. After an edit every step must be found by its name")
        return
    if found.body != workflow.body:
        ours, theirs = document(workflow), document(found)
        key = "steps" if workflow.chain else "tasks"
        pairs: Any = zip(ours.pop(key), theirs.pop(key), strict=True)  # type: ignore[call-overload]
        ids = [own["id"] for own, other in pairs if own != other]
        where = ", ".join(map(repr, ids)) or "its options"
        yield SpecFault(workflow.name, f"only this process knows what {where} is: use names, and functions of modules")
