"""`letitcrash workflow dry-run`: the real workflow over stubs, dispatching and storing nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from teams.cli._workflow_dry import DryRun, dry_run
from teams.workflows import RoleStep, ask, continue_as_new, delay, do, in_team, nested, quality, wait, workflow
from teams.workflows._graph.workflow import Workflow
from tests.teams.cli.workflows import INPUT, Letitcrash, folder, letitcrash, no_store

__all__ = ["folder", "letitcrash", "no_store"]


def never(value: object) -> object:
    raise AssertionError("a dry run dispatches nothing")


def dry(flow: Workflow, value: object = None, stubs: dict[str, object] | None = None) -> DryRun:
    found = dry_run(flow, {flow.name: flow}, value, stubs or {})
    assert found.error is None, found.why
    return found


def test_nothing_is_scored() -> None:
    flow = workflow("flow", do("a", never, quality=quality("GENERIC", never, on_low="fail")))
    assert dry(flow, 1).result == 1


@pytest.mark.usefixtures("no_store")
def test_no_step_is_done_and_no_store_is_made(letitcrash: Letitcrash, folder: Path) -> None:
    (folder / "desk_agents.py").write_text("def classify(x): raise SystemExit\nprocess = respond = classify\n")
    (folder / "stubs.json").write_text('{"classify": {"category": "billing"}, "process": {"result": "desk"}}')
    said = letitcrash("dry-run", "support.toml", "--input", INPUT, "--stub", "stubs.json")
    assert said.code == 0, said.err
    assert said.out.splitlines() == [
        'classify  classifier  {"message":"charged twice"} -> {"category":"billing"}',
        'process  processor  {"category":"billing"} -> {"result":"desk"}',
        "approve  ask a person  Send it? -> yes",
        'respond  responder  {"processed":"desk"} -> {"processed":"desk"}',
        'result  {"processed":"desk"}',
    ]
    assert {each.name for each in folder.iterdir()} - {"__pycache__"} == {
        "desk_agents.py",
        "stubs.json",
        "support.toml",
    }


def test_a_condition_that_is_not_met_skips_as_in_a_run(letitcrash: Letitcrash, folder: Path) -> None:
    (folder / "stubs.toml").write_text('classify = { category = "spam" }\n')
    said = letitcrash("dry-run", "support.toml", "--input", INPUT, "--stub", "stubs.toml", "--json")
    found = json.loads(said.out)
    assert found["skipped"] == {"process": "its condition is not met", "approve": "its condition is not met"}
    assert [each["step"] for each in found["calls"]] == ["classify", "respond"]
    assert found["result"] == {"processed": None}


def test_a_reference_that_leads_nowhere_fails_with_its_step(letitcrash: Letitcrash) -> None:
    said = letitcrash("dry-run", "support.toml", "--input", "{}")
    assert said.code == 1
    assert "step classify: " in said.err
    assert "$input.message leads to no value" in said.err


def test_every_kind_of_step_has_a_stub() -> None:
    flow = workflow(
        "all",
        do("call", never),
        wait("paid", "paid"),
        delay("nap", 3600),
        ask("sure", "Is ${call} fine?"),
        in_team("group", "team", [RoleStep("role", "act")]),
        do("undone", never, undo=never, retry=3, timeout=1, effects="at_most_once"),
    )
    found = dry(flow, 1, {"paid": {"amount": 12}, "group": "g"})
    assert [(each.step, each.result) for each in found.calls] == [
        ("call", 1),
        ("paid", {"amount": 12}),
        ("nap", None),
        ("sure", "Is 1 fine?"),
        ("group", "g"),
        ("undone", "g"),
    ]


def test_loops_and_maps_run_as_they_do() -> None:
    flow = workflow(
        "loops",
        do("split", never),
        do("each", never, each="$split.items"),
        do("review", never, input="$each", max_iterations=3, until="$self.good"),
    )
    stubs = {"split": {"items": [1, 2]}, "review": {"good": False}, "review#2": {"good": True}}
    found = dry(flow, None, stubs)
    assert [each.step for each in found.calls] == ["split", "each", "each", "review", "review#2"]
    assert found.result == {"good": True}


def test_a_nested_workflow_is_played_unless_it_has_a_stub() -> None:
    inner = workflow("inner", do("a", never), do("b", never))
    flow = workflow("outer", nested("sub", inner), do("after", never))
    assert [each.step for each in dry(flow, 1).calls] == ["sub/a", "sub/b", "after"]
    assert dry(flow, 1, {"sub/b": 5}).result == 5
    assert [each.step for each in dry(flow, 1, {"sub": 7}).calls] == ["sub", "after"]


def test_a_workflow_that_names_itself_ends() -> None:
    flow = workflow("again", nested("sub", "again"), do("after", never))
    assert [each.step for each in dry(flow, 1).calls] == ["sub", "after"]


def test_a_stub_must_be_what_its_step_returns() -> None:
    flow = workflow("typed", do("number", never, returns=int))
    assert dry(flow, None, {"number": "12"}).result == 12
    with pytest.raises(ValueError, match="stub/number: is not what the step returns"):
        dry(flow, None, {"number": "twelve"})


def test_a_dry_run_ends_where_a_run_goes_on_in_a_new_one() -> None:
    flow = workflow(
        "flow", do("count", never), continue_as_new("next", {"n": "$count.n"}, when="$count.n < 3"), do("last", never)
    )
    found = dry(flow, {"n": 1})
    assert (found.continues, found.result) == (True, {"n": 1})
    assert [*found.lines()] == ['count  never  {"n":1} -> {"n":1}', 'goes on in a new run with  {"n":1}']
    found = dry(flow, {"n": 3})
    assert (found.continues, found.result) == (False, {"n": 3})
