"""Edits: the graph of a run changes while it runs, all or nothing, and what has begun stays as it is."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.testing import simulation
from supervisors import SpecError
from teams import member
from teams._journal.errors import StoreAway
from teams._journal.rows import RunRow
from teams.patterns import sequential
from teams.workflows import (
    AlreadyBegun,
    AlreadyEnded,
    CannotEdit,
    NoSuchRun,
    RunEdited,
    Workflow,
    WorkflowContext,
    ask,
    coded,
    delay,
    do,
    engine,
    in_team,
    nested,
    subgraph,
    wait,
    workflow,
    workflow_from,
)
from teams.workflows._engine.records import Records
from teams.workflows._graph.edit import GraphChanges, changes_from, edited, graph_changes
from teams.workflows.testing import Disk
from tests.teams.patterns.cast import fails, takes
from tests.teams.workflows.cast import Scene, kinds, played, played_on_sqlite

Played = Callable[..., AbstractContextManager[Scene]]


@pytest.fixture(params=["disk", "sqlite"])
def land(request: pytest.FixtureRequest, tmp_path: Path) -> Played:
    """Engines on stores of every kind in turn."""
    return played if request.param == "disk" else partial(played_on_sqlite, tmp_path)


def adds(letter: str, seconds: float = 1.0) -> Any:
    """A member that appends its name to a list."""
    return member(letter, takes(seconds, lambda value: [*(value or []), letter]))


a, b, c, d = adds("a"), adds("b"), adds("c"), adds("d")
CHAIN = workflow("flow", do("a", "a"), do("b", "b"), do("c", "c"))
DAG = workflow("dag", tasks=[do("a", "a", input=["$input"]), do("b", "b", input=["$a"]), do("c", "c", input=["$b"])])


def double(value: int) -> int:
    """A function that another process finds by its name."""
    return value * 2


# While it runs


def test_a_step_is_added_to_a_chain_after_the_one_it_names_or_at_the_end(land: Played) -> None:
    with land(a, b, c, d, CHAIN) as scene:
        run = scene.start("flow", [])
        scene.sim.advance(0.5)
        run.edit(add_node=[do("between", "d", after="a"), do("end", "d")]).get()
        assert run.get() == ["a", "d", "b", "c", "d"]
        assert run.status().get().total == 5


def test_a_step_is_added_to_a_graph_and_waits_for_what_it_needs(land: Played) -> None:
    with land(a, b, c, d, DAG) as scene:
        run = scene.start("dag", 1)
        scene.sim.advance(1.5)
        run.edit(add_node=[do("side", "d", input=["$a"]), do("last", "d", input=["$c", "$side"])]).get()
        scene.sim.advance(0.1)
        assert set(run.status().get().current_steps) == {"b", "side"}
        assert run.get()[-1] == "d"
        assert run.status().get().percentage == 100.0


def test_an_edge_makes_a_step_wait(land: Played) -> None:
    flow = workflow(
        "two", tasks=[do("a", "a", input=[]), do("b", "b", input=[], after="a"), do("c", "c", input=["$a"])]
    )
    with land(a, b, adds("c", 5.0), flow) as scene:
        run = scene.start("two")
        scene.sim.advance(0.5)
        run.edit(add_edge=[("c", "b")]).get()
        scene.sim.advance(2.0)
        assert run.status().get().current_steps == ("c",)
        run.result().get()
        assert scene.sim.now == pytest.approx(7.0, abs=0.2)


def test_a_step_is_removed_and_another_takes_its_place(land: Played) -> None:
    with land(a, b, c, d, CHAIN) as scene:
        run = scene.start("flow", [])
        scene.sim.advance(0.5)
        run.edit(remove="b", replace=do("c", "d")).get()
        assert run.get() == ["a", "d"]


def test_the_steps_of_another_workflow_are_added_under_a_prefix(land: Played) -> None:
    audit = workflow("audit", tasks=[do("check", "a", input=[]), do("sign", "b", input=["$check"], when="$check")])
    with land(a, b, c, d, DAG, audit) as scene:
        run = scene.start("dag", 1)
        run.edit(add_subgraph={"audit": audit}, add_edge=[("c", "audit_check")]).get()
        assert run.get() == [["a"], "b"]
        assert kinds(run, "audit_sign") == ["began", "done"]


def test_a_graph_by_levels_goes_on_with_the_level_that_has_steps_left(land: Played) -> None:
    flow = workflow(
        "levels",
        tasks=[do("a", "a", input=[]), do("slow", "b", input=[]), do("c", "c", input=["$a"], after="slow")],
        execution="levels",
    )
    with land(a, adds("b", 4.0), c, d, flow) as scene:
        run = scene.start("levels")
        scene.sim.advance(2.0)
        run.edit(add_node=[do("first", "d", input=[]), do("second", "d", input=["$first"])]).get()
        scene.sim.advance(0.1)
        assert set(run.status().get().current_steps) == {"slow", "first"}
        assert run.get() == {"c": [["a"], "c"], "second": [["d"], "d"]}


def test_functions_of_new_steps_are_found_by_their_names(land: Played) -> None:
    with land(a, workflow("one", delay("nap", 5.0))) as scene:
        run = scene.start("one")
        run.edit(add_node=do("twice", double, input=21)).get()
        assert run.get() == 42


def test_a_run_keeps_the_version_with_which_it_began_in_its_references(land: Played) -> None:
    flow = workflow("flow", do("a", "a"), do("b", "b"))
    with land(a, b, c, flow) as scene:
        run = scene.start("flow", [])
        scene.sim.advance(0.5)
        run.edit(replace=do("b", "b", input=["$run.version"])).get()
        assert run.get() == [flow.version, "b"]
        assert run.status().get().version != flow.version


def test_an_edit_is_one_commit() -> None:
    with played(a, b, c, d, workflow("flow", do("a", "slow"), do("b", "b")), adds("slow", 60.0)) as scene:
        assert scene.disk is not None
        run = scene.start("flow", [])
        scene.sim.advance(30.0)
        before = len(scene.disk.acknowledged)
        run.edit(add_node=do("c", "c")).get()
        written = scene.disk.acknowledged[before:]
        assert [len(each.answers) for each in written] == [1]
        (unit, _) = written[0].answers[0]
        assert [entry.kind for entry in unit.entries] == ["edited"]
        assert unit.definition is not None
        assert run.get() == ["slow", "b", "c"]


def test_an_edit_is_told(land: Played) -> None:
    with land(a, b, c, d, CHAIN) as scene:
        found: list[RunEdited] = []
        scene.sim.runtime.events.subscribe(found.append, RunEdited)
        run = scene.start("flow", [])
        scene.sim.advance(0.5)
        run.edit(add_node=do("d", "d"), remove="c", replace=do("b", "d")).get()
        (event,) = found
        assert (event.run, event.added, event.removed, event.replaced) == (run.id, ("d",), ("c",), ("b",))
        assert event.version == run.status().get().version


# While it does not run here


def test_a_parked_run_is_edited_in_one_commit_and_goes_on(land: Played) -> None:
    with land(a, b, c, d, workflow("flow", wait("paid", "paid"), do("b", "b", input=[]))) as scene:
        run = scene.start("flow")
        scene.sim.advance(5.0)
        assert scene.awake() == 0
        before = 0 if scene.disk is None else len(scene.disk.acknowledged)
        run.edit(add_node=do("c", "c")).get()
        if scene.disk is not None:
            assert len(scene.disk.acknowledged) == before + 1
        assert scene.state(run) == "waiting"
        run.signal("paid").get()
        assert run.get() == ["b", "c"]


def test_a_paused_run_is_edited_and_stays_paused(land: Played) -> None:
    with land(a, b, c, d, CHAIN) as scene:
        run = scene.start("flow", [])
        scene.sim.advance(0.5)
        run.pause().get()
        scene.sim.advance(2.0)
        run.edit(replace=do("b", "d")).get()
        scene.sim.advance(10.0)
        assert scene.state(run) == "paused"
        run.resume().get()
        assert run.get() == ["a", "d", "c"]


def test_a_blocked_run_whose_missing_workflow_is_replaced_goes_on() -> None:
    flow = workflow("flow", do("a", "a"), nested("b", "other"))
    other = workflow("other", do("x", "b"))
    with played(a, b, c, d, flow, other) as scene:
        run = scene.start("flow", [])
        scene.sim.advance(0.5)
        tables = scene.disk.durable if scene.disk is not None else None
    with simulation() as sim:
        disk = Disk(sim, tables=tables)
        opened = disk.opened_by(disk.process())
        eng = sim.start(engine("eng", a, b, c, d, workflow("flow", do("new", "a")), store=opened))
        again = eng.workflow_run(run.id)
        sim.advance(40.0)
        assert again.status().get().state == "blocked"
        again.edit(replace=do("b", "d")).get()
        assert again.get(timeout=100) == ["a", "d"]


def test_a_run_that_another_process_has_awake_is_edited_there() -> None:
    with simulation() as sim:
        disk = Disk(sim)
        parts = (a, b, c, d, CHAIN)
        first = sim.start(engine("first", *parts, store=disk.opened_by(disk.process())))
        second = sim.start(engine("second", *parts, store=disk.opened_by(disk.process())))
        run = first.start_workflow("flow", []).get()
        sim.advance(0.4)
        second.workflow_run(run.id).edit(add_node=do("end", "d")).get(timeout=10)
        with pytest.raises(AlreadyBegun):
            second.workflow_run(run.id).edit(replace=do("a", "d")).get(timeout=10)
        with pytest.raises(CannotEdit, match="no member or role 'nobody'"):
            second.workflow_run(run.id).edit(add_node=do("bad", "nobody")).get(timeout=10)
        assert run.get() == ["a", "b", "c", "d"]


def test_an_edit_survives_kill_nine() -> None:
    with played(a, b, c, d, DAG) as scene:
        run = scene.start("dag", 1)
        scene.sim.advance(1.5)
        run.edit(add_node=do("last", "d", input=["$c"])).get()
        tables = scene.disk.durable if scene.disk is not None else None
    with played(a, b, c, d, DAG, tables=tables) as scene:
        assert scene.eng.workflow_run(run.id).get(timeout=100)[-1] == "d"


def test_after_kill_nine_references_have_the_version_of_the_beginning() -> None:
    flow = workflow("flow", delay("nap", 5.0), do("b", "b", input=["$run.version"]))
    with played(a, b, flow) as scene:
        run = scene.start("flow")
        scene.sim.advance(0.5)
        run.edit(add_node=do("c", "b")).get()
        tables = scene.disk.durable if scene.disk is not None else None
    with played(a, b, flow, tables=tables) as scene:
        assert scene.eng.workflow_run(run.id).get(timeout=100) == [flow.version, "b", "b"]


# What is refused, and changes nothing


def refused(scene: Scene, run: Any, error: type[Exception], match: str, **changes: Any) -> None:
    version = scene.row(run).version
    with pytest.raises(error, match=match):
        run.edit(**changes).get()
    assert scene.row(run).version == version


def test_what_has_begun_or_ended_does_not_change_nor_what_it_needed(land: Played) -> None:
    with land(a, b, c, d, DAG) as scene:
        run = scene.start("dag", 1)
        scene.sim.advance(1.5)
        for changes in (
            {"replace": do("a", "d", input=[])},
            {"replace": do("b", "b", input=["$a"], timeout=9.0)},
            {"remove": ["b", "c"]},
            {"add_node": do("new", "d", input=[]), "add_edge": [("new", "b")]},
        ):
            refused(scene, run, AlreadyBegun, "what has begun does not change", **changes)
        run.edit(replace=do("c", "d", input=["$b"])).get()
        assert run.get() == [[[1, "a"], "b"], "d"]


def test_what_was_needed_has_begun_though_it_left_no_entry(land: Played) -> None:
    """A map over nothing writes nothing; what came after it has begun on its empty result."""
    flow = workflow("flow", tasks=[do("map", "a", each=[]), do("b", "b", input=["$map"]), do("c", "c", input=["$b"])])
    with land(a, adds("b", 30.0), c, d, flow) as scene:
        run = scene.start("flow")
        scene.sim.advance(1.0)
        run.pause().get()
        scene.sim.advance(1.0)
        refused(scene, run, AlreadyBegun, "'map'", replace=do("map", "a", input=[]))


def test_in_a_chain_nothing_comes_before_a_step_that_has_begun(land: Played) -> None:
    with land(a, b, c, d, CHAIN) as scene:
        run = scene.start("flow", [])
        scene.sim.advance(1.5)
        refused(scene, run, AlreadyBegun, "'b'", add_node=do("new", "d", after="a"))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"add_edge": [("c", "b")]}, "cycle"),
        ({"add_node": do("x", "d", input=["$nowhere"])}, "'nowhere' is not a step"),
        ({"add_node": do("x", "nobody")}, "no member or role 'nobody'"),
        ({"add_node": do("b", "d")}, "there is a step with this id"),
        ({"add_node": [do("x", "d"), do("x", "d")]}, "2 steps have it"),
        ({"add_node": in_team("x", "team", [{"role": "r", "action": "go"}])}, "no team 'team'"),
        ({"add_node": nested("x", "other")}, "no workflow 'other'"),
        ({"add_node": do("x", lambda value: value)}, "lambda"),
        ({"add_node": do("x", sequential("a", "b"))}, "x"),
        ({"remove": "b"}, "'b' is not a step"),
        ({"remove": "z"}, "remove: there is no such step"),
        ({"replace": do("z", "d")}, "replace: there is no such step"),
        ({"remove": "c", "replace": do("c", "d")}, "removed and replaced"),
        ({"add_edge": [("a", "z")]}, "add_edge: there is no such step"),
    ],
)
def test_an_edit_with_faults_is_refused_whole(changes: dict[str, Any], match: str) -> None:
    with played(a, b, c, d, DAG) as scene:
        run = scene.start("dag", 1)
        more = {**changes, "add_node": [*_listed(changes.get("add_node", ())), do("good", "d", input=[])]}
        refused(scene, run, CannotEdit, match, **more)
        assert run.get() == [[[1, "a"], "b"], "c"]
        assert "edited" not in kinds(run)


@pytest.mark.parametrize("target", [lambda value: value, sequential("a", "b")], ids=["lambda", "pattern"])
def test_no_run_is_edited_whose_workflow_only_its_code_knows(target: Any) -> None:
    """After an edit the store alone says what the workflow is, so each of its steps must be found by a name."""
    flow = workflow("own", tasks=[do("a", "a", input=[]), do("b", target, input=["$a"]), do("c", "c", after="b")])
    with played(a, b, c, d, flow) as scene:
        refused(scene, scene.start("own"), CannotEdit, "found by its name", add_node=do("x", "d", input=[]))


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"add_edge": [("a", "c")]}, "the steps of a chain have an order"),
        ({"replace": do("c", "d", after="a")}, "stays where it is"),
        ({"add_node": do("x", "d", after=["a", "b"])}, "comes after one step"),
        ({"add_node": do("x", "d", after="z")}, "comes after one step"),
        ({"remove": ["a", "b", "c"]}, "no step would be left"),
    ],
)
def test_a_chain_stays_a_chain(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(CannotEdit, match=match):
        edited("r", CHAIN, graph_changes(**changes), ())


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({}, 1),
        ({"add_node": 3, "add_edge": 4, "remove": 5, "replace": 6, "add_subgraph": 7}, 5),
        ({"add_node": ["a"], "add_edge": ["ab", ("a",)], "remove": [1], "replace": [None]}, 5),
        ({"add_subgraph": {"a.b": DAG, "x": CHAIN, "y": 4}}, 3),
    ],
)
def test_arguments_that_are_no_edit_are_refused_at_once_with_all_faults(changes: dict[str, Any], faults: int) -> None:
    with played(a, b, c, DAG) as scene:
        run = scene.eng.workflow_run("any")
        with pytest.raises(SpecError) as caught:
            run.edit(**changes)
    assert len(caught.value.faults) == faults, caught.value


def test_a_run_that_has_ended_or_is_missing_or_is_code_cannot_be_edited(land: Played) -> None:
    @coded
    async def code(context: WorkflowContext, value: object) -> object:
        await context.sleep(50.0)
        return value

    with land(a, b, c, d, DAG, code) as scene:
        run = scene.start("dag", 1)
        run.result().get()
        refused(scene, run, AlreadyEnded, "done", add_node=do("x", "d"))
        with pytest.raises(NoSuchRun):
            scene.eng.workflow_run("missing").edit(remove="x").get()
        refused(scene, scene.start("code"), CannotEdit, "pattern or of code", add_node=do("x", "d"))
        cancelled = scene.start("dag", 1)
        scene.sim.advance(0.5)
        cancelled.cancel().get()
        with pytest.raises(AlreadyEnded):
            cancelled.edit(add_node=do("x", "d")).get()


def test_a_run_that_undoes_what_was_done_is_not_edited() -> None:
    """No step would begin any more."""
    flow = workflow("flow", do("a", "a", undo="slow"), do("b", "bad", on_failure="undo"))
    with played(a, d, member("bad", fails("no")), member("slow", takes(9.0, lambda _: None)), flow) as scene:
        run = scene.start("flow", [])
        scene.sim.advance(5.0)
        assert scene.state(run) == "cancelling"
        refused(scene, run, AlreadyEnded, "its steps have ended", add_node=do("x", "d"))


def test_errors_of_edits_are_pickled() -> None:
    for error in (AlreadyBegun("r", ("a", "b")), CannotEdit("r", ("a: bad",))):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))


# As values

IDS = "abcdefg"


@st.composite
def dags(draw: st.DrawFn) -> Workflow:
    """DAGs whose steps depend on earlier ones."""
    size = draw(st.integers(1, 6))
    steps = []
    for place in range(size):
        needs = draw(st.lists(st.sampled_from(IDS[:place]), unique=True)) if place else []
        steps.append(do(IDS[place], "m", after=needs))
    return workflow("w", tasks=steps)


@st.composite
def edits(draw: st.DrawFn) -> GraphChanges:
    """Edits, good and bad."""
    ids = st.sampled_from(IDS + "xyz")
    nodes = st.builds(lambda id, after: do(id, "m", after=after), ids, st.lists(ids, unique=True, max_size=2))
    return GraphChanges(
        tuple(draw(st.lists(nodes, max_size=2))),
        tuple(draw(st.lists(st.tuples(ids, ids), max_size=3))),
        tuple(draw(st.lists(ids, max_size=2))),
        tuple(draw(st.lists(nodes, max_size=1))),
    )


@given(flow=dags(), changes=edits(), begun=st.sets(st.sampled_from(IDS)))
def test_an_edit_makes_a_graph_without_faults_or_nothing(
    flow: Workflow, changes: GraphChanges, begun: set[str]
) -> None:
    past = {id for each in begun if each in flow.graph for id in {each, *flow.graph.ancestors(each)}}
    try:
        made = edited("r", flow, changes, begun)
    except CannotEdit:
        return
    except AlreadyBegun as error:
        touched = set(error.steps)
    else:
        _check_made(flow, changes, past, made)
        return
    assert touched
    assert touched <= past


def _check_made(flow: Workflow, changes: GraphChanges, past: set[str], made: Workflow) -> None:
    assert [*made.graph.faults()] == []
    before, after = _needs(flow), _needs(made)
    for id in past:
        assert (flow.graph[id], before[id]) == (made.graph[id], after[id])
    new = {each.id: set(each.after) for each in (*changes.add_node, *changes.replace)}
    expected = {id: needs for id, needs in before.items() if id not in changes.remove} | new
    for source, to in changes.add_edge:
        expected[to] = {*expected[to], source}
    assert after == expected


def _needs(flow: Workflow) -> dict[str, set[str]]:
    return {each.id: set(flow.graph.needs(each.id)) for each in flow.graph.nodes}


def test_an_edit_with_every_kind_of_step_is_read_back_as_it_was_written() -> None:
    changes = graph_changes(
        add_node=[
            do("work", "a", input={"x": "$a", "text": "so ${b.c}"}, when="$a > 1", retry=2, timeout=3.0, undo="b"),
            wait("paid", "paid", after="work"),
            ask("sure", "Sure about ${a}?", options=["yes", "no"]),
            delay("nap", 5.0),
            nested("inner", workflow("inner", do("x", "a"))),
            in_team("crew", "crew", [{"role": "r", "action": "go", "input": "$a"}]),
            do("fun", double),
        ],
        add_edge=[("a", "work")],
        remove=["z"],
        replace=do("b", "b"),
    )
    assert changes_from(changes.document()) == changes


def test_an_edit_in_a_file_has_all_its_faults_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        changes_from({"ad_node": [], "add_node": [{"id": "a"}, {"agent": "b"}], "remove": 3, "add_subgraph": {"p": 4}})
    assert len(caught.value.faults) >= 5, caught.value
    with pytest.raises(SpecError, match="must be a mapping"):
        changes_from([1])
    found = changes_from({"add_subgraph": {"p": {"tasks": [{"id": "a", "agent": "m"}]}}})
    assert [each.id for each in found.add_node] == ["p_a"]


# Subgraphs


def test_the_steps_of_a_subgraph_do_what_the_workflow_does() -> None:
    inner = workflow(
        "inner",
        tasks=[
            do("first", "a", input=["$input.start"]),
            do("again", "b", each="$first", input=["${first[0]} ${item}"], when="size($first) > 1 and $input.start"),
            do("plain", "c", after="first"),
            do("last", "d", input=["$again", "$plain", "cost $$5 of ${input.start}"]),
        ],
    )
    flow = workflow("whole", tasks=[do("root", "a", input=[]), *subgraph("in", inner)], output="$in_last")
    members = (a, b, member("c", takes(1.0, lambda value: sorted(value))), d)
    with played(*members, inner, flow) as scene:
        assert scene.result("whole", {"start": "s"}) == scene.result("inner", {"start": "s"})


def test_the_input_of_a_step_of_a_subgraph_stays_whatever_it_is_tied_to() -> None:
    inner = workflow("inner", tasks=[do("first", "a"), do("second", "b", after="first", input=["$first"])])
    steps = subgraph("in", inner)
    tied = [replace(steps[0], after=("root",)), steps[1]]
    flow = workflow("whole", tasks=[do("root", "c", input=[]), *tied])
    with played(a, b, c, inner, flow) as scene:
        assert scene.result("whole", ["x"]) == scene.result("inner", ["x"]) == [["x", "a"], "b"]


def test_a_subgraph_is_read_back_from_a_document() -> None:
    inner = workflow("inner", tasks=[do("a", "m", input="$input"), ask("b", "is ${a} good?"), delay("c", until="$a")])
    flow = workflow("whole", tasks=subgraph("p", inner))
    assert workflow_from(json.loads(flow.body)) == flow
    assert [each.id for each in flow.graph.nodes] == ["p_a", "p_b", "p_c"]


def test_a_store_that_is_away_for_a_moment_refuses_no_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards an edit of a run that no engine has awake: that the store did not answer was told as its fault."""
    pattern, change, away = Records.pattern, Records.change, list[str]()

    async def gone_once(records: Records, row: RunRow) -> Any:
        if away == ["asked"]:
            away.append("told")
            raise StoreAway("store", "it does not answer", True)
        return await pattern(records, row)

    async def changing(records: Records, *given: Any) -> Any:
        away.append("asked")
        return await change(records, *given)

    with played(a, b, c, d, CHAIN) as scene:
        run = scene.start("flow", [])
        scene.sim.advance(0.5)
        tables = scene.disk.durable if scene.disk is not None else None
    monkeypatch.setattr(Records, "pattern", gone_once)
    monkeypatch.setattr(Records, "change", changing)
    with played(a, b, c, d, CHAIN, tables=tables) as scene:
        again = scene.eng.workflow_run(run.id)
        again.edit(add_node=[do("end", "d")]).get(timeout=100)
        assert away[:2] == ["asked", "told"]
        assert again.get(timeout=100) == ["a", "b", "c", "d"]
