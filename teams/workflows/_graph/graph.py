"""Graphs: nodes, and what each depends on. Every question takes time in proportion to nodes and edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Literal, NamedTuple

from supervisors.spi import nearest
from teams.workflows._graph.node import RESERVED, AskPerson, ContinueRun, Nested, Node, Sleep, WaitForSignal
from teams.workflows.errors import CircularDependency, GraphError, UnknownDependency

_CYCLES = 10
"""How many cycles are told."""


class Edge(NamedTuple):
    """A dependency."""

    source: str
    """The step that comes first."""
    to: str
    kind: Literal["order", "data"]
    """Whether `to` needs the result of `source`, or only its end."""
    by: str
    """What makes it: "after", "chain", or the reference."""


@dataclass(frozen=True)
class Graph:
    """The nodes of a workflow, in the order in which they were written. A chain adds an edge from each to the next; by
    data, it adds those alone that carry data, and those that keep a step which waits in its place.

    A graph with faults is a value, too: `faults` tells of them. Unknown names are not edges; levels and orders are
    those of a graph without cycles.
    """

    nodes: tuple[Node, ...]
    chain: bool = False
    by_data: bool = False
    """Of a chain: whether a step begins as soon as the data that it needs is there."""

    @cached_property
    def by_id(self) -> Mapping[str, Node]:
        """The nodes by id."""
        return {each.id: each for each in self.nodes}

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Where each node stands, from 0."""
        return {each.id: place for place, each in enumerate(self.nodes)}

    @cached_property
    def takers(self) -> frozenset[str]:
        """The nodes of a chain that get the result of the one before."""
        return frozenset(each.id for each in self.nodes if takes_previous(each))

    def __contains__(self, id: object) -> bool:
        return id in self.by_id

    def __getitem__(self, id: str) -> Node:
        return self.by_id[id]

    # Edges

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """The dependencies between nodes that exist: those of the chain, `after`, and references, in this order."""
        return tuple(each for each in self._wanted() if each.source in self.by_id)

    def _wanted(self) -> Iterator[Edge]:
        """Every dependency, of unknown names, too; of those with the same ends and the same reason, the first."""
        seen: set[tuple[str, str, str]] = set()
        since: list[Node] = []
        """The steps since the last one that waits, with that."""
        for node in self.nodes:
            found = [Edge(name, node.id, "order", "after") for name in node.after]
            if self.chain and since:
                kind: Literal["order", "data"] = "data" if takes_previous(node) else "order"
                earlier = _awaited(since, node) if self.by_data else since[-1:]
                found[:0] = [Edge(each.id, node.id, kind, "chain") for each in earlier]
            found += (Edge(ref.root, node.id, "data", str(ref)) for _, ref in node.uses() if ref.root not in RESERVED)
            for edge in found:
                if (key := (edge.source, edge.to, edge.by)) not in seen:
                    seen.add(key)
                    yield edge
            if waits(node):
                since.clear()
            since.append(node)

    @cached_property
    def _needs(self) -> dict[str, dict[str, str]]:
        """By node: the nodes that it depends on, and what makes each dependency."""
        found: dict[str, dict[str, str]] = {id: {} for id in self.by_id}
        for edge in self.edges:
            found[edge.to].setdefault(edge.source, edge.by)
        return found

    @cached_property
    def _needed_by(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {id: [] for id in self.by_id}
        for id, needs in self._needs.items():
            for each in needs:
                found[each].append(id)
        return found

    def needs(self, id: str) -> tuple[str, ...]:
        """The nodes that a node directly depends on."""
        return tuple(self._needs[id])

    def needed_by(self, id: str) -> tuple[str, ...]:
        """The nodes that directly depend on a node."""
        return tuple(self._needed_by[id])

    def ancestors(self, id: str) -> frozenset[str]:
        """Every node that must end before this one begins."""
        return _reached(id, self._needs)

    def descendants(self, id: str) -> frozenset[str]:
        """Every node that begins after this one has ended."""
        return _reached(id, self._needed_by)

    @cached_property
    def sinks(self) -> tuple[str, ...]:
        """The nodes that no other depends on."""
        return tuple(id for id, later in self._needed_by.items() if not later)

    # Order

    @cached_property
    def levels(self) -> tuple[tuple[str, ...], ...]:
        """The nodes in levels: each level depends only on those before it, and each node is in the first that it can be
        in. Raises CircularDependency.
        """
        sorter = self._sorter(self._needs)
        place = {id: index for index, id in enumerate(self.by_id)}
        found = []
        while sorter.is_active():
            ready = sorter.get_ready()
            found.append(tuple(sorted(ready, key=place.__getitem__)))
            sorter.done(*ready)
        return tuple(found)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The nodes, each after those that it depends on. Raises CircularDependency."""
        return tuple(id for level in self.levels for id in level)

    def _sorter(self, needs: Mapping[str, Mapping[str, str]]) -> TopologicalSorter[str]:
        sorter: TopologicalSorter[str] = TopologicalSorter(needs)
        try:
            sorter.prepare()
        except CycleError as error:
            # graphlib lists each node before the one that depends on it.
            path = tuple(reversed(error.args[1]))
            made_by = tuple(needs[step][needed] for step, needed in pairwise(path))
            raise CircularDependency(path, made_by) from None
        return sorter

    # Faults

    def faults(self) -> Iterator[GraphError]:
        """Every dependency on an unknown step, and the cycles: each with its path, at most ten."""
        for edge in self._wanted():
            if edge.source not in self.by_id:
                roots = () if edge.by == "after" else RESERVED - {"default"}
                known = [*(id for id in self.by_id if not id.startswith("[")), *roots]
                yield UnknownDependency(edge.to, edge.source, edge.by, nearest(edge.source, known))
        needs = {id: dict(those) for id, those in self._needs.items()}
        for _ in range(_CYCLES):
            try:
                self._sorter(needs)
            except CircularDependency as error:
                yield error
                for step, needed in pairwise(error.path):
                    needs[step].pop(needed, None)
            else:
                break

    def check(self) -> None:
        """Raises UnknownDependency or CircularDependency: the first fault."""
        for fault in self.faults():
            raise fault


def takes_previous(node: Node) -> bool:
    """Whether a step of a chain gets the result of the one before."""
    return node.takes_input or any(ref.root == "previous" for _, ref in node.uses())


def may_be_skipped(node: Node) -> bool:
    """Whether a step may have no result."""
    return node.when is not None or node.on_failure in ("skip", "continue_with_warning") or node.on_skipped == "skip"


def waits(node: Node) -> bool:
    """Whether a step is there for the sake of the order: what comes after it must not begin before it has ended. So is
    a workflow with such a step, and one of which only the engine knows the steps.
    """
    match node.what:
        case WaitForSignal() | AskPerson() | Sleep() | ContinueRun():
            return True
        case Nested(_, definition):
            return definition is None or any(map(waits, definition.graph.nodes))
    return False


def _awaited(since: Sequence[Node], node: Node) -> Iterator[Node]:
    """The steps that a step of a chain by data comes after, of those since the last one that waits."""
    if waits(node):
        yield from since
    elif takes_previous(node):
        for each in reversed(since):
            yield each
            if not may_be_skipped(each) or takes_previous(each):
                break
    elif waits(since[0]):
        yield since[0]


def _reached(start: str, ways: Mapping[str, Mapping[str, str] | list[str]]) -> frozenset[str]:
    found: set[str] = set()
    open = [start]
    while open:
        for each in ways[open.pop()]:
            if each not in found:
                found.add(each)
                open.append(each)
    return frozenset(found)
