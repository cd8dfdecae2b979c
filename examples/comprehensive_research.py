"""Research by a team inside a durable workflow: it goes on after kill -9. The workflow is a mapping, as in a file; the
agents are functions that read the sources of a package offline. In a program of yours they call models.

Run it with: python examples/comprehensive_research.py "Which errors are there?"
Run it again after it was killed, and it goes on: the runs are in research.db, in the current folder.
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
from teams import member, role, team
from teams.workflows import EngineRef, RunFailure, engine, workflow_from

SOURCES = Path(supervisors.__file__).parent
WORDS = 30
"""The most words that the reviewer accepts."""
KINDS: dict[str, type[ast.AST]] = {"errors": ast.ClassDef, "functions": ast.FunctionDef}
"""The definitions to look for, by the category of a query."""


# Agents: functions that get a mapping, and return what JSON can say


def classify(asked: dict[str, str]) -> dict[str, str]:
    """The category of a query: the first one that it names."""
    words = re.findall(r"\w+", asked["request"].lower())
    category = next((each for each in words if each in KINDS), "functions")
    say(f"classified as {category}")
    return {"category": category}


def gather_info(asked: dict[str, Any]) -> dict[str, Any]:
    """Names in the sources. A role of a team gets its action, and the input of the step or the result before it."""
    kind = KINDS[asked["input"]["category"]]
    names: list[str] = [
        node.name  # type: ignore[attr-defined]
        for path in sorted(SOURCES.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, kind)
    ]
    say(f"gathered {len(names)} names")
    return {"topic": asked["input"]["topic"], "names": names}


def analyze(asked: dict[str, Any]) -> dict[str, Any]:
    """The words that the names are made of."""
    gathered = asked["input"]
    words = Counter(word.lower() for name in gathered["names"] for word in re.findall(r"[A-Z]?[a-z]+", name))
    say(f"analyzed {len(words)} words")
    return {"topic": gathered["topic"], "names": len(gathered["names"]), "common": [w for w, _ in words.most_common(5)]}


def draft(asked: dict[str, Any]) -> dict[str, str]:
    """A first text, in far too many words."""
    found = asked["input"]
    text = f"{found['topic']} There are {found['names']}, mostly of the words {', '.join(found['common'])}."
    text += " This is what was to be expected of a collection of sources of this age, this size and this kind." * 2
    say(f"drafted {len(text.split())} words")
    return {"draft": text}


def review(asked: dict[str, Any]) -> dict[str, Any]:
    """Approves a text, or cuts its last sentences. Its own last result comes back with the next iteration."""
    text = asked["draft"] if asked["last"] is None else asked["last"]["draft"]
    approved = len(text.split()) <= WORDS
    say(f"reviewed {len(text.split())} words: {'approved' if approved else 'too long'}")
    return {"approved": approved, "draft": text if approved else text.partition(" This is")[0]}


def say(line: str) -> None:
    """Prints a line at once: a process that is killed flushes nothing."""
    print(line, flush=True)


# The workflow

research_workflow = workflow_from(
    {
        "name": "comprehensive_research",
        "steps": [
            {
                "id": "classify",
                "agent": "classifier",
                "input": {"request": "$input.query"},
            },
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
            {
                "id": "review",
                "agent": "reviewer",
                "input": {"draft": "$research.draft", "last": "$self"},
                "max_iterations": 2,  # until its field `approved` is true
            },
        ],
    }
)

research_team = team(
    "research_team",
    role("researcher"),
    role("analyst"),
    role("writer"),
    member("ann", gather_info, role="researcher"),
    member("bob", analyze, role="analyst"),
    member("cleo", draft, role="writer"),
)


def engine_on(store: str) -> SupervisorSpec:
    """The engine that plays research, with its runs in this store."""
    people = (member("classifier", classify), member("reviewer", review))
    return engine("engine", *people, research_team, research_workflow, store=store)


tree = engine_on("sqlite:///research.db")


def main() -> int:
    query = sys.argv[1] if len(sys.argv) > 1 else "Which errors are there?"
    with start(tree, log=False) as eng:
        assert isinstance(eng, EngineRef)
        run = eng.start_workflow("comprehensive_research", {"query": query}, key=query).get(timeout=10)
        try:
            say(f"result: {run.get(timeout=60)['draft']}")
        except RunFailure as error:
            say(f"failed: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
