"""The chain of command, and centralised and hybrid coordination."""

from __future__ import annotations

from typing import Any

import pytest

from supervisors import SpecError
from teams import Decline, fail_fast, member
from teams.patterns import Subtask
from teams.recipes import centralised, command, hybrid
from tests.teams.patterns.cast import crew_of, error_of, result_of, seconds_of, takes
from tests.teams.patterns.leaders import data, leads, orders, worker


def test_orders_go_down_the_chain_of_command_and_reports_up() -> None:
    """Guards three levels: commander, squad leaders, workers."""
    people = [
        member("commander", orders("C")),
        member("functional", orders("F")),
        member("security", orders("S")),
        *(worker(name) for name in ("ui", "api", "scanner")),
    ]
    pattern = command("commander", {"functional": ["ui", "api"], "security": ["scanner"]})
    with crew_of(*people) as (sim, crew):
        assert seconds_of(sim, crew, pattern, "go") == 6.0
        handle = crew.play(pattern, "go")
        assert handle.get() == "C(F(go>C>F:ui, go>C>F:api), S(go>C>S:scanner))"
        assert "under commander/under functional/ui" in handle.partial


def test_centralised_lets_only_the_planner_decide() -> None:
    """Guards the coordination: members do what they are told, and a plan of theirs is their failure."""
    planner = member("planner", leads(Subtask("a", "data"), Subtask("b", "rebel")))
    rebel = member("rebel", leads(Subtask("mine", "data")))
    result = result_of(centralised("planner"), "x", planner, rebel, data)
    assert result["data"] == "a:data"
    assert set(result) == {"data", "rebel"}
    error = error_of(centralised("planner", policy=fail_fast()), "x", planner, rebel, data)
    assert "DelegationLoop" in str(error)


def test_hybrid_members_settle_who_does_what_the_planner_wants_done() -> None:
    """Guards the coordination: a subtask without a name goes from member to member until one takes it."""

    def only(letter: str) -> Any:
        return takes(1.0, lambda value: f"{letter} did {value}" if letter in value else Decline(f"no {letter}"))

    planner = member(
        "planner", leads(Subtask("abc", name="one"), Subtask("bcd", name="two"), Subtask("x", name="three"))
    )
    people = [planner, member("a", only("a")), member("b", only("b"))]
    result = result_of(hybrid("planner", ["a", "b"]), "x", *people)
    assert result["one"] == "a did abc"
    assert result["two"] == "b did bcd"
    assert set(result) == {"one", "two", "three"}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: command("a", {}), "no squads"),
        (lambda: command("a", {"b": []}), "no workers"),
        (lambda: command("a", {"b": "bob"}), "workers: must be a list"),
        (lambda: command("a", ["b"]), "must be a mapping"),  # type: ignore[arg-type]
        (lambda: hybrid("a", "bob"), "members: must be a list"),
        (lambda: hybrid("a", []), "no members"),
        (lambda: hybrid("", [], within=0), "root|within|no members"),
    ],
)
def test_bad_coordination_is_refused(make: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        make()
