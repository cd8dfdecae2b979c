"""Workflows as mappings, and in TOML and YAML files."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from supervisors import SpecError, constant
from teams import can, pool
from teams.patterns import sequential
from teams.resilience import retry
from teams.workflows import (
    Node,
    Workflow,
    ask,
    at_least,
    continue_as_new,
    delay,
    do,
    in_team,
    load_workflow,
    nested,
    quality,
    quality_domain,
    wait,
    workflow,
    workflow_from,
)
from teams.workflows._graph.file import FORMS, METADATA, WORKFLOW

HERE = "tests.teams.workflows.graph.test_file"


class Category(BaseModel):
    category: str


class Order(BaseModel):
    items: list[str]
    sum: float
    at: str


def work(value: object) -> object:
    return value


# The two workflows of the guides, as they stand there

SUPPORT = {
    "name": "customer_support",
    "steps": [
        {"id": "classify", "agent": "classifier", "input": {"message": "$input.message"}},
        {
            "id": "process",
            "agent": "processor",
            "input": {"category": "$classify.category"},
            "condition": "$classify.category != 'spam'",
        },
        {
            "id": "respond",
            "agent": "responder",
            "input": {"category": "$classify.category", "processed": "$process.result"},
        },
    ],
}
RESEARCH = {
    "name": "comprehensive_research",
    "steps": [
        {"id": "classify", "agent": "classifier", "input": {"request": "$input.query"}},
        {
            "id": "research",
            "team": "research_team",
            "input": {"topic": "$input.query", "category": "$classify.category"},
            "workflow": [
                {"role": "researcher", "action": "gather_info"},
                {"role": "analyst", "action": "analyze"},
                {"role": "writer", "action": "draft"},
            ],
        },
        {"id": "review", "agent": "reviewer", "input": {"draft": "$research.draft"}, "max_iterations": 2},
    ],
}
PLAN = {
    "name": "plan",
    "tasks": [
        {
            "id": "task_1",
            "description": "Process customer data",
            "agent": "data_processor",
            "dependencies": [],
            "quality_domain": "ANALYTICAL",
            "estimated_duration": 5.0,
            "parallel_safe": True,
        },
        {
            "id": "task_2",
            "description": "Generate analytics report",
            "agent": "analytics_specialist",
            "dependencies": ["task_1"],
            "quality_domain": "ANALYTICAL",
            "estimated_duration": 4.0,
            "parallel_safe": False,
            "priority": "high",
        },
    ],
}

SUPPORT_TOML = """
workflow = "customer_support"

[[steps]]
id = "classify"
agent = "classifier"
input = { message = "$input.message" }

[[steps]]
id = "process"
agent = "processor"
input = { category = "$classify.category" }
condition = "$classify.category != 'spam'"

[[steps]]
id = "respond"
agent = "responder"
input = { category = "$classify.category", processed = "$process.result" }
"""
RESEARCH_YAML = """
workflow: comprehensive_research
steps:
  - id: classify
    agent: classifier
    input: {request: $input.query}
  - id: research
    team: research_team
    input: {topic: $input.query, category: $classify.category}
    workflow:
      - {role: researcher, action: gather_info}
      - {role: analyst, action: analyze}
      - {role: writer, action: draft}
  - id: review
    agent: reviewer
    input: {draft: $research.draft}
    max_iterations: 2
