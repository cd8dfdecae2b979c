"""Teams in files."""

from __future__ import annotations

import re
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import teams._files.team as team_files
from actors.testing import simulation
from supervisors import SpecError, SupervisorSpec
from teams import (
    Pattern,
    TeamRef,
    can,
    collect,
    fail_fast,
    goal,
    handoff,
    load_team,
    member,
    parse_pattern,
    parse_team,
    quorum,
    role,
    step,
    team,
)
from teams._files.condition import Condition
from teams._files.form import seconds
from teams.patterns import (
    delegation,
    event_driven,
    hierarchical,
    multi_stage_review,
    parallel,
    pipeline,
    quality_gate,
    refine,
    sequential,
    stage,
)
from teams.protocols import choreography, on
from teams.recipes import command
from tests.teams.files import players

HERE = "tests.teams.files.players"

DESK = f"""
team = "desk"
strategy = "rest_for_one"
max_restarts = 7
period = 30
max_hops = 3
ageing = 20

[[roles]]
name = "specialist"
description = "knows one thing well"
capabilities = ["refund"]
max_members = 3

[[members]]
id = "triage"
work = "{HERE}:echo"

[[members]]
id = "billing"
work = "{HERE}:add_one"
role = "specialist"
capabilities = ["invoice"]
count = 2
restart = "transient"
backoff = {{ kind = "constant", initial = 0.5 }}

[[members]]
id = "clerk"
work = "{HERE}:Clerk"
subscribes = ["case.*"]

[[handoffs]]
from_role = "triage"
to_role = "specialist"
trigger = "money"
transform = "{HERE}:add_one"

[goal]
input = 20
steps = [
    "triage",
    {{ agent = {{ can = "refund" }}, timeout = "30s", when = {{ field = "", op = ">", value = 10 }} }},
    "{HERE}:double",
]
"""


def test_a_file_says_what_the_builders_say(tmp_path: Path) -> None:
    """Guards the format: every key ends where its Python twin does."""
    (tmp_path / "desk.toml").write_text(DESK.replace('triage"\nwork', 'triage"\nrole = "specialist"\nwork'))
    big = Condition(field="", op=">", value=10)
    steps = sequential("triage", step(can("refund"), timeout=30, when=big), players.double)
    expected = team(
        "desk",
        role("specialist", "knows one thing well", capabilities=["refund"], max_members=3),
        member("triage", players.echo, role="specialist"),
        member(
            "billing",
            players.add_one,
            role="specialist",
            capabilities=["invoice"],
            count=2,
            restart="transient",
            backoff={"kind": "constant", "initial": 0.5},  # type: ignore[arg-type]
        ),
        member("clerk", players.Clerk, subscribes=["case.*"]),
        handoffs=[handoff("triage", "specialist", "money", transform=players.add_one)],
        goal=goal(steps, 20),
        strategy="rest_for_one",
        max_restarts=7,
        period=30,
        max_hops=3,
        ageing=20,
    )
    assert load_team(tmp_path / "desk.toml") == expected


def test_a_team_from_a_file_reaches_its_goal(tmp_path: Path) -> None:
    """Guards the whole way, from a text to a result."""
    (tmp_path / "desk.toml").write_text(DESK)
    spec = load_team(tmp_path / "desk.toml")
    assert played(spec) == 2 * (20 + 1)


def test_the_functions_of_the_readme_run_from_the_file_of_the_docstring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the two first examples of a team that a reader puts together: the member that crashes keeps its work."""
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    (block,) = (each for each in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "async def triage" in each)
    (tmp_path / "desk.py").write_text(block.partition("\nsupport = team(")[0], encoding="utf-8")
    text = textwrap.dedent((team_files.__doc__ or "").partition("\n\n")[2].partition("\n\nThe keys are")[0])
    (tmp_path / "support.toml").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert played(load_team(tmp_path / "support.toml")) == "paid, after triage, attempt 2"
    sys.modules.pop("desk")


def played(spec: SupervisorSpec) -> object:
    """The result of the goal of a team."""
    with simulation() as sim:
        crew = sim.start(spec)
        assert isinstance(crew, TeamRef)
        run = crew.goal()
        assert run is not None
        sim.advance(60)
        return run.get()


STAGES = """
stages:
  - name: "Test Discovery"
    agent: scout_agent
    timeout: 30s
    on_failure: stop
  - name: "Risk Assessment"
    agent: risk_analyzer
    timeout: 10s
    on_failure: continue_with_warning
  - name: "Test Execution"
    agent: test_runner
    timeout: 300s
    on_failure: retry_once
    parallel: 4
  - name: "Result Analysis"
    agent: analyzer
    timeout: 20s
