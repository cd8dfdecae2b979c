"""Hierarchies: leaders, plans, rules."""

from __future__ import annotations

from typing import Any

import pytest

from supervisors import SpecError
from teams import (
    BadPlan,
    Decline,
    DelegationLoop,
    GatherFailed,
    Handoff,
    NobodyTook,
    RunFailed,
    fail_fast,
    member,
    quorum,
)
from teams.patterns import (
    Plan,
    Subtask,
    delegate,
    delegation,
    hierarchical,
)
from tests.teams.patterns.cast import crew_of, error_of, fails, result_of, seconds_of, takes
from tests.teams.patterns.leaders import data, leads, orders, web, worker


def test_a_root_plans_others_do_and_the_root_makes_the_result() -> None:
    """Guards the pattern: analysis, subtasks at once, synthesis; each subtask by its own name."""
    root = member("root", leads(Subtask("a", "data"), Subtask("b", "web", name="search"), Subtask("c", "data")))
    with crew_of(root, data, web) as (sim, crew):
        assert seconds_of(sim, crew, hierarchical("root"), "x") == 7.0
        assert crew.play(hierarchical("root"), "x").get() == {"data": "a:data", "search": "b:web", "data#2": "c:data"}


def test_an_answer_other_than_a_plan_is_the_result_without_a_rule() -> None:
    """Guards the simple case: the root does it itself."""
    assert result_of(hierarchical("data"), "x", data) == "x:data"


def test_rules_choose_the_children_by_what_the_parent_says() -> None:
    """Guards delegation rules with conditions: all that apply, each child once."""
    rules = [
        delegation("director", ["data", "web"], when=lambda said: "research" in said),
        delegation("director", ["web", "writer"], when=lambda said: "report" in said),
    ]
    people = [member("director", orders("D")), data, web, worker("writer")]
    pattern = hierarchical("director", rules=rules)
    assert result_of(pattern, "research", *people) == "D(research>D:data, research>D:web)"
    both = result_of(pattern, "research report", *people)
    assert sorted(part.rpartition(":")[2].strip(")") for part in both.split(", ")) == ["data", "web", "writer"]
    assert result_of(pattern, "rest", *people) == "rest>D"


def test_a_subtask_that_fails_is_in_the_synthesis() -> None:
    """Guards failures: the leader hears of it and decides; no other result is lost."""
    root = member("root", leads(Subtask("a", "data"), Subtask("b", "bad"), Subtask("c", "zoe")))
    result = result_of(hierarchical("root"), "x", root, data, member("bad", fails("broken")))
    assert result["data"] == "a:data"
    assert result["bad"] == "broken"
    assert "zoe" in result["zoe"]


@pytest.mark.parametrize("policy", [fail_fast(), quorum(2)], ids=["fail_fast", "quorum"])
def test_too_few_results_end_it_with_those_there_are(policy: Any) -> None:
    """Guards the policy: a typed error with what was done."""
    root = member("root", leads(Subtask("a", "data"), Subtask("b", "bad")))
    slow_bad = member("bad", takes(3.0, lambda value: value / 0))
    error = error_of(hierarchical("root", policy=policy), "x", root, data, slow_bad)
    assert isinstance(error, RunFailed)
    assert isinstance(error.error, GatherFailed)
    assert error.error.gathered.results == {"data": "a:data"}


def test_another_may_make_the_result() -> None:
    """Guards `synthesize`: a function or a member in place of the root."""
    root = member("root", leads(Subtask("a", "data")))
    assert result_of(hierarchical("root", synthesize=lambda synthesis: len(synthesis.results)), "x", root, data) == 1


def test_a_plan_inside_a_plan_is_carried_out() -> None:
    """Guards nesting without a rule: a child that answers with a plan leads."""
    root = member("root", leads(Subtask("x", "middle")))
    middle = member("middle", leads(Subtask("y", "data")))
    assert result_of(hierarchical("root"), "x", root, middle, data) == {"middle": {"data": "y:data"}}


