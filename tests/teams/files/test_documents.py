"""Files of teams and patterns that are none: each is told with faults and places, none with a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisors import SpecError, check
from teams import load_team, parse_pattern, parse_team
from teams._files.team import _OF_MEMBERS, _OF_SUPERVISORS, _OF_TEAMS
from tests.documents import as_yaml, changed, damaged

STEPS: list[Any] = [
    "triage",
    {"agent": "expert", "timeout": "30s", "on_failure": "retry_once", "when": {"field": "x", "op": ">", "value": 1}},
    {"can": "c"},
    {"branches": {"x": "triage", "y": "b"}, "policy": {"quorum": 1}, "aggregator": "b"},
    {"root": "b", "delegation_rules": [{"parent": "b", "children": ["triage"], "condition": "json:loads"}]},
    {"sections": {"p": {"agents": ["triage"], "pattern": "parallel"}}, "failure_handling": {"agent_failure": "skip"}},
    {"gate": "b", "producer": "triage", "max_rounds": 2},
    {"reviewer": "b", "producer": "triage"},
    {"stages": [{"agent": "b", "parallel": 2, "fallback": ["triage"]}]},
    {"commander": "b", "squad_leaders": {"triage": {"workers": ["b-1"]}}},
    {"topic": "a.b", "deadline": 3},
    {"reviewers": ["b"], "approval": "b"},
]
TEAM: dict[str, Any] = {
    "team": "desk",
    "max_hops": 3,
    "roles": [{"name": "expert", "capabilities": ["c"], "max_members": 3}],
    "members": [
        {"id": "triage", "work": "json:loads", "role": "expert", "accepts": "json:loads"},
        {
            "id": "b",
            "work": "json:dumps",
            "count": 2,
            "subscribes": ["a.*"],
            "backoff": {"kind": "constant", "initial": 1},
        },
    ],
    "handoffs": [{"from_role": "expert", "to_role": "b", "trigger": "x", "transform": "json:loads"}],
    "choreographies": [
        {
            "name": "order",
            "starts": "a.b",
            "ends": "c.d",
            "event_handlers": {"a.b": "triage", "c.d": [{"agent": "b-1", "undo": "b-2", "timeout": "30s"}, "triage"]},
        }
    ],
    "goal": {"input": "x", "steps": STEPS},
}
KEYS = sorted(
    {*_OF_TEAMS, *_OF_SUPERVISORS, *_OF_MEMBERS, *(key for each in STEPS if isinstance(each, dict) for key in each)}
)
TOML = (Path(__file__).parents[3] / "examples" / "team_file.toml").read_text()

quick = settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def is_told(read: Callable[[], object]) -> bool:
    """Whether it can be read, or else is told with faults that can be shown, each with a place."""
    try:
        read()
    except SpecError as error:
        return bool(error.faults) and all(
            fault.path and fault.message and str(fault).replace("\n", "").isprintable() for fault in error.faults
        )
    return True


def test_the_team_that_is_changed_below_is_sound() -> None:
    """Guards the tests below: they change what is read to its end."""
    assert parse_team(TEAM).id == "desk"


@quick
@given(document=changed(TEAM, KEYS))
def test_every_document_is_a_team_or_told_with_faults(tmp_path: Path, document: dict[Any, Any]) -> None:
    """Guards what YAML accepts where a team is meant."""
    file = tmp_path / "team.yaml"
    file.write_bytes(as_yaml(document))
    assert is_told(lambda: check(load_team(file)))


@quick
@given(text=damaged(TOML), suffix=st.sampled_from([".toml", ".yaml"]))
def test_every_text_is_a_team_or_told_with_faults(tmp_path: Path, text: bytes, suffix: str) -> None:
    """Guards what TOML and YAML refuse, and members whose modules are not there."""
    file = tmp_path / f"team{suffix}"
    file.write_bytes(text)
    assert is_told(lambda: check(load_team(file)))


@quick
@given(document=changed({"steps": STEPS}, KEYS))
def test_every_mapping_is_a_pattern_or_told_with_faults(document: dict[Any, Any]) -> None:
    """Guards `parse_pattern`, which knows no names of a team."""
    assert is_told(lambda: parse_pattern(document))


@pytest.mark.parametrize("count", ["three", 10**9, 2.0, True, [1], None, -1])
def test_a_count_that_is_not_a_number_of_members_is_a_fault(count: object) -> None:
    """Guards `count`, which was compared with a number first, or filled the memory."""
    with pytest.raises(SpecError) as caught:
        parse_team({"team": "crew", "members": [{"id": "a", "work": "json:loads", "count": count}]})
    (fault,) = caught.value.faults
    assert fault.path == "crew/members/a"
    assert fault.message.startswith("count: must be ")


@pytest.mark.parametrize("id", [[1], {"a": 1}, 3, None])
def test_an_id_that_is_not_a_string_is_a_fault_also_with_a_count(id: object) -> None:
    """Guards the slots of a member, whose ids are made of its own."""
    for count in (1, 2):
        with pytest.raises(SpecError) as caught:
            parse_team({"team": "crew", "members": [{"id": id, "work": "json:loads", "count": count}]})
        assert "id: must be a string" in str(caught.value)


def test_a_module_that_exits_when_it_is_imported_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the command line, which would end with the module's code and say nothing."""
    (tmp_path / "exits_at_once.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SpecError, match=r"work: importing 'exits_at_once' failed with SystemExit: 0"):
        parse_team({"team": "crew", "members": [{"id": "a", "work": "exits_at_once:x"}]})