"""

HIERARCHY = """
commander: mission_control
squad_leaders:
  functional_testing:
    workers: [ui_tester, api_tester]
  security_testing:
    workers: [{ can: scan }]
"""

ORCHESTRA = """
sections:
  preparation:
    agents: [provisioner, seeder]
    pattern: "Sequential"
  execution:
    agents: [ui_tester, api_tester]
    pattern: "Parallel"
    timeout: 5m
failure_handling:
  agent_failure: retry_then_skip
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            STAGES,
            pipeline(
                stage("Test Discovery", "scout_agent", timeout=30.0),
                stage("Risk Assessment", "risk_analyzer", timeout=10.0, on_failure="continue_with_warning"),
                stage("Test Execution", "test_runner", timeout=300.0, on_failure="retry_once", parallel=4),
                stage("Result Analysis", "analyzer", timeout=20.0),
            ),
            id="stages",
        ),
        pytest.param(
            HIERARCHY,
            command(
                "mission_control",
                {"functional_testing": ["ui_tester", "api_tester"], "security_testing": [can("scan")]},
                policy=collect(),
            ),
            id="hierarchy",
        ),
        pytest.param(
            ORCHESTRA,
            sequential(
                step(
                    sequential(
                        step("provisioner", name="provisioner", attempts=2, on_failure="skip"),
                        step("seeder", name="seeder", attempts=2, on_failure="skip"),
                    ),
                    name="preparation",
                ),
                step(
                    parallel(
                        {
                            "ui_tester": step("ui_tester", name="ui_tester", attempts=2, on_failure="skip"),
                            "api_tester": step("api_tester", name="api_tester", attempts=2, on_failure="skip"),
                        },
                        policy=collect(),
                    ),
                    name="execution",
                    timeout=300.0,
                ),
            ),
            id="sections",
        ),
        pytest.param(
            "branches: {a: x, b: {agent: y, timeout: 500ms}}\naggregator: z\npolicy: {quorum: 1}\nwithin: 2",
            parallel({"a": "x", "b": step("y", timeout=0.5)}, merge="z", policy=quorum(1), within=2.0),
            id="branches",
        ),
        pytest.param(
            "branches: [x, y]\npolicy: fail_fast", parallel({"x": "x", "y": "y"}, policy=fail_fast()), id="list"
        ),
        pytest.param(
            "root: boss\nsynthesize: writer\ndelegation_rules:\n"
            "- {parent: boss, children: [a, b], condition: {field: research}}\n- {parent: a, children: [c]}",
            hierarchical(
                "boss",
                rules=[
                    delegation("boss", ["a", "b"], when=Condition(field="research")),
                    delegation("a", ["c"]),
                ],
                synthesize="writer",
                policy=collect(),
            ),
            id="delegation rules",
        ),
        pytest.param(
            "producer: p\ngate: {reviewers: [a, b], approval: c}\nmax_rounds: 2",
            quality_gate("p", multi_stage_review({"a": "a", "b": "b"}, "c", policy=collect()), max_rounds=2),
            id="gate",
        ),
        pytest.param("producer: p\nreviewer: r", refine("p", "r"), id="refine"),
        pytest.param("topic: order.received\ndeadline: 1m", event_driven("order.received", deadline=60.0), id="topic"),
    ],
)
def test_every_pattern_of_a_file_is_the_one_of_its_builder(text: str, expected: Pattern) -> None:
    """Guards the shapes of the documents: stages, hierarchies, sections, branches, rules and gates."""
    assert parse_pattern(yaml.safe_load(text)) == expected