def test_a_loop_of_leaders_is_refused_whatever_its_length() -> None:
    """Guards the bad input: no leader works for itself, in chains of any length."""
    chain = [member(f"m{number}", leads(Subtask("again", f"m{(number + 1) % 4}"))) for number in range(4)]
    with crew_of(*chain) as (_, crew), pytest.raises(RunFailed) as caught:
        crew.play(hierarchical("m0", policy=fail_fast()), "x").get()
    error = caught.value.error
    for _ in range(4):
        assert isinstance(error, GatherFailed)
        (failed,) = error.gathered.failures.values()
        error = failed.error
    assert isinstance(error, DelegationLoop)
    assert error.chain == ("m0", "m1", "m2", "m3", "m0")


def test_a_hierarchy_is_not_deeper_than_allowed() -> None:
    """Guards the bound on leaders that always find another."""
    chain = [member(f"m{number}", leads(Subtask("down", f"m{number + 1}"))) for number in range(5)]
    error = error_of(hierarchical("m0", policy=fail_fast(), max_depth=2), "x", *chain)
    assert "deeper than 2 levels: m0 -> m1 -> m2" in str(error)


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (Plan([Subtask("a")]), "names no target"),
        (Plan(["do it"]), "must be a Subtask"),  # type: ignore[list-item]
        (Plan([Subtask("a", "")]), "must name a member or a role"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_a_typed_error(plan: Plan, says: str) -> None:
    """Guards what members answer: it is named, with the subtask."""
    error = error_of(hierarchical("root"), "x", member("root", takes(1.0, lambda value: plan)))
    assert isinstance(error, RunFailed)
    assert isinstance(error.error, BadPlan)
    assert says in str(error)


def test_a_rule_whose_condition_raises_is_a_typed_error() -> None:
    """Guards user code in rules."""
    rules = [delegation("data", "web", when=lambda said: said.missing)]
    error = error_of(hierarchical("data", rules=rules), "x", data, web)
    assert isinstance(error, RunFailed)
    assert isinstance(error.error, BadPlan)


def test_an_empty_plan_goes_straight_to_the_synthesis() -> None:
    """Guards the smallest plan."""
    assert result_of(hierarchical("root"), "x", member("root", leads())) == {}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: hierarchical(""), "root"),
        (lambda: hierarchical("a", rules=[delegation("a", "b"), delegation("b", "a")]), "loop: a -> b -> a"),
        (lambda: hierarchical("a", rules=[delegation("b", "c")]), "no rule delegates to the parent b"),
        (lambda: hierarchical("a", rules=["b"]), "delegation"),  # type: ignore[list-item]
        (lambda: hierarchical("a", max_depth=0), "max_depth"),
        (lambda: delegation("a", []), "no children"),
        (lambda: delegation("a", ["b"], when=3), "when"),  # type: ignore[arg-type]
        (lambda: hierarchical("a", rules=delegation("a", "b")), "rules: must be a list"),  # type: ignore[arg-type]
        (lambda: delegate("a", "a"), "named twice"),
    ],
)
def test_bad_hierarchies_are_refused(make: Any, says: str) -> None:
    """Guards bad arguments, loops of rules of any length among them."""
    with pytest.raises(SpecError, match=says):
        make()


def test_work_is_delegated_until_a_member_takes_it() -> None:
    """Guards decentralised delegation: declined is not failed, none is asked after the one that took it."""
    asked: list[str] = []

    def answers(name: str, said: object) -> Any:
        def answer(value: object) -> object:
            asked.append(name)
            return said

        return takes(1.0, answer)

    people = [
        member("a", answers("a", Decline("busy"))),
        member("b", answers("b", "done")),
        member("c", answers("c", "!")),
    ]
    assert result_of(delegate("a", "b", "c"), "x", *people) == "done"
    assert asked == ["a", "b"]


def test_work_that_no_member_takes_is_a_typed_error_with_all_reasons() -> None:
    """Guards the end of the chain: who said what."""
    people = [member(name, takes(1.0, lambda value: Decline("busy"))) for name in "ab"]
    error = error_of(delegate("a", "b"), "x", *people)
    assert isinstance(error, RunFailed)
    assert isinstance(error.error, NobodyTook)
    assert error.error.reasons == {"a": "busy", "b": "busy"}


def test_a_member_that_knows_who_can_hands_on() -> None:
    """Guards delegation by those who know each other: a handoff goes on inside the step."""
    people = [member("a", takes(1.0, lambda value: Handoff("c"))), member("b", takes(1.0)), worker("c")]
    assert result_of(delegate("a", "b"), "x", *people) == "x:c"
