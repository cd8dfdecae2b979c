"""Research in several steps, as a durable workflow: it goes on after kill -9. The agents are functions that read the
sources of a package offline; in a program of yours they call models.

Run it with: python examples/comprehensive_research.py
Run it again after it was killed, and it goes on: the runs are in research.db, in the current folder.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import supervisors
from supervisors import SupervisorSpec, start
from teams import member, role, team
from teams.workflows import EngineRef, RunFailure, do, engine, in_team, workflow

SOURCES = Path(supervisors.__file__).parent
WORDS = 30
"""What the reviewer asks for, at most."""


# Agents: functions that get a mapping, and return what JSON can say


def classify(task: dict[str, Any]) -> dict[str, Any]:
    """What is asked, and how deep to go."""
    return {"topic": task["topic"], "depth": "deep" if task["topic"] in ("errors", "functions") else "unknown"}


def gather(asked: dict[str, Any]) -> dict[str, Any]:
    """Where the sources are. The input of a role in a team has the action and what the step gets."""
    topic = asked["input"]["topic"]
    found = [
        path.name for path in sorted(SOURCES.glob("*.py")) if topic[:-1] in path.read_text(encoding="utf-8").lower()
    ]
    say(f"gathered {len(found)} files about {topic}")
    return {"topic": topic, "files": found}


def extract(asked: dict[str, Any]) -> dict[str, Any]:
    """Facts: the names of the classes or functions in each file."""
    gathered = asked["input"]
    kind = ast.ClassDef if gathered["topic"] == "errors" else ast.FunctionDef
    facts = {name: [*_names(SOURCES / name, kind)] for name in gathered["files"]}
    say(f"extracted {sum(map(len, facts.values()))} facts")
    return {"facts": {name: each for name, each in facts.items() if each}}


def analyse(facts: dict[str, list[str]]) -> dict[str, Any]:
    """Which words the names are made of."""
    words = Counter(word.lower() for names in facts.values() for name in names for word in name.split("_") if word)
    say("analysed")
    return {"names": sum(map(len, facts.values())), "common": [word for word, _ in words.most_common(5)]}


def write(asked: dict[str, Any]) -> dict[str, Any]:
    """A draft. What the reviewer said about the last one comes back with the next iteration."""
    last, analysis = asked["last"], asked["analysis"]
    text = f"{asked['topic']}: {analysis['names']} names, mostly of {', '.join(analysis['common'])}"
    if last is None:
        text += " and, as was to be expected of such a collection of sources, of a great number of further words" * 2
    approved = len(text.split()) <= WORDS
    say(f"wrote {len(text.split())} words: {'approved' if approved else 'too long'}")
    return {"text": text, "approved": approved}


def _names(path: Path, kind: type[ast.AST]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, kind):
            yield node.name  # type: ignore[attr-defined]


def say(line: str) -> None:
    """Prints a line at once: a process that is killed flushes nothing."""
    print(line, flush=True)


# The workflow

research_team = team(
    "research_team",
    role("researcher"),
    role("reader"),
    member("ann", gather, role="researcher"),
    member("bob", extract, role="reader"),
)

research = workflow(
    "comprehensive_research",
    do("classify", "classifier", input={"topic": "$input.topic"}),
    in_team(
        "research",
        "research_team",
        [{"role": "researcher", "action": "gather_info"}, {"role": "reader", "action": "extract_facts"}],
        when="$classify.depth == 'deep'",
    ),
    do("analyse", "analyst", input="$research.facts", on_skipped="skip"),
    do(
        "write",
        "writer",
        input={"topic": "$input.topic", "analysis": "$analyse", "last": "$self"},
        max_iterations=3,
        until="$self.approved",
        on_skipped="skip",
        retry=2,
    ),
    output={"topic": "$input.topic", "text": "$write.text"},
)


def engine_on(store: str) -> SupervisorSpec:
    """The engine that plays research, with its runs in this store."""
    return engine(
        "engine",
        member("classifier", classify),
        member("analyst", analyse),
        member("writer", write),
        research_team,
        research,
        store=store,
    )


tree = engine_on("sqlite:///research.db")


def main() -> int:
    with start(tree, log=False) as eng:
        assert isinstance(eng, EngineRef)
        topic = sys.argv[1] if len(sys.argv) > 1 else "errors"
        run = eng.start_workflow("comprehensive_research", {"topic": topic}, key=topic).get(timeout=10)
        try:
            say(f"result: {run.get(timeout=60)['text']}")
        except RunFailure as error:
            say(f"failed: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