BAD = f"""
team: desk
startegy: one_for_one
max_restarts: -1
max_hops: many
roles:
  - {{name: specialist, max_member: 2}}
  - {{description: nobody}}
members:
  - {{id: triage, work: "{HERE}:ecko"}}
  - {{id: billing, work: "{HERE}:add_one", role: specialists, backof: 1}}
  - {{id: tech, work: "{HERE}:double", role: specialist, restart: sometimes, capabilities: [outage]}}
  - {{id: tech, work: "{HERE}:echo", accepts: "{HERE}:NUMBER"}}
  - {{work: nowhere}}
  - 7
handoffs:
  - {{from_role: triage, to_role: specialst, trigger: 5}}
goal:
  steps:
    - traige
    - {{agent: {{can: outrage}}, timeout: 30 parsecs}}
    - {{agent: tech, on_failure: explode, wehn: x}}
    - {{agnet: tech}}
    - {{stages: [{{name: Look, agent: teck, parallel: 0}}]}}
    - {{branches: {{a: tech}}, policy: most}}
    - {{agent: tech, when: "no_such_module:x"}}
    - {{agent: tech, when: {{field: a, op: "~", value: 1}}}}
"""


def test_every_fault_comes_at_once_with_its_place_and_the_nearest_name() -> None:
    """Guards bad files: one look at the account is enough to mend all of it."""
    with pytest.raises(SpecError) as caught:
        parse_team(yaml.safe_load(BAD))
    told = {(fault.path, fault.message.partition(": ")[0]): fault.message for fault in caught.value.faults}
    expected = {
        ("desk", "startegy"): "did you mean 'strategy'?",
        ("desk", "max_restarts"): "must be >= 0, got",
        ("desk", "max_hops"): "must be an integer >= 0",
        ("desk/roles/specialist", "max_member"): "did you mean 'max_members'?",
        ("desk/roles/[1]", "name"): "is missing",
        ("desk/members/triage", "work"): "has no 'ecko'",
        ("desk/members/billing", "role"): "no role 'specialists'; did you mean 'specialist'?",
        ("desk/members/billing", "backof"): "did you mean 'backoff'?",
        ("desk/members/tech", "restart"): "'permanent', 'transient' or 'temporary'",
        ("desk/members/tech", "accepts"): "NUMBER is int, expected a function",
        ("desk/members/tech", "id"): "2 members have it",
        ("desk/members/[4]", "id"): "is missing",
        ("desk/members/[4]", "work"): "must have the form 'module:name'",
        ("desk/members/[5]", "must be a mapping, got 7"): "",
        ("desk/handoffs/[0]", "to_role"): "did you mean 'specialist'?",
        ("desk/handoffs/[0]", "trigger"): "must be the name of one, got 5",
        ("desk/goal/steps/traige", "'traige' is not in the team; did you mean 'triage'?"): "",
        ("desk/goal/steps/[1]", "can"): "no member has the capability 'outrage'; did you mean 'outage'?",
        ("desk/goal/steps/[1]", "timeout"): "a string such as '30s'",
        ("desk/goal/steps/[2]", "on_failure"): "continue_with_warning",
        ("desk/goal/steps/[2]", "wehn"): "did you mean 'when'?",
        ("desk/goal/steps/[3]", "a pattern needs one of steps, stages"): "",
        ("desk/goal/steps/[4]/stages/Look", "'teck' is not in the team; did you mean 'tech'?"): "",
        ("desk/goal/steps/[4]/stages/Look", "parallel"): "must be an integer >= 1",
        ("desk/goal/steps/[5]", "policy"): "collect, fail_fast, first",
        ("desk/goal/steps/[6]", "when"): "No module named 'no_such_module'",
        ("desk/goal/steps/[7]/when", "op"): "'contains'",
    }
    for (path, start), text in expected.items():
        found = [message for (place, _), message in told.items() if place == path and message.startswith(start)]
        assert found, f"nothing starts with {start!r} at {path}: {[m for (p, _), m in told.items() if p == path]}"
        assert any(text in message for message in found), (path, found)
    assert len(caught.value.faults) == len(expected), "\n".join(map(str, caught.value.faults))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "team/goal: a pattern needs one of"),
        ({"steps": ["a"], "stages": []}, "got steps and stages"),
        ({"step": ["a"]}, "got 'step': did you mean 'steps'?"),
        ({"steps": []}, "has no steps"),
        ({"steps": [""]}, "'' is not in the team"),
        ({"steps": ["idle"]}, "'idle' has no members"),
        ({"steps": [3]}, "must be a name"),
        ({"steps": [{"can": 3}]}, "can: must be the name of a capability"),
        ({"steps": [{"can": "x", "cant": "y"}]}, "cant: unknown key; did you mean 'can'?"),
        ({"branches": {"a": "a"}, "within": "soon"}, "within: must be seconds"),
        ({"branches": {"a": "a"}, "policy": {"quorum": 0}}, "a quorum must be an integer >= 1, got 0"),
        ({"branches": {"a": "a"}, "policy": {"quorum": 2}}, "can never be reached"),
        ({"commander": "a", "squad_leaders": {"b": ["a"]}}, "squad_leaders/b: must be a mapping with the keys workers"),
        (
            {"commander": "a", "squad_leaders": {"zoe": {"workers": ["b"]}}},
            "squad_leaders/zoe: 'zoe' is not in",
        ),
        ({"root": "a", "delegation_rules": [{"parent": "a", "children": ["a"]}]}, "it is a loop: a -> a"),
        ({"sections": {"x": {"agents": ["a"], "pattern": "chaotic"}}}, "pattern: must be 'sequential'"),
        ({"sections": {"x": {"agents": ["a"], "pattern": "Parallel"}}, "failure_handling": {"agent": 1}}, "agent: unk"),
        ({"topic": "order.recieved"}, "topic: 'order.recieved' has no subscriber; there is none"),
        ({"producer": "a", "gate": "b", "max_rounds": "3"}, "max_rounds: must be an integer >= 1, got '3'"),
    ],
)
def test_a_goal_that_cannot_be_is_refused_with_its_place(values: dict[str, Any], message: str) -> None:
    """Guards each shape against what is typed wrong."""
    members = [{"id": id, "work": f"{HERE}:echo"} for id in ("a", "b")]
    with pytest.raises(SpecError) as caught:
        parse_team({"team": "team", "roles": [{"name": "idle"}], "members": members, "goal": values})
    assert message in str(caught.value)


