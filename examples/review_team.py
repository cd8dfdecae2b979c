"""A review team: a writer, three reviewers and a gate, at work on this repository's own files.

    letitcrash run examples/review_team.py
    letitcrash run examples/review_team.py -- path/to/module.py ...

The writer writes a page of documentation for each module from its syntax tree. Three reviewers look at the page, each
for one thing: whether every public name is there, whether lines are short enough, whether the page is about the module.
What they find goes back to the writer, who mends it, three rounds at most. One reviewer crashes over modules of more
than 400 lines: it is restarted, the review goes on, and the gate takes its silence for an objection, so that such a
page is not approved.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import NamedTuple

from supervisors import constant
from teams import goal, member, role, team
from teams.patterns import Approved, Rejected, Revision, multi_stage_review, pipeline, quality_gate, sequential, stage

ROOT = Path(__file__).resolve().parent.parent
FILES = [Path(name) for name in sys.argv[1:]] or sorted((ROOT / "teams").glob("_*.py"))
WIDTH = 100
PATIENCE = 400


class Page(NamedTuple):
    """A page about a module."""

    file: Path
    text: str


def names_in(file: Path) -> dict[str, str]:
    """The public classes and functions of a module, with the first sentence of their docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            found[node.name] = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
    return found


def write(task: Path | Revision) -> Page:
    """The writer: a draft at first, a better page after each review. Reads files, so it has a thread of its own."""
    file = task.work if isinstance(task, Revision) else task
    assert isinstance(file, Path)
    last = task.previous.text if isinstance(task, Revision) and isinstance(task.previous, Page) else ""
    heard = str(task.feedback) if isinstance(task, Revision) else ""
    lines = [f"# {file.stem}"]
    for name, about in names_in(file).items():
        if name[0].islower() and "missing" not in heard and f"`{name}`" not in last:
            continue  # a first draft forgets the functions
        lines.append(f"- `{name}`: {about}"[: WIDTH if "too long" in heard or "`" in last else None])
    return Page(file, "\n".join(lines))


def complete(page: Page) -> Approved | Rejected:
    """Reviews whether every public name is on the page."""
    missing = [name for name in names_in(page.file) if f"`{name}`" not in page.text]
    return Rejected(f"missing: {', '.join(missing)}") if missing else Approved()


async def readable(page: Page) -> Approved | Rejected:
    """Reviews whether a reader gets to the end of a line."""
    long = [line[:30] for line in page.text.splitlines() if len(line) > WIDTH]
    return Rejected(f"too long: {'; '.join(long)}") if long else Approved()


def true(page: Page) -> Approved | Rejected:
    """Reviews whether the page is about this module. Crashes over one that is too long to be judged."""
    lines = page.file.read_text(encoding="utf-8").count("\n")
    assert lines <= PATIENCE, f"{page.file.name} has {lines} lines"
    return Approved() if page.text.startswith(f"# {page.file.stem}") else Rejected("it is about something else")


def bind(pages: list[object]) -> str:
    """The summary of the pages."""
    written = [page for page in pages if isinstance(page, Page)]
    lines = sum(len(page.text.splitlines()) for page in written)
    return f"{len(written)} of {len(FILES)} pages approved, {lines} lines; not approved: {len(pages) - len(written)}"


reviewed = quality_gate("writer", multi_stage_review(["complete", "readable", "true"]), max_rounds=3)

tree = team(
    "review",
    role("author"),
    role("reviewer", max_members=3),
    member("writer", write, role="author", count=2),
    *(
        member(each.__name__, each, role="reviewer", backoff=constant(0.01), max_restarts=100)
        for each in (complete, readable, true)
    ),
    goal=goal(sequential(pipeline(stage("page", reviewed, parallel=2, on_failure="skip")), bind), FILES),
)