"""


def built_support() -> Workflow:
    return workflow(
        "customer_support",
        do("classify", "classifier", input={"message": "$input.message"}),
        do("process", "processor", input={"category": "$classify.category"}, when="$classify.category != 'spam'"),
        do("respond", "responder", input={"category": "$classify.category", "processed": "$process.result"}),
    )


def built_research() -> Workflow:
    return workflow(
        "comprehensive_research",
        do("classify", "classifier", input={"request": "$input.query"}),
        in_team(
            "research",
            "research_team",
            [
                {"role": "researcher", "action": "gather_info"},
                {"role": "analyst", "action": "analyze"},
                {"role": "writer", "action": "draft"},
            ],
            input={"topic": "$input.query", "category": "$classify.category"},
        ),
        do("review", "reviewer", input={"draft": "$research.draft"}, max_iterations=2),
    )


def written(folder: Path, values: Mapping[str, Any] | str, ending: str) -> Path:
    file = folder / f"made.{ending}"
    file.write_text(values if isinstance(values, str) else yaml.safe_dump(values), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("values", "built"), [(SUPPORT, built_support), (RESEARCH, built_research)], ids=["support", "research"]
)
@pytest.mark.parametrize("form", ["mapping", "yaml"])
def test_the_workflows_of_the_guides_are_read(values: Any, built: Any, form: str, tmp_path: Path) -> None:
    """Guards a reader who brings a workflow from there: as a mapping or in a file it is what the builders make."""
    made = workflow_from(values) if form == "mapping" else load_workflow(written(tmp_path, values, "yaml"))
    assert made == built()
    assert made.version == built().version


def test_a_workflow_of_the_guides_is_read_from_toml(tmp_path: Path) -> None:
    assert load_workflow(written(tmp_path, SUPPORT_TOML, "toml")) == built_support()


def test_a_workflow_of_the_guides_is_read_from_yaml(tmp_path: Path) -> None:
    assert load_workflow(written(tmp_path, RESEARCH_YAML, "yml")) == built_research()


def test_the_tasks_of_a_plan_are_a_dag_with_their_metadata() -> None:
    made = workflow_from(PLAN)
    assert not made.chain
    assert made.graph.levels == (("task_1",), ("task_2",))
    assert made.graph["task_1"].metadata == {
        "description": "Process customer data",
        "quality_domain": "ANALYTICAL",
        "estimated_duration": 5.0,
        "parallel_safe": True,
    }
    assert made.graph["task_2"].priority == 1


EVERYTHING = f"""
workflow = "all"
input = "{HERE}:Order"
timeout = "1h"
output = {{ first = "$a", last = "$m" }}
metadata = {{ owner = "ann" }}
execution = "hybrid"
parallel_threshold = 2

[[tasks]]
id = "a"
agent = {{ can = "fly" }}
timeout = "30s"
on_failure = "undo"
undo = "{HERE}:work"
effects = "at_most_once"
returns = "{HERE}:Category"
redact = ["card.number"]
metadata = {{ colour = "red" }}
quality = 0.9

[[tasks]]
id = "b"
agent = {{ pool = "role", route = "random" }}
each = "$input.items"
max_parallel = 3
input = ["$item", "$index"]
retry = 2

[[tasks]]
id = "c"
run = "{HERE}:work"
dependencies = ["a", "b"]
max_retries = 4
on_skipped = "skip"
undo = "undoer"

[[tasks]]
id = "d"
pattern = {{ steps = ["x", "y"] }}
retry = {{ max_retries = 3, backoff = {{ kind = "constant", initial = 1, cap = 1 }}, on = ["builtins:ValueError"] }}
max_iterations = 3
until = "$self.score > 0.9"
priority = 5

[[tasks]]
id = "e"
team = "desk"
pattern = "review"

[[tasks]]
id = "f"
workflow = "other"

[[tasks]]
id = "q"
workflow = "other"
detached = true

[[tasks]]
id = "g"
workflow = {{ workflow = "inner", steps = [{{ id = "x", agent = "y" }}] }}

[[tasks]]
id = "h"
wait = "paid"
timeout = "2m"
on_timeout = "skip"
returns = "builtins:int"

[[tasks]]
id = "i"
ask = "Pay ${{input.sum}}?"
options = ["yes", "no"]
default = "no"
person = "boss"

[[tasks]]
id = "j"
sleep = "1.5h"

[[tasks]]
id = "k"
sleep = "$input.at"

[[tasks]]
id = "l"
sleep = 3
condition = "default"

[[tasks]]
id = "p"
continue_as_new = {{ sum = "$b" }}
dependencies = ["a", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "q"]
on_skipped = "skip"

[[tasks]]
id = "m"
agent = "{HERE}:work"
each = ["x", "y"]

[[tasks]]
id = "n"
agent = "x"
quality_domain = "SERVICE"
quality_threshold = 0.7
on_low = "fail"

[[tasks]]
id = "o"
agent = "x"

