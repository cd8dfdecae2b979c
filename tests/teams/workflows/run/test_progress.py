"""How far a run is, and how long it will take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from actors.testing import Simulation, simulation
from teams import member
from teams._journal.memory import MemoryRunStore
from teams._journal.rows import EntryKind, JournalEntry
from teams._journal.store import Store
from teams.workflows import EngineRef, Graph, Node, Remaining, Workflow, delay, do, engine, wait, workflow
from teams.workflows._run.progress import HIGH, LOW, ended_steps, percentage, remaining


def step(id: str, seconds: float | None, *after: str) -> Node:
    metadata = {} if seconds is None else {"estimated_duration": seconds}
    return do(id, "worker", after=after, metadata=metadata)


def graph_of(*nodes: Node) -> Graph:
    made = workflow("w", tasks=nodes)
    assert isinstance(made, Workflow)
    return made.graph


def entry(seq: int, kind: EntryKind, step: str) -> JournalEntry:
    return JournalEntry("r", seq, kind, step, 1, 0, None, None)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    ids = [f"s{n}" for n in range(draw(st.integers(1, 8)))]
    durations = st.one_of(st.none(), st.floats(0.1, 100.0))
    nodes = [
        step(id, draw(durations), *draw(st.lists(st.sampled_from(ids[:n]), unique=True) if n else st.just([])))
        for n, id in enumerate(ids)
    ]
    return graph_of(*nodes)


def longest(graph: Graph, durations: dict[str, float], over: set[str]) -> float:
    """The time of the longest way, by trying every way."""

    def way(id: str) -> float:
        later = max((way(each) for each in graph.needed_by(id)), default=0.0)
        return later + (0.0 if id in over else durations[id])

    return max(way(id) for id in graph.by_id)


def test_durations_longer_than_any_leave_the_figures_numbers() -> None:
    graph = graph_of(delay("nap", 1e308), step("long", 1e308, "nap"), step("rest", None))
    assert percentage(graph, ["nap"]) == 33.3
    assert remaining(graph, ["nap", "rest"], {"long": 1e12}) is not None


@given(graph=graphs(), data=st.data())
def test_what_remains_lies_between_the_shortest_and_longest_durations(graph: Graph, data: st.DataObject) -> None:
    over = set[str]()
    for id in graph.order:
        if set(graph.needs(id)) <= over and data.draw(st.booleans()):
            over.add(id)
    found = remaining(graph, over, {})
    said = {each.id: each.metadata.get("estimated_duration") for each in graph.nodes}
    known = [float(each) for each in said.values() if isinstance(each, float)]
    if not known:
        assert found is None
        return
    mean = sum(known) / len(known)
    durations = {id: float(each) if isinstance(each, float) else mean for id, each in said.items()}
    way = longest(graph, durations, over)
    assert found is not None
    assert LOW * way - 0.01 <= found.p50 <= found.p90 <= HIGH * way + 0.01


@given(graph=graphs())
def test_progress_goes_from_nothing_to_all_and_never_back(graph: Graph) -> None:
    ended = [graph.order[:n] for n in range(len(graph.order) + 1)]
    shares = [percentage(graph, each) for each in ended]
    assert shares[0] == 0.0
    assert shares[-1] == 100.0
    for before, after in pairwise(shares):
        assert before is not None
        assert after is not None
        assert before <= after


def test_parallel_steps_make_the_forecast_later_than_one_of_them() -> None:
    one = remaining(graph_of(step("a", 10.0)), (), {})
    many = remaining(graph_of(*(step(f"s{n}", 10.0) for n in range(20))), (), {})
    assert one is not None
    assert many is not None
    assert one.p90 > one.p50
    assert many.p50 > one.p90


def test_the_time_that_a_step_has_taken_is_not_counted_again() -> None:
    graph = graph_of(step("a", 10.0), step("b", 5.0, "a"))
    whole, later = remaining(graph, (), {}), remaining(graph, (), {"a": 5.0})
    assert whole is not None
    assert later is not None
    assert abs(whole.p50 - later.p50 - 5.0) < 0.5
    late = remaining(graph, (), {"a": 500.0})
    assert late is not None
    assert late.p50 <= HIGH * 5.0


def test_a_sleep_takes_the_time_it_says_and_a_wait_none() -> None:
    made = workflow("w", delay("rest", 60.0), wait("paid", "paid"))
    found = remaining(made.graph, (), {"rest": 20.0})
    assert found is not None
    assert (found.p50, found.p90) == (40.0, 40.0)


def test_steps_weigh_by_their_declared_durations() -> None:
    graph = graph_of(step("a", 90.0), step("b", 10.0, "a"))
    assert percentage(graph, {"a"}) == 90.0
    assert percentage(graph_of(step("a", None), step("b", None, "a")), {"a"}) == 50.0


def test_a_step_with_items_has_ended_when_a_later_one_has_begun() -> None:
    graph = workflow("w", do("split", "worker"), do("map", "worker", each="$split"), do("end", "worker")).graph
    entries = [entry(1, "done", "split"), entry(2, "began", "map[0]"), entry(3, "done", "map[0]")]
    assert ended_steps(graph, entries) == {"split"}
    assert ended_steps(graph, [*entries, entry(4, "began", "end")]) == {"split", "map"}
    assert ended_steps(graph, [entry(1, "skipped", "map")]) == {"map", "split"}


def test_the_status_of_a_run_tells_what_remains_and_who_works() -> None:
    async def work(value: object) -> object:
        await asyncio.sleep(10.0)
        return value

    with simulation() as sim:
        steps = [do(id, "worker", metadata={"estimated_duration": seconds}) for id, seconds in (("a", 10), ("b", 30))]
        eng = sim.start(engine("engine", member("worker", work), workflow("w", *steps), store=memory(sim)))
        assert isinstance(eng, EngineRef)
        run = eng.start_workflow("w", 1).get()
        sim.advance(11)
        status = run.status().get()
        assert (status.percentage, status.current_steps, status.active_agents) == (25.0, ("b",), ("worker",))
        assert status.remaining is not None
        assert 14.0 <= status.remaining.p50 <= status.remaining.p90 <= 60.0
        assert status.estimated_completion is not None
        assert abs(status.estimated_completion - (1_700_000_011 + status.remaining.p50)) < 0.01
        run.get()
        ended = run.status().get()
        assert (ended.percentage, ended.remaining, ended.active_agents) == (100.0, Remaining(0.0, 0.0), ())
        assert ended.estimated_completion == ended.ended_at


def memory(sim: Simulation) -> Callable[[], Store]:
    return lambda: MemoryRunStore(clock=lambda: round(sim.runtime.clock.wall() * 1e6))
