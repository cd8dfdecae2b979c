"""Engines in files: what a file says is what `engine()` gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import supervisors
from supervisors import SpecError, load_tree
from teams.patterns import sequential
from teams.workflows import routing, rule, schedule
from teams.workflows._engine.file import engine_from, load_engine
from teams.workflows._engine.parts import address_of, is_engine, settings_of, with_store
from tests import forked

STEPS = [{"id": "a", "agent": "worker"}]
HERE = "tests.teams.workflows.engine.test_engine_file"


def work(value: object) -> object:
    """What members do."""
    return value


def test_a_file_holds_the_options_of_the_engine() -> None:
    spec = engine_from(
        {
            "workflow": "w",
            "steps": STEPS,
            "agents": {"worker": f"{HERE}:work"},
            "engine": {
                "id": "desk",
                "store": "sqlite:///desk.db",
                "max_concurrent_workflows": 7,
                "default_timeout": "2m",
                "retain": {"done": "1h", "failed": "none"},
                "max_restarts": 3,
            },
        }
    )
    settings = settings_of(spec)
    assert (spec.id, spec.max_restarts, address_of(spec)) == ("desk", 3, "sqlite:///desk.db")
    assert (settings.max_concurrent_workflows, settings.default_timeout) == (7, 120.0)
    assert (settings.retain["done"], settings.retain["failed"]) == (3600.0, None)
    assert is_engine(spec)
    spec = engine_from({"workflow": "w", "steps": [{"id": "a", "sleep": 1}], "engine": {"default_timeout": "none"}})
    assert settings_of(spec).default_timeout is None


def test_members_roles_teams_patterns_and_workflows_come_together() -> None:
    spec = engine_from(
        {
            "members": [{"id": "worker", "work": f"{HERE}:work", "role": "staff"}],
            "roles": [{"name": "staff"}],
            "teams": [{"team": "group", "members": [{"id": "inner", "work": f"{HERE}:work"}]}],
            "patterns": {"twice": {"steps": ["inner", "inner"]}},
            "workflows": [
                {"workflow": "one", "steps": [{"id": "a", "agent": "staff"}]},
                {"workflow": "two", "steps": [{"id": "a", "team": "group", "pattern": "twice"}]},
            ],
        }
    )
    assert set(settings_of(spec).workflows) == {"one", "two", "twice"}
    assert [each.id for each in spec.children] == ["store", "journal", "agents", "group", "desk", "runs"]


def test_a_file_has_schedules_and_routings() -> None:
    spec = engine_from(
        {
            "agents": {"fast": f"{HERE}:work", "slow": f"{HERE}:work"},
            "workflow": "flow",
            "steps": [{"id": "a", "agent": "fast"}],
            "schedules": [
                {"id": "nightly", "workflow": "flow", "cron": "30 2 * * *", "tz": "Europe/Berlin", "input": {"x": 1}},
                {"id": "hourly", "workflow": "desk", "every": "1h", "overlap": "queue", "catch_up": 3, "jitter": "5m"},
            ],
            "routings": [
                {
                    "name": "desk",
                    "timeout": "2m",
                    "rules": [
                        {"condition": "input.urgent", "pattern": "parallel", "agents": ["fast", "slow"]},
                        {"condition": "input.lead", "pattern": "hierarchical", "root": "slow", "name": "led"},
                        {"condition": "default", "pattern": {"steps": ["slow", "fast"]}},
                    ],
                }
            ],
        }
    )
    settings = settings_of(spec)
    assert settings.schedules == {
        "nightly": schedule("nightly", "flow", cron="30 2 * * *", tz="Europe/Berlin", input={"x": 1}),
        "hourly": schedule("hourly", "desk", every=3600, overlap="queue", catch_up=3, jitter=300),
    }
    assert settings.workflows["desk"] == routing(
        "desk",
        rule("input.urgent", "parallel", agents=["fast", "slow"]),
        rule("input.lead", "hierarchical", root="slow", name="led"),
        rule("default", sequential("slow", "fast")),
        timeout=120,
    )
    assert [each.id for each in spec.children][-3:] == ["desk", "scheduler", "runs"]


def test_all_faults_of_schedules_and_routings_are_told() -> None:
    late = [
        {"condition": "default", "pattern": {"steps": ["a"]}},
        {"condition": "input.x", "pattern": {"steps": ["a"]}},
    ]
    with pytest.raises(SpecError) as caught:
        engine_from(
            {
                "agents": {"a": f"{HERE}:work"},
                "workflow": "flow",
                "steps": [{"id": "a", "agent": "a"}],
                "schedules": [
                    {"id": "one", "workflow": "flow", "cron": "30 2 * * *", "tz": "Europe/Berlim"},
                    {"id": "two", "workflow": "flow", "evry": "1h", "cron": "61 * * * *"},
                    3,
                ],
                "routings": [
                    {"name": "one", "rules": [{"condition": "default", "pattern": "paralel", "agents": ["a"]}]},
                    {"name": "two", "rules": late},
                ],
            }
        )
    assert [each.path.removeprefix("engine/") for each in caught.value.faults] == [
        "routings/one/rules/[0]",
        "routings/two",
        "schedules/one",
        "schedules/two",
        "schedules/two",
        "schedules/[2]",
    ]
    with pytest.raises(SpecError) as caught:
        engine_from(
            {
                "agents": {"a": f"{HERE}:work"},
                "schedules": [{"id": "one", "workflow": "flwo", "every": 60}],
                "routings": [{"name": "flow", "rules": [{"condition": "default", "pattern": {"steps": ["b"]}}]}],
            }
        )
    assert [each.path for each in caught.value.faults] == ["engine/flow", "engine/schedule one"]


def test_another_store_takes_the_place_of_that_of_the_file() -> None:
    spec = engine_from({"workflow": "w", "steps": [{"id": "a", "sleep": 1}], "engine": {"durability": "process"}})
    other = with_store(spec, "sqlite:///other.db")
    assert (address_of(spec), address_of(other)) == ("sqlite:///runs.db", "sqlite:///other.db")
    assert settings_of(other) is settings_of(spec)
    store = next(each for each in other.children if each.id == "store")
    assert "process" in repr(store.args)  # type: ignore[union-attr]


def test_a_workflow_with_faults_hides_no_fault_of_another() -> None:
    with pytest.raises(SpecError) as caught:
        engine_from(
            {
                "workflows": [
                    {"workflow": "one", "steps": [{"id": "a", "agnt": "worker"}]},
                    {"workflow": "two", "steps": [{"id": "a", "agent": "wroker"}]},
                    {"workflow": "three", "steps": [{"id": "a", "workflow": "two"}]},
                ],
                "agents": {"worker": f"{HERE}:work"},
            }
        )
    assert [each.path for each in caught.value.faults] == ["one/a", "engine/two/a"]


def test_another_fault_of_a_workflow_hides_no_name_that_is_not_there() -> None:
    with pytest.raises(SpecError) as caught:
        engine_from(
            {
                "workflow": "w",
                "steps": [
                    {"id": "a", "agent": "worker", "retrry": 3},
                    {"id": "b", "agent": "wroker", "undo": "nobody"},
                    {"id": "c", "team": "grup", "workflow": [{"role": "inner", "action": "x"}]},
                    {"id": "d", "workflow": "w2"},
                    {"id": "e", "workflow": "two"},
                    {"id": "f", "run": f"{HERE}:work", "undo": f"{HERE}:work"},
                ],
                "workflows": [{"name": "two", "steps": [{"id": "a", "agent": "worker"}]}],
                "agents": {"worker": f"{HERE}:work"},
            }
        )
    assert [(each.path, each.message[:24]) for each in caught.value.faults] == [
        ("w/a", "retrry: unknown key; did"),
        ("engine/w/b", "no member or role 'wroke"),
        ("engine/w/b", "no member or role 'nobod"),
        ("engine/w/c", "team: no team 'grup'; th"),
        ("engine/w/d", "workflow: no workflow 'w"),
    ]


def test_a_member_with_a_fault_is_not_missed_by_the_workflows() -> None:
    with pytest.raises(SpecError) as caught:
        engine_from({"workflow": "w", "steps": STEPS, "agents": {"worker": "no_such_module:work"}})
    assert [each.path for each in caught.value.faults] == ["agents/members/worker"]


def test_a_name_that_is_not_there_is_told_beside_a_member_with_a_fault() -> None:
    with pytest.raises(SpecError) as caught:
        engine_from(
            {
                "workflow": "w",
                "steps": [
                    {"id": "a", "agent": "worker"},
                    {"id": "b", "agent": "wroker"},
                    {"id": "c", "agent": "staff"},
                    {"id": "d", "team": "group", "workflow": [{"role": "inner", "action": "x"}]},
                ],
                "agents": {"worker": "no_such_module:work"},
                "roles": [{"name": "staff"}],
                "teams": [{"team": "group", "members": [{"id": "inner", "work": "no_such_module:work"}]}],
            }
        )
    assert [(each.path, each.message[:30]) for each in caught.value.faults] == [
        ("agents/members/worker", "work: importing 'no_such_modul"),
        ("group/members/inner", "work: importing 'no_such_modul"),
        ("engine/w/b", "no member or role 'wroker'; di"),
    ]


@pytest.mark.parametrize("name", ["support.toml", "support.yaml"])
def test_trees_are_loaded_from_files_with_workflows(tmp_path: Path, name: str) -> None:
    toml = 'workflow = "w"\nsteps = [{ id = "a", sleep = 1 }]\n'
    yaml = "engine: {id: engine}\nworkflows:\n- {workflow: w, steps: [{id: a, sleep: 1}]}\n"
    (tmp_path / name).write_text(toml if name.endswith(".toml") else yaml)
    assert is_engine(load_tree(tmp_path / name))
    assert is_engine(load_engine(tmp_path / name))


def test_the_example_can_be_checked_from_the_repository() -> None:
    root = Path(__file__).parents[4]
    environment = {**os.environ, "PYTHONPATH": str(Path(supervisors.__file__).parents[1])}
    said = forked.run(["-m", "teams", "workflow", "check", "examples/support.toml"], cwd=root, env=environment)
    assert said.returncode == 0, said.stderr
    assert "customer_support (chain, 4 steps)" in said.stdout