def test_a_goal_that_publishes_is_reached_when_the_chain_has_ended() -> None:
    """Guards the whole way of an event, from a file to the outcome of its chain."""
    text = ORDER + '\n[goal]\ninput = 7\ntopic = "order.received"\n'
    outcome: Any = played(parse_team(tomllib.loads(text)))
    assert outcome.status == "completed"


@pytest.mark.parametrize(
    ("written", "meant"),
    [("30s", 30.0), ("500ms", 0.5), ("5m", 300.0), ("5 min", 300.0), ("1.5h", 5400.0), (2, 2.0), (0.5, 0.5)],
)
def test_times_are_read_as_people_write_them(written: object, meant: float) -> None:
    """Guards the units."""
    assert seconds(written) == meant


@pytest.mark.parametrize(
    "written", ["soon", "", "s", "-1s", "30 parsecs", 0, -1, True, float("inf"), float("nan"), None]
)
def test_a_bad_time_is_refused(written: object) -> None:
    """Guards limits that would be none."""
    with pytest.raises(ValueError, match="must be seconds above 0"):
        seconds(written)


KEYS = st.sampled_from(
    [
        *(
            "team",
            "members",
            "roles",
            "handoffs",
            "goal",
            "strategy",
            "max_hops",
            "id",
            "work",
            "role",
            "count",
            "input",
        ),
        *("capabilities", "name", "from_role", "to_role", "trigger", "steps", "stages", "branches", "agent", "can"),
        *("timeout", "on_failure", "when", "root", "delegation_rules", "parent", "children", "commander", "pattern"),
        *("choreographies", "event_handlers", "starts", "ends", "emits", "undo", "topic", "subscribes", "deadline"),
        *("squad_leaders", "workers", "sections", "agents", "gate", "producer", "reviewer", "reviewers", "policy"),
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.floats()
    | st.sampled_from(["a", "b", "", f"{HERE}:echo", f"{HERE}:NUMBER", ":", "30s", "/", "stop", "sequential"]),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=5),
    max_leaves=25,
)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_whatever_a_file_holds_it_is_a_team_or_a_spec_error(values: dict[str, Any]) -> None:
    """Guards against a traceback in place of an account."""
    made: object
    try:
        made = parse_team(values)
    except SpecError as error:
        made = error.faults
    assert made
    assert isinstance(made, SupervisorSpec | tuple)


@given(VALUES)
def test_whatever_a_pattern_holds_it_is_a_pattern_or_faults(values: Any) -> None:
    """Guards the reader of patterns in the same way."""
    try:
        made: object = parse_pattern(values, path="here")
    except SpecError as error:
        made = error.faults
    assert made


