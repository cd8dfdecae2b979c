"""Research by an orchestrator: it plans its own tasks, checks the quality of their results, and goes on after kill -9.
The agents are functions that read the sources of a package offline. In a program of yours they call models.

Run it with: python examples/research_orchestrator.py "Which errors are there?"
Run it again after it was killed, and it goes on: the runs are in orchestrated.db, in the current folder.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import supervisors
from supervisors import SupervisorSpec, start
from teams import member
from teams.orchestration import OrchestratorRef, PhaseDone, Planned, PlanRequest, orchestrator
from teams.patterns import Revision, Synthesis
from teams.workflows import (
    Artifact,
    ArtifactMade,
    EngineRef,
    NodeComplete,
    RunFailure,
    TaskScoredLow,
    engine,
    quality_domain,
)

SOURCES = Path(supervisors.__file__).parent
KINDS: dict[str, type[ast.AST]] = {"classes": ast.ClassDef, "functions": ast.FunctionDef}
RESEARCH = quality_domain("RESEARCH", completeness=0.8)


# Agents: functions that get a mapping, and return what JSON can say


def plan(asked: PlanRequest | Revision) -> dict[str, Any]:
    """The tasks. The first draft names an agent that the team does not have: it comes back with this fault."""
    reader = "librarian"
    if isinstance(asked, Revision):
        say(f"the planner was told: {asked.feedback}")
        reader = "reader"
    return {
        "tasks": [
            {"id": "classes", "agent": reader, "description": "classes", "estimated_duration": 1},
            {"id": "functions", "agent": reader, "description": "functions", "estimated_duration": 1},
            {"id": "words", "agent": "analyst", "dependencies": ["classes", "functions"], "estimated_duration": 1},
            {"id": "report", "agent": "writer", "dependencies": ["words"], "on_low": "retry", "estimated_duration": 2},
        ]
    }


def read(asked: dict[str, Any]) -> dict[str, Any]:
    """Names in the sources, of the kind that the task says."""
    kind = KINDS[asked["task"]]
    names: list[str] = [
        node.name  # type: ignore[attr-defined]
        for path in sorted(SOURCES.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, kind)
    ]
    return {"names": names}


def analyze(asked: dict[str, Any]) -> dict[str, Any]:
    """The words that the names are made of."""
    names = [name for each in asked["results"].values() for name in each["names"]]
    words = Counter(word.lower() for name in names for word in re.findall(r"[A-Z]?[a-z]+", name))
    return {"names": len(names), "common": [word for word, _ in words.most_common(5)]}


def write(asked: dict[str, Any] | Revision) -> dict[str, Any]:
    """A report. The first one leaves the words out; the second one has the scores of the first."""
    work: Any = asked.work if isinstance(asked, Revision) else asked
    found = work["results"]["words"]
    text = f"{work['query']} There are {found['names']} names"
    if isinstance(asked, Revision):
        text += f", mostly of the words {', '.join(found['common'])}"
    return {"report": Artifact("report", f"{text}.", "text/plain")}


def completeness(result: dict[str, Any]) -> float:
    """A scorer: a number from 0 to 1. Of a report, whether it names words."""
    report = result.get("report")
    if report is None:
        return 1.0
    return 1.0 if "words" in report.data else 0.5


def conclude(asked: Synthesis) -> str:
    """One result of those of the tasks."""
    report: Any = asked.results["report"]
    return str(report["report"].data)


def say(line: str) -> None:
    """Prints a line at once: a process that is killed flushes nothing."""
    print(line, flush=True)


# The engine

research = orchestrator(
    "research", planner="planner", aggregator="chief", domain=RESEARCH, scorers=completeness, parallel_threshold=2
)


def engine_on(store: str) -> SupervisorSpec:
    """The engine with the orchestrator, with its runs in this store."""
    people = (
        member("planner", plan),
        member("reader", read, count=2),
        member("analyst", analyze),
        member("writer", write),
        member("chief", conclude),
    )
    return engine("engine", *people, research, store=store)


tree = engine_on("sqlite:///orchestrated.db")


def tell(event: object) -> None:
    """Prints an event of the stream that a person wants to know."""
    match event:
        case Planned(plan=plan):
            say(f"planned {len(plan.tasks)} tasks in {plan.rounds} rounds: {plan.execution}, {plan.detail}")
        case TaskScoredLow(task_id=task, scores=scores):
            say(f"{task} is low: {scores.score:g} of {scores.threshold:g}")
        case NodeComplete(node_id=task, quality_score=score):
            say(f"{task} is done, with a score of {score}")
        case ArtifactMade(name=name, size=size):
            say(f"artifact {name} of {size} bytes")
        case PhaseDone(number=number, phase=phase):
            say(f"phase {number} is over: {phase}")
        case _:
            pass


def main() -> int:
    query = sys.argv[1] if len(sys.argv) > 1 else "Which errors are there?"
    with start(tree, log=False) as eng:
        assert isinstance(eng, EngineRef)
        desk = OrchestratorRef(eng, "research")
        for event in desk.stream_with_artifacts(query, task_id=query):  # from the beginning, also when it goes on
            tell(event)
        try:
            found = desk.result(desk.start(query, task_id=query).get(timeout=10)).get(timeout=10)
        except RunFailure as error:
            say(f"failed: {error}")
            return 1
        say(f"result: {found.result}")
        say(f"success rate: {desk.health().get(timeout=10).success_rate}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
