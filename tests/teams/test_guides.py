"""The mappings of other guides as data (tests/teams/documents), each run by an engine with functions as agents.

The files hold what the guides hold: a name of Python such as `QualityDomain.ANALYTICAL` is a string there, and a list
of objects is the list of their names. Where a guide has another name for a key, the test renames it and nothing else.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from actors.testing import simulation
from supervisors import SupervisorSpec
from teams import Emit, member, parse_team, role, team
from teams.planning import plan
from teams.protocols import Event
from teams.workflows import (
    EngineConfig,
    RunFailure,
    Workflow,
    WorkflowRun,
    engine,
    load_workflow,
    routing,
    rule,
    workflow_from,
)
from teams.workflows._engine.parts import settings_of
from tests.documents import as_yaml
from tests.teams.workflows.cast import Scene, played

FOLDER = Path(__file__).parent / "documents"
Agent = Callable[[Any], Any]


def data(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def says(name: str) -> Agent:
    """An agent that tells its name and what it got."""
    return lambda given: {"by": name, "of": given}


def people(names: Iterable[str], **agents: Agent) -> list[Any]:
    """Members with these names; those without a function of their own tell what they got."""
    return [member(name, agents.get(name) or says(name)) for name in dict.fromkeys(names)]


def agents_of(flow: Workflow) -> list[str]:
    return [str(part) for part in flow.parts() if isinstance(part, str)]


def order(run: WorkflowRun) -> list[str]:
    """The steps in the order in which they ended."""
    return [each.step for each in run.history().get() if each.kind == "done"]


def renamed(values: Mapping[str, Any], **names: str) -> dict[str, Any]:
    """The mapping with other keys."""
    return {names.get(key, key): each for key, each in values.items()}


# The orchestration strategies guide


def test_the_example_plan_runs_and_has_the_figures_of_the_guide() -> None:
    said = data("example_plan")
    flow = workflow_from({"workflow": "example_plan", "tasks": said["tasks"]})
    planned = plan(flow)
    assert list(planned.critical_path) == said["critical_path"]
    assert planned.estimated_total_time == said["estimated_total_time"]
    assert planned.estimated_parallel_time == 9.0  # the guide says 5.0, but the second task needs the first
    assert {each.id: each.quality_domain for each in planned.tasks} == {"task_1": "ANALYTICAL", "task_2": "ANALYTICAL"}
    with played(*people(agents_of(flow)), flow) as scene:
        run = scene.start("example_plan", "customers")
        assert run.get(timeout=1_000) == {
            "by": "analytics_specialist",
            "of": {"task_1": {"by": "data_processor", "of": "customers"}},
        }


def test_the_custom_dependencies_run_in_waves() -> None:
    tasks = [{"id": name, "agent": name, "dependencies": needs} for name, needs in data("custom_dependencies").items()]
    flow = workflow_from({"workflow": "custom", "tasks": tasks, "execution": "levels"})
    assert flow.graph.levels == (("data_processing", "notification"), ("analytics",), ("reporting",), ("archival",))
    with played(*people(agents_of(flow)), flow) as scene:
        run = scene.start("custom")
        run.get(timeout=1_000)
        assert order(run)[2:] == ["analytics", "reporting", "archival"]


def test_the_environment_of_the_guide_configures_an_engine() -> None:
    lines = (FOLDER / "environment.sh").read_text(encoding="utf-8").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    environ = dict(each[1].split("=", 1) for each in words if each[:1] == ["export"])
    assert len(environ) == 7
    config = EngineConfig.load(environ=environ)
    assert (config.execution, config.parallel_threshold, config.quality_domain) == ("ready", 3, "GENERIC")
    assert config.tracing
    assert len(config.remarks) == 1
    flow = workflow_from(data("customer_support"))
    assert settings_of(engine("e", flow, *people(agents_of(flow)), **config.options)).tracing


# The multi-agent orchestration guide


def test_the_document_pipeline_of_the_guide_hands_results_on() -> None:
    names = data("guide_001")["document_intelligence"]
    flow = workflow_from({"workflow": "documents", "steps": [{"id": each, "agent": each} for each in names]})
    with played(*people(names), flow) as scene:
        result = scene.result("documents", "scan")
        by = []
        while isinstance(result, dict):
            by.append(result["by"])
            result = result["of"]
        assert (by[::-1], result) == (names, "scan")


def test_the_market_agents_of_the_guide_work_at_once() -> None:
    names = data("guide_001")["market_intelligence"]
    tasks = [{"id": each, "agent": each} for each in names]
    flow = workflow_from({"workflow": "market", "tasks": tasks})
    with played(*people(names), flow) as scene:
        assert scene.result("market", "query") == {each: {"by": each, "of": "query"} for each in names}


def test_the_master_of_the_guide_gives_work_to_its_workers() -> None:
    said = data("guide_001")["business_intelligence"]
    master, workers = said["master_agent"], said["worker_agents"]
    tasks: list[Any] = [{"id": "analyze", "agent": master}]
    tasks += [{"id": kind, "agent": agent, "input": f"$analyze.{kind}"} for kind, agent in workers.items()]
    tasks += [{"id": "synthesize", "agent": master, "input": {kind: f"${kind}.by" for kind in workers}}]
    flow = workflow_from({"workflow": "business", "tasks": tasks})

    def lead(given: Any) -> Any:
        return {kind: f"{kind} of {given}" for kind in workers} if given == "firm" else given

    with played(*people([master, *workers.values()], **{master: lead}), flow) as scene:
        assert scene.result("business", "firm") == workers


def test_the_stages_of_the_guide_process_batches() -> None:
    stages = data("guide_001")["market_pipeline"]
    steps = [
        {"id": name, "agent": agent, **({"each": "$Clean", "input": "$item"} if parallel else {})}
        for name, agent, parallel in stages
    ]
    agents: dict[str, Agent] = {agent: lambda given: given for _, agent, _ in stages}
    agents["DataEnrichmentAgent"] = lambda item: item * 2
    agents["AnalysisAgent"] = sum
    flow = workflow_from({"workflow": "pipeline", "steps": steps})
    with played(*(member(name, lambda given, work=work: work(given)) for name, work in agents.items()), flow) as scene:
        assert scene.result("pipeline", [1, 2, 3]) == 12


# The guide on patterns of orchestration


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("sequential_pipeline", [["1"], ["2"], ["3"], ["4"], ["5"]]),
        ("parallel_fan_out", [["arch_001"], ["dev_frontend", "dev_backend", "dev_database"], ["integration"]]),
        ("multi_stage_review", [["dev_001"], ["security_review", "perf_review", "code_review"], ["final_approval"]]),
        ("emergency_fast_track", [["emergency_analysis"], ["emergency_fix"], ["smoke_test"]]),
    ],
)
def test_the_tasks_of_the_guide_run_in_its_waves(name: str, levels: list[list[str]]) -> None:
    tasks = [renamed(each, agent_type="agent", input_data="input") for each in data("guide_003")[name]]
    flow = workflow_from({"workflow": name, "tasks": tasks})
    assert [list(each) for each in flow.graph.levels] == levels
    with played(*people(agents_of(flow)), flow) as scene:
        run = scene.start(name, "feature")
        result = run.get(timeout=1_000)
        assert sorted(order(run)) == sorted(flow.graph.by_id)
        assert result["by"] == tasks[-1]["agent"]
        given = tasks[-1].get("input") or dict.fromkeys(tasks[-1]["dependencies"])
        assert result["of"].keys() == given.keys()
        if "input" in tasks[-1]:
            assert result["of"] == given
        else:
            assert {each["by"] for each in result["of"].values()} == {
                each["agent"] for each in tasks if each["id"] in given
            }


# The guide of the agent framework


def forms(name: str, folder: Path) -> list[Workflow]:
    """The workflow in a file as a mapping, in YAML, and in TOML."""
    values = data(name)
    (folder / "it.yaml").write_bytes(as_yaml(values))
    (folder / "it.toml").write_text(as_toml(values), encoding="utf-8")
    return [workflow_from(values), load_workflow(folder / "it.yaml"), load_workflow(folder / "it.toml")]


def as_toml(values: Mapping[str, Any]) -> str:
    def said(value: Any) -> str:
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{key} = {said(each)}" for key, each in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(said, value)) + "]"
        return json.dumps(value)

    return "".join(f"{key} = {said(each)}\n" for key, each in values.items())


@pytest.mark.parametrize(("message", "category"), [("Help with my order", "order"), ("You are a winner", "spam")])
def test_customer_support_of_the_guide_runs(tmp_path: Path, message: str, category: str) -> None:
    flow, *others = forms("customer_support", tmp_path)
    assert others == [flow, flow]
    agents: dict[str, Agent] = {
        "classifier": lambda given: {"category": "spam" if "winner" in given["message"] else "order"},
        "processor": lambda given: {"result": f"{given['category']} found"},
        "responder": lambda given: given,
    }
    with played(*people(agents, **agents), flow) as scene:
        run = scene.start("customer_support", {"message": message})
        processed = None if category == "spam" else "order found"
        assert run.get(timeout=1_000) == {"category": category, "processed": processed}
        assert order(run) == ["classify", *([] if category == "spam" else ["process"]), "respond"]
        assert run.status().get().percentage == 100.0


def research_team(**agents: Agent) -> SupervisorSpec:
    work = {"researcher": says("researcher"), "analyst": says("analyst"), "writer": says("writer"), **agents}
    members = [member(f"{name}-1", each, role=name) for name, each in work.items()]
    return team("research_team", *map(role, work), *members)


def test_comprehensive_research_of_the_guide_runs(tmp_path: Path) -> None:
    flow, *others = forms("comprehensive_research", tmp_path)
    assert others == [flow, flow]
    reviews: list[Any] = []

    def review(given: Any) -> Any:
        reviews.append(given)
        return {"approved": len(reviews) == 2, "final_report": f"{given['draft']}, reviewed"}

    crew = research_team(writer=lambda given: {"draft": f"{given['action']} of {given['input']['by']}"})
    classifier = member("classifier", lambda given: {"category": given["request"][:7]})
    with played(classifier, member("reviewer", review), crew, flow) as scene:
        run = scene.start("comprehensive_research", {"query": "Analyze the impact of AI on healthcare in 2024"})
        assert run.get(timeout=1_000)["final_report"] == "draft of analyst, reviewed"
        assert order(run) == [
            "classify",
            *(f"research/{each}" for each in ("gather_info", "analyze", "draft")),
            "review",
            "review#2",
        ]


def test_research_that_is_not_approved_in_its_iterations_fails() -> None:
    flow = workflow_from(data("comprehensive_research"))
    crew = research_team(writer=lambda given: {"draft": "text"})
    reject = member("reviewer", lambda given: {"approved": False})
    classifier = member("classifier", lambda given: {"category": "x"})
    with (
        played(classifier, reject, crew, flow) as scene,
        pytest.raises(RunFailure, match="not approved after 2 rounds"),
    ):
        scene.result("comprehensive_research", {"query": "q"})


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"priority": "high", "task": "urgent_analysis"}, ["backup_processor", "fast_processor"]),
        ({"priority": "low", "type": "complex"}, ["coordinator"]),
        ({"type": "simple"}, ["standard_processor"]),
    ],
)
def test_the_routing_rules_of_the_guide_choose_the_pattern(given: dict[str, str], wanted: list[str]) -> None:
    rules = data("guide_004")["rules"]
    route = routing("route", *(rule(**renamed(each, condition="when")) for each in rules))
    names = [name for each in rules for name in [*each.get("agents", ()), *([each["root"]] if "root" in each else [])]]
    with played(*people(names), route) as scene:
        run = scene.start("route", given)
        run.get(timeout=1_000)
        assert sorted(agents_asked(scene, run) & set(names)) == wanted


def agents_asked(scene: Scene, run: WorkflowRun) -> set[str]:
    """To what the steps of a run were given."""
    return {json.loads(each.body) for each in run.history().get() if each.kind == "began" and each.body is not None}


def test_the_sequential_pattern_of_the_guide_runs() -> None:
    said = data("guide_004")["sequential"]
    names = [each["agent"] for each in said["steps"]]
    steps = []
    for number, each in enumerate(said["steps"]):
        given = "$previous.text" if number else f"$input.{each['input_key']}"
        steps.append({"id": each["agent"], "agent": each["agent"], "input": {each["input_key"]: given}})
    agents: dict[str, Agent] = {name: lambda given: {"text": [*given, *given.values()]} for name in names}
    flow = workflow_from({"workflow": said["name"], "steps": steps})
    with played(*people(names, **agents), flow) as scene:
        result = scene.result("document_processing", {"document": "page"})
        assert result == {"text": ["summary", ["analysis", ["extracted_data", ["document", "page"]]]]}


def test_the_parallel_pattern_of_the_guide_runs() -> None:
    said = data("guide_004")["parallel"]
    tasks = [
        {"id": each["agent"], "agent": each["agent"], "input": {each["input_key"]: f"$input.{each['input_key']}"}}
        for each in said["branches"]
    ]
    names = [each["agent"] for each in tasks]
    tasks.append({"id": "merge", "agent": said["aggregator"], "dependencies": names})
    flow = workflow_from({"workflow": said["name"], "tasks": tasks})
    with played(*people([*names, said["aggregator"]]), flow) as scene:
        result = scene.result("multi_analysis", {"text": "words"})
        assert result["by"] == "result_merger"
        assert result["of"] == {name: {"by": name, "of": {"text": "words"}} for name in names}


BOTH = ("requires_research", "requires_report")


@pytest.mark.parametrize("wanted", [BOTH[:1], BOTH[1:], BOTH])
def test_the_delegation_rules_of_the_guide_choose_the_children(wanted: tuple[str, ...]) -> None:
    said = data("guide_004")["hierarchical"]
    tasks: list[Any] = [{"id": "root", "agent": said["root_agent"], "input": "$input"}]
    for each in said["delegation_rules"]:
        tasks += [
            {"id": child, "agent": child, "condition": f"{each['condition']} == true", "dependencies": ["root"]}
            for child in each["children"]
        ]
    flow = workflow_from({"workflow": said["name"], "tasks": tasks})
    with played(*people(agents_of(flow)), flow) as scene:
        run = scene.start("research_team", dict.fromkeys(wanted, True))
        run.get(timeout=1_000)
        asked = [
            child
            for each in said["delegation_rules"]
            if each["condition"].removeprefix("task.") in wanted
            for child in each["children"]
        ]
        assert sorted(order(run)) == sorted(["root", *asked])


TOPICS = [*data("guide_004")["choreography"]["event_handlers"], "order.shipped"]
HEARD: list[tuple[str, Any]] = []


def hears(event: Event) -> Emit:
    """A member of the choreography: it goes on with the next event."""
    number: Any = event.payload
    HEARD.append((event.topic, number))
    return Emit(TOPICS[TOPICS.index(event.topic) + 1], number + 1)


def test_the_choreography_of_the_guide_goes_from_agent_to_agent() -> None:
    said = data("guide_004")["choreography"]
    chain = {"name": said["name"], "event_handlers": said["event_handlers"], "starts": TOPICS[0], "ends": TOPICS[-1]}
    members = [{"id": name, "work": "tests.teams.test_guides:hears"} for name in said["agents"]]
    shop = parse_team({"team": "shop", "members": members, "choreographies": [chain]})
    HEARD.clear()
    with simulation() as sim:
        crew: Any = sim.start(shop)
        crew.topics.publish(TOPICS[0], 1).get()
        sim.advance(10.0)
    assert list(zip(TOPICS, [1, 2, 3, 4], strict=False)) == HEARD


def test_the_team_workflow_of_the_guide_runs_as_a_step() -> None:
    said = data("guide_004")
    step = {"id": "work", "team": "research_team", "workflow": said["team_workflow"]}
    flow = workflow_from({"workflow": "trends", "steps": [step]})
    with played(research_team(), flow) as scene:
        run = scene.start("trends", said["team_input"])
        result = run.get(timeout=1_000)
        assert (result["by"], result["of"]["action"]) == ("writer", "create_report")
        assert order(run) == ["work/gather_data", "work/analyze_data", "work/create_report"]


def test_the_engine_config_of_the_guide_is_that_of_an_engine() -> None:
    config = EngineConfig.load(environ={}, **data("guide_004")["config"])
    flow = workflow_from({"workflow": "w", "steps": [{"id": "a", "sleep": 1}]})
    settings = settings_of(engine("e", flow, **config.options))
    assert (settings.max_concurrent_workflows, settings.default_timeout, settings.tracing) == (100, 300.0, True)