[tasks.quality]
domain = {{ name = "D", criteria = {{ clear = 0.5, true = {{ at_least = 0.6, weight = 2 }} }} }}
scorers = {{ clear = "{HERE}:work", true = {{ can = "judge" }} }}
threshold = 0.7
on_low = "ask"
max_rounds = 2
person = "boss"
timeout = "5s"
"""


def test_every_key_of_a_file_is_what_its_builder_makes() -> None:
    made = workflow_from(tomllib.loads(EVERYTHING))
    several = [constant(1.0), ValueError]
    tasks: list[Node] = [
        do(
            "a",
            can("fly"),
            timeout=30,
            on_failure="undo",
            undo=work,
            effects="at_most_once",
            returns=Category,
            redact=["card.number"],
            metadata={"colour": "red", "quality": 0.9},
        ),
        do("b", pool("role", "random"), each="$input.items", max_parallel=3, input=["$item", "$index"], retry=2),
        do("c", work, after=["a", "b"], retry=4, on_skipped="skip", undo="undoer"),
        do(
            "d",
            sequential("x", "y"),
            retry=retry(3, backoff=several[0], on=(several[1],)),  # type: ignore[arg-type]
            max_iterations=3,
            until="$self.score > 0.9",
            priority=5,
        ),
        in_team("e", "desk", "review"),
        nested("f", "other"),
        nested("q", "other", detached=True),
        nested("g", workflow("inner", do("x", "y"))),
        wait("h", "paid", timeout=120, on_timeout="skip", returns=int),
        ask("i", "Pay ${input.sum}?", options=["yes", "no"], default="no", person="boss"),
        delay("j", 5400),
        delay("k", until="$input.at"),
        delay("l", 3, when="default"),
        continue_as_new("p", {"sum": "$b"}, after=[*"acdefghijklmnoq"], on_skipped="skip"),
        do("m", work, each=["x", "y"]),
        do("n", "x", quality=quality("SERVICE", threshold=0.7, on_low="fail")),
        do(
            "o",
            "x",
            quality=quality(
                quality_domain("D", clear=0.5, true=at_least(0.6, weight=2)),
                {"clear": work, "true": can("judge")},
                threshold=0.7,
                on_low="ask",
                max_rounds=2,
                person="boss",
                timeout=5,
            ),
        ),
    ]
    wanted = workflow(
        "all",
        tasks=tasks,
        input=Order,
        timeout=3600,
        output={"first": "$a", "last": "$m"},
        metadata={"owner": "ann"},
        execution="hybrid",
        parallel_threshold=2,
    )
    assert [each for each, other in zip(made.graph.nodes, wanted.graph.nodes, strict=True) if each != other] == []
    assert made == wanted
    used = {key for each in tomllib.loads(EVERYTHING)["tasks"] for key in each}
    known = {key for _, keys in FORMS.values() for key in keys} | METADATA
    assert known - used <= {"description", "parallel_safe", "estimated_duration"}
    assert tomllib.loads(EVERYTHING).keys() | {"name", "steps"} == set(WORKFLOW)


# Faults


def faults(values: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        workflow_from(values)
    return [str(each).split("\n")[0] for each in caught.value.faults]


def of_step(**values: object) -> list[str]:
    return faults({"workflow": "w", "steps": [{"id": "a", **values}]})


ONE = [{"id": "a", "agent": "x"}]
BAD: dict[str, tuple[Any, list[str]]] = {
    "unknown key": (
        {"workflow": "w", "stepss": ONE, "steps": ONE},
        ["w: stepss: unknown key; did you mean 'steps'?"],
    ),
    "unknown key of a step": (
        {"workflow": "w", "steps": [{"id": "a", "agent": "x", "conditon": "b"}]},
        ["w/a: conditon: unknown key; did you mean 'condition'?"],
    ),
    "no name": ({"steps": ONE}, ['workflow: a workflow needs the key workflow = "name"']),
    "two names": ({"workflow": "w", "name": "v", "steps": ONE}, ["w: has workflow and name"]),
    "bad name": (
        {"workflow": "a.b", "steps": ONE},
        ["workflow: name: must be a printable string without / . $ # [ ~, got 'a.b'"],
    ),
    "steps and tasks": (
        {"workflow": "w", "steps": ONE, "tasks": [{"id": "b", "agent": "x"}]},
        ["w: has steps and tasks: steps are a chain, tasks a DAG; give one of them"],
    ),
    "no steps": ({"workflow": "w"}, ["w: has no steps"]),
    "empty": ({"workflow": "w", "steps": []}, ["w: has no steps"]),
    "no list": ({"workflow": "w", "steps": {"a": 1}}, ["w: steps: must be a list of steps, got {'a': 1}", "w: has no"]),
    "no mapping": ([], ["workflow: must be a mapping with the keys workflow, name, "]),
    "no step": (
        {"workflow": "w", "steps": ["classify", *ONE]},
        ["w/steps/[0]: must be a mapping with the keys of a step, got 'classify'"],
    ),
    "no id": ({"workflow": "w", "steps": [{"agent": "x"}]}, ["w/steps/[0]: id: is missing"]),
    "no target": (
        {"workflow": "w", "steps": [{"id": "a", "agnt": "x"}]},
        [
            (
                "w/a: a step needs one of agent, run, pattern, team, workflow, wait, ask, sleep, continue_as_new; "
                "got 'agnt': did you mean"
            )
        ],
    ),
    "two targets": (
        {"workflow": "w", "steps": [{"id": "a", "agent": "x", "wait": "y"}]},
        [
            (
                "w/a: a step needs one of agent, run, pattern, team, workflow, wait, ask, sleep, continue_as_new; "
                "got agent and wait"
            )
        ],
    ),
    "dependencies in a chain": (
        {"workflow": "w", "steps": [{"id": "a", "agent": "x"}, {"id": "b", "agent": "x", "dependencies": ["a"]}]},
        ["w/b: dependencies: steps are a chain; write tasks in place of steps for a DAG"],
    ),
    "unknown dependency": (
        {
            "workflow": "w",
            "tasks": [{"id": "first", "agent": "x"}, {"id": "b", "agent": "x", "dependencies": ["frst"]}],
        },
        ["w/b: dependencies: 'frst' is not a step of the workflow; did you mean 'first'?"],
    ),
    "two retries": (
        {"workflow": "w", "steps": [{"id": "a", "agent": "x", "retry": 1, "max_retries": 1}]},
        ["w/a: has retry and max_retries; give one of them"],
    ),
    "two metadata": (
        {"workflow": "w", "steps": [{"id": "a", "agent": "x", "quality": 1, "metadata": {"quality": 1}}]},
        ["w/a: quality: stands in the step and in its metadata"],
    ),
    "team": (
        {"workflow": "w", "steps": [{"id": "a", "team": "t"}, {"id": "b", "team": "t", "workflow": [{"role": "r"}]}]},
        [
            "w/a: team: needs workflow = [{role, action}] or pattern = 'name'",
            "w/b/1: action: is missing",
        ],
    ),
    "team with another workflow": (
        {"workflow": "w", "steps": [{"id": "a", "team": "t", "workflow": "x"}]},
        ["w/a: workflow: must be a list of {role, action}, got 'x'"],
    ),
    "inner": (
        {"workflow": "w", "steps": [{"id": "a", "workflow": {"workflow": "v", "steps": [{"id": "b", "agent": ""}]}}]},
        ["v/b: '' is not in the team; give a name"],
    ),
    "name of a priority": (
        {"workflow": "w", "steps": [{"id": "a", "agent": "x", "priority": "hihg"}]},
        ["w/a: priority: no priority 'hihg'; did you mean 'high'?"],
    ),
    "function": (
        {"workflow": "w", "steps": [{"id": "a", "run": f"{HERE}:wrok"}, {"id": "b", "run": 3}]},
        [
            f"w/a: run: module '{HERE}' has no 'wrok'",
            "w/b: run: must be a function as 'module:name', got 3",
        ],
    ),
    "class as a target": (
        {"workflow": "w", "steps": [{"id": "a", "run": f"{HERE}:Category"}]},
        ["w/a: Category is a class: make it a member of the team, and name that"],
    ),
    "type": (
        {"workflow": "w", "input": 3, "steps": [{"id": "a", "agent": "x", "returns": "nowhere"}]},
        [
            "w/a: returns: must have the form 'module:name', got 'nowhere'",
            "w: input: must be a type as 'module:name', got 3",
        ],
    ),
    "times": (
        {
            "workflow": "w",
            "timeout": "soon",
            "steps": [{"id": "a", "agent": "x", "timeout": -1}, {"id": "b", "sleep": 0}],
        },
        [
            "w/a: timeout: must be seconds above 0, or a string such as '30s', '500ms' or '5m', got -1",
            "w/b: sleep: must be seconds above 0, or a string such as '30s', '500ms' or '5m', got 0",
            "w: timeout: must be seconds above 0, or a string such as '30s', '500ms' or '5m', got 'soon'",
        ],
    ),
    "retry": (
        {"workflow": "w", "steps": [{"id": "a", "agent": "x", "retry": {"max_retrys": 3}}]},
        ["w/a/retry: max_retrys: unknown key; did you mean 'max_retries'?"],
    ),
    "pool": (
        {"workflow": "w", "steps": [{"id": "a", "agent": {"pool": "x", "rout": 1}}, {"id": "b", "agent": {"x": 1}}]},
        [
            "w/a: rout: unknown key; did you mean 'route'?",
            'w/b: agent: must be a name, { can = "capability" } or { pool = "role" }, got {\'x\': 1}',
        ],
    ),
    "pattern": (
        {"workflow": "w", "steps": [{"id": "a", "pattern": {"stps": []}}]},
        ["w/a/pattern: a pattern needs one of steps, "],
    ),
    "condition": (
        {"workflow": "w", "steps": [{"id": "a", "agent": "x", "condition": "$input.x = 1"}]},
        ["w/a: condition: write == to compare (at character 10)"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_found_with_its_place(case: str) -> None:
    values, wanted = BAD[case]
    found = faults(values)
    assert len(found) == len(wanted), found
    for said, begins in zip(found, wanted, strict=True):
        assert said.startswith(begins)


def test_a_step_with_faults_does_not_make_references_to_it_faults() -> None:
    """Guards a reader of many faults: each is one that must be mended."""
    found = faults(
        {
            "workflow": "w",
            "steps": [
                {"id": "a", "agent": "x", "timeout": -1},
                {"id": "b", "agnt": "x"},
                {"id": "c", "agent": "x", "input": ["$a.x", "$b.y", "$d.z"]},
            ],
        }
    )
    assert [each.partition(":")[0] for each in found] == ["w/a", "w/b", "w/c"]


def test_workflows_within_workflows_have_a_bound() -> None:
    values: Any = "end"
    for _ in range(20):
        values = {"workflow": "w", "steps": [{"id": "a", "workflow": values}]}
    assert "nested deeper than 16 levels" in faults(values)[0]


def test_of_very_many_faults_the_first_hundred_are_told() -> None:
    """Guards the time that a broken document takes."""
    values = {"workflow": "w", "steps": [{"id": f"s{number}", "agnt": "x"} for number in range(5000)]}
    assert len(faults(values)) == 100


@pytest.mark.parametrize(
    ("content", "ending", "why"),
    [
        (b"\xff\xfe", "toml", "not UTF-8"),
        (b"\xff\xfe", "yaml", "not UTF-8"),
        (b"workflow = ", "toml", "is not TOML"),
        (b"a: b: c", "yaml", "is not YAML"),
        (b"- a\n- b\n", "yaml", "holds a list, expected the keys of a workflow"),
        (b"", "yaml", "is empty, expected the keys of a workflow"),
        (b"{}", "json", "a workflow is in a .toml, .yaml or .yml file, not '.json'"),
        (
            b"a: &a [x, x, x, x, x, x, x, x, x]\n"
            + b"".join(
                f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n".encode() for n in range(7)
            ),
            "yaml",
            "more than 100000 values",
        ),
        (b"workflow: w\nworkflow: v\n", "yaml", "duplicate key"),
        (b"workflow: !!python/object:os.system w\n", "yaml", "tag"),
    ],
    ids=["utf8", "utf8 yaml", "toml", "yaml", "list", "empty", "ending", "bomb", "duplicate", "tag"],
)
def test_a_file_that_cannot_be_read_is_refused(content: bytes, ending: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / f"w.{ending}"
    file.write_bytes(content)
    with pytest.raises(SpecError, match=why):
        load_workflow(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        load_workflow(tmp_path / "none.toml")


KEYS = st.sampled_from(sorted({key for _, keys in FORMS.values() for key in keys} | METADATA)) | st.text(max_size=3)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["$a.b", "30s", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.integers(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from(sorted(WORKFLOW)), VALUES, max_size=3),
    st.none() | st.lists(st.dictionaries(KEYS, VALUES, max_size=4) | VALUES, max_size=3),
    st.sampled_from(["steps", "tasks"]),
)
def test_any_mapping_is_a_workflow_or_typed_faults(values: dict[str, Any], steps: Any, key: str) -> None:
    """Guards the command line against any file."""
    if steps is not None:
        values[key] = steps
    try:
        made = workflow_from(values)
    except SpecError as error:
        found = error.faults
    else:
        assert workflow_from({**yaml.safe_load(made.body)}).version == made.version
        return
    assert found
