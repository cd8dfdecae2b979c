"""Graphs: dependencies, levels, and their faults."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teams.workflows import CircularDependency, Edge, Graph, GraphError, Node, UnknownDependency, delay, do, workflow


def work(id: str, *after: str, **options: Any) -> Node:
    return do(id, "worker", after=after, **options)


IDS = [f"s{number}" for number in range(8)]


@st.composite
def graphs(draw: st.DrawFn, cycles: bool = False, unknown: bool = False) -> Graph:
    """Graphs of up to 8 nodes in any order, whose dependencies are made by `after` and by references."""
    count = draw(st.integers(1, 8))
    ids = draw(st.permutations(IDS[:count]))
    nodes = []
    for place, id in enumerate(ids):
        others = [*(ids if cycles else ids[:place]), *(["nowhere", "lost"] if unknown else [])]
        several = st.lists(st.sampled_from(others), max_size=3, unique=True) if others else st.just([])
        refs = draw(several)
        nodes.append(work(id, *draw(several), input={each: f"${each}.x" for each in refs}))
    return Graph(tuple(draw(st.permutations(nodes))))


def needs(graph: Graph) -> dict[str, set[str]]:
    """What each node directly depends on, read off the nodes."""
    found = {}
    for node in graph.nodes:
        assert node.input is not None
        found[node.id] = {*node.after, *(each.root for each in node.input.refs)}
    return found


def closure(direct: dict[str, set[str]]) -> dict[str, set[str]]:
    """All that each depends on, by brute force."""
    found = {id: set(those) for id, those in direct.items()}
    for _ in direct:
        for those in found.values():
            those |= {further for each in set(those) for further in found.get(each, ())}
    return found


@given(graphs())
def test_the_levels_are_those_of_brute_force(graph: Graph) -> None:
    """Guards levels: a node is in the first level after all that it depends on."""
    direct = needs(graph)

    def level(id: str) -> int:
        return 1 + max((level(each) for each in direct[id]), default=-1)

    wanted: dict[int, set[str]] = {}
    for id in direct:
        wanted.setdefault(level(id), set()).add(id)
    assert [set(each) for each in graph.levels] == [wanted[number] for number in sorted(wanted)]
    places = {node.id: place for place, node in enumerate(graph.nodes)}
    assert all(sorted(each, key=places.__getitem__) == list(each) for each in graph.levels)
    assert not list(graph.faults())
    graph.check()


@given(graphs())
def test_ways_through_a_graph_are_those_of_brute_force(graph: Graph) -> None:
    direct = needs(graph)
    every = closure(direct)
    for id in direct:
        assert set(graph.needs(id)) == direct[id]
        assert graph.ancestors(id) == every[id]
        assert graph.descendants(id) == {each for each in direct if id in every[each]}
        assert set(graph.needed_by(id)) == {each for each in direct if id in direct[each]}
    assert set(graph.sinks) == {id for id in direct if not graph.needed_by(id)}
    order = list(graph.order)
    assert sorted(order) == sorted(direct)
    assert all(order.index(each) < order.index(id) for id in direct for each in direct[id])


@given(graphs(cycles=True, unknown=True))
def test_unknown_names_and_cycles_are_told_apart_with_a_witness(graph: Graph) -> None:
    """Guards both ways: every fault is true, and a graph without faults has none."""
    direct = needs(graph)
    known = {id: those & direct.keys() for id, those in direct.items()}
    unknown, cycles = set(), []
    for fault in graph.faults():
        if isinstance(fault, UnknownDependency):
            unknown.add((fault.step, fault.name))
        else:
            assert isinstance(fault, CircularDependency)
            cycles.append(fault)
    assert unknown == {(id, each) for id, those in direct.items() for each in those - direct.keys()}
    for cycle in cycles:
        assert cycle.path[0] == cycle.path[-1]
        assert len(cycle.path) == len(cycle.made_by) + 1 >= 2
        by = {(each.to, each.source): each.by for each in reversed(graph.edges)}
        for (step, needed), made_by in zip(pairwise(cycle.path), cycle.made_by, strict=True):
            assert needed in known[step]
            assert by[step, needed] == made_by
    every = closure(known)
    assert bool(cycles) is any(id in every[id] for id in known)
    if not unknown and not cycles:
        graph.check()
    else:
        with pytest.raises(GraphError):
            graph.check()
    if cycles:
        with pytest.raises(CircularDependency):
            _ = graph.levels


def test_a_cycle_names_its_path_and_what_makes_it() -> None:
    graph = Graph((work("a", "c"), work("b", input="$a.x"), work("c", when="$b.y == 1")))
    (cycle,) = graph.faults()
    assert isinstance(cycle, CircularDependency)
    ends = dict(zip(pairwise(cycle.path), cycle.made_by, strict=True))
    assert ends == {("a", "c"): "after", ("c", "b"): "$b.y", ("b", "a"): "$a.x"}
    assert "a needs c (after)" in str(cycle)
    assert str(pickle.loads(pickle.dumps(cycle))) == str(cycle)


def test_every_cycle_of_several_is_told() -> None:
    graph = Graph((work("a", "b"), work("b", "a"), work("c", "d"), work("d", "c"), work("e", "e")))
    found = [frozenset(each.path) for each in graph.faults() if isinstance(each, CircularDependency)]
    assert sorted(map(sorted, found)) == [["a", "b"], ["c", "d"], ["e"]]


def test_an_unknown_name_has_the_nearest_that_there_is() -> None:
    (fault,) = Graph((work("classify"), work("b", "clasify"))).faults()
    assert isinstance(fault, UnknownDependency)
    assert (fault.step, fault.name, fault.by, fault.hint) == ("b", "clasify", "after", "did you mean 'classify'?")
    (fault,) = Graph((work("a", input="$imput.x"),)).faults()
    assert isinstance(fault, UnknownDependency)
    assert (fault.by, fault.hint) == ("$imput.x", "did you mean 'input'?")


def test_edges_say_whether_they_carry_data() -> None:
    nodes = (
        work("a"),
        work("b"),
        work("c", input="$a.x", when="$b.ok"),
        delay("d", until="$c.at"),
        work("e", input="$previous"),
    )
    assert Graph(nodes, chain=True).edges == (
        Edge("a", "b", "data", "chain"),
        Edge("b", "c", "order", "chain"),
        Edge("a", "c", "data", "$a.x"),
        Edge("b", "c", "data", "$b.ok"),
        Edge("c", "d", "order", "chain"),
        Edge("c", "d", "data", "$c.at"),
        Edge("d", "e", "data", "chain"),
    )


def test_a_chain_has_a_level_for_each_step() -> None:
    made = workflow("w", work("b"), work("a"), delay("c", 1))
    assert made.chain
    assert made.graph.levels == (("b",), ("a",), ("c",))
    assert made.graph.sinks == ("c",)


def test_a_graph_knows_its_nodes() -> None:
    graph = Graph((work("b"), work("a", "b")))
    assert list(graph.by_id) == ["b", "a"]
    assert "a" in graph
    assert "c" not in graph
    assert graph["a"].after == ("b",)


def calls_of(work: Callable[[], object]) -> int:
    """How many functions are called, ours and those of C."""
    count = 0

    def profile(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("shape", ["line", "star", "ladder"])
def test_10_000_nodes_take_ten_times_the_calls_of_1_000(shape: str) -> None:
    """Guards that building, checking and levels are linear. Calls are counted, because time depends on the machine."""

    def nodes(count: int) -> list[Node]:
        shapes: dict[str, Callable[[int], list[str]]] = {
            "line": lambda number: [f"n{number - 1}"] if number else [],
            "star": lambda number: ["n0"] if number else [],
            "ladder": lambda number: [f"n{each}" for each in (number - 2, number - 3) if each >= 0],
        }
        after = shapes[shape]
        return [work(f"n{number}", *after(number)) for number in range(count)]

    def calls(count: int) -> int:
        given = nodes(count)
        return calls_of(lambda: workflow("w", tasks=given).graph.levels)

    assert calls(10_000) <= 10.5 * calls(1_000)