ORDER = f"""
team = "shop"

[[members]]
id = "validator"
work = "{HERE}:validate"

[[members]]
id = "inventory"
work = "{HERE}:echo"
count = 2

[[members]]
id = "restock"
work = "{HERE}:echo"

[[choreographies]]
name = "order"
starts = "order.received"
ends = ["inventory.confirmed"]
deadline = "5m"

[choreographies.event_handlers]
"order.received" = "validator"
"order.validated" = [
    {{ agent = "inventory-1", undo = "restock", emits = "inventory.confirmed", attempts = 2, timeout = "30s" }},
    "inventory-2",
]
"""


def test_a_choreography_in_a_file_is_the_one_of_its_builder() -> None:
    """Guards event handlers: topics, members, what undoes them, and the chain as a whole."""
    expected = team(
        "shop",
        member("validator", players.validate),
        member("inventory", players.echo, count=2),
        member("restock", players.echo),
        choreographies=[
            choreography(
                "order",
                on("order.received", "validator"),
                on(
                    "order.validated",
                    "inventory-1",
                    undo="restock",
                    emits="inventory.confirmed",
                    attempts=2,
                    timeout=30.0,
                ),
                on("order.validated", "inventory-2"),
                starts="order.received",
                ends=["inventory.confirmed"],
                deadline=300.0,
            )
        ],
    )
    assert parse_team(tomllib.loads(ORDER)) == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '= "validator"\n"order',
            '= "validater"\n"order',
            "order/event_handlers/order.received: agent: no member 'validater'; did you mean",
        ),
        ('undo = "restock"', 'undo = "restok"', "event_handlers/order.validated: undo: no member 'restok'"),
        ('"inventory-2",', '"inventory",', "agent: no member 'inventory'; did you mean 'inventory-2'?"),
        ('"order.received" = ', '"order received" = ', "order received: a pattern is a topic"),
        (
            'emits = "inventory.confirmed"',
            'emits = "inventory.confirmd"',
            "order.validated: emits: 'inventory.confirmd' has no subscriber; did you mean 'inventory.confirmed'?",
        ),
        ('starts = "order.received"', 'starts = "order.recieved"', "starts: 'order.recieved' has no subscriber; did"),
        ("emits =", "emit =", "emit: unknown key; did you mean 'emits'?"),
        ('timeout = "30s"', 'timeout = "soon"', "timeout: must be seconds"),
        ('deadline = "5m"', "deadline = 0", "deadline: must be seconds"),
        ("starts =", "start =", "start: unknown key; did you mean 'starts'?"),
    ],
)
def test_a_choreography_that_cannot_be_is_refused_with_its_place(old: str, new: str, message: str) -> None:
    """Guards topics and members that are typed wrong."""
    assert old in ORDER
    with pytest.raises(SpecError) as caught:
        parse_team(tomllib.loads(ORDER.replace(old, new)))
    assert message in str(caught.value)


@pytest.mark.parametrize("name", [3, "", None])
def test_a_handoff_between_things_that_are_not_names_reports_all_faults(name: Any) -> None:
    """Guards against faults that come one at a time."""
    rule = {"from_role": "nobody", "to_role": name, "trigger": 4}
    with pytest.raises(SpecError) as caught:
        parse_team({"team": "desk", "members": [{"id": "a", "work": f"{HERE}:echo"}], "handoffs": [rule]})
    assert [each.message.partition(":")[0] for each in caught.value.faults] == ["from_role", "to_role", "trigger"]


@pytest.mark.parametrize(
    "document",
    [
        {"members": [{"id": f"m{i}", "work": f"{HERE}:echo"} for i in range(9000)], "goal": {"steps": ["m"] * 90_000}},
        {"members": [{"id": f"m{i}", "work": f"{HERE}:echo", f"x{i}": 1} for i in range(9000)]},
        {f"key{i}": i for i in range(90_000)},
    ],
    ids=["unknown members", "unknown keys of members", "unknown keys"],
)
def test_of_many_faults_the_first_hundred_are_reported(document: dict[str, object]) -> None:
    """Each fault costs a search for the nearest name: a document of 1 MiB has room for 100,000."""
    with pytest.raises(SpecError) as caught:
        parse_team({"team": "crew", **document})
    assert len(caught.value.faults) <= 100
