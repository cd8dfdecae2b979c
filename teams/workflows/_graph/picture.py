"""Pictures of a workflow: text, Mermaid and dot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, get_args

from actors.spi import cut
from supervisors.spi import nearest
from teams.workflows._graph.node import AskPerson, ContinueRun, Detached, Nested, Node, Sleep, WaitForSignal
from teams.workflows._graph.workflow import Workflow

DrawingFormat = Literal["text", "mermaid", "dot"]
FORMATS: tuple[DrawingFormat, ...] = get_args(DrawingFormat)

_LABEL = 60
"""Characters of a line in a box."""
_COLOURS = {
    "done": "#c8e6c9",
    "running": "#bbdefb",
    "waiting": "#fff9c4",
    "failed": "#ffcdd2",
    "skipped": "#eeeeee",
    "undone": "#ffe0b2",
}
"""How the steps of a run are filled, by their state; another state has no colour."""


def picture(workflow: Workflow, format: DrawingFormat = "text", *, states: Mapping[str, str] | None = None) -> str:
    """Draws a workflow, with the state of each step of a run where `states` has it by the id of the step.

    "text" has a line for each step, by levels: steps with the same number do not depend on each other. "mermaid" and
    "dot" draw a dependency without data as a dashed line.

    Raises:
        ValueError: there is no such format
    """
    if format not in FORMATS:
        raise ValueError(f"format: there is no {format!r}; {nearest(str(format), FORMATS)}")
    return "\n".join(_DRAW[format](workflow, states or {})) + "\n"


def _text(workflow: Workflow, states: Mapping[str, str]) -> Iterator[str]:
    graph = workflow.graph
    count = len(graph.nodes)
    kind = "chain" if workflow.chain else "DAG"
    yield f"{cut(workflow.name)} ({kind}, {count} {'step' if count == 1 else 'steps'})"
    level_of = {id: str(number) for number, level in enumerate(graph.levels, 1) for id in level}
    rows = []
    for id in graph.order:
        node = graph[id]
        needs = ", ".join(graph.needs(id))
        cells = (
            level_of[id],
            id,
            states.get(id, ""),
            node.title,
            *_conditions(node),
            f"after {needs}" if needs else "",
        )
        rows.append([cut(each, _LABEL) for each in cells])
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        fixed = [cell.ljust(width) for cell, width in zip(row, widths, strict=False) if width]
        yield "  ".join(["", *fixed, *(each for each in row[4:] if each)]).rstrip()


def _conditions(node: Node) -> Iterator[str]:
    if node.when is not None:
        yield f"if {node.when}"
    if node.each is not None:
        yield f"for each of {node.each}"
    if node.max_iterations is not None:
        until = "approved" if node.until is None else f"{node.until}"
        yield f"until {until}, at most {node.max_iterations} times"


def _lines(node: Node, states: Mapping[str, str]) -> list[str]:
    """The lines in the box of a step."""
    state = [f"({states[node.id]})"] if node.id in states else []
    title = [] if node.title == node.id else [node.title]
    return [cut(each, _LABEL) for each in (node.id, *title, *_conditions(node), *state)]


def _edges(workflow: Workflow) -> Iterator[tuple[int, int, bool]]:
    """Numbers of the steps at the ends of each dependency, and whether it carries data."""
    numbers = {id: number for number, id in enumerate(workflow.graph.by_id)}
    found: dict[tuple[int, int], bool] = {}
    for edge in workflow.graph.edges:
        # Of edges with the same ends, those with data are last.
        found[numbers[edge.source], numbers[edge.to]] = edge.kind == "data"
    yield from ((source, to, data) for (source, to), data in found.items())


_ENTITIES = re.compile(r"[^\w \-.,:=!?/+()]")


def _mermaid_label(lines: list[str]) -> str:
    return "<br/>".join(_ENTITIES.sub(lambda match: f"#{ord(match[0])};", each) for each in lines)


def _mermaid(workflow: Workflow, states: Mapping[str, str]) -> Iterator[str]:
    yield "flowchart TD"
    for number, node in enumerate(workflow.graph.by_id.values()):
        begin, end = _mermaid_shape(node)
        yield f'  s{number}{begin}"{_mermaid_label(_lines(node, states))}"{end}'
    for source, to, data in _edges(workflow):
        yield f"  s{source} {'-->' if data else '-.->'} s{to}"
    for number, id in enumerate(workflow.graph.by_id):
        if (colour := _COLOURS.get(states.get(id, ""))) is not None:
            yield f"  style s{number} fill:{colour}"


def _mermaid_shape(node: Node) -> tuple[str, str]:
    match node.what:
        case WaitForSignal() | Sleep():
            return "([", "])"
        case AskPerson():
            return "{{", "}}"
        case Nested() | Detached():
            return "[[", "]]"
        case ContinueRun():
            return "[/", "/]"
    return "[", "]"


def _dot_label(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _dot(workflow: Workflow, states: Mapping[str, str]) -> Iterator[str]:
    yield f"digraph {_dot_label(cut(workflow.name))} {{"
    yield "  node [shape=box];"
    for number, node in enumerate(workflow.graph.by_id.values()):
        label = "\\n".join(_dot_label(each)[1:-1] for each in _lines(node, states))
        shape = _DOT_SHAPES.get(type(node.what), "")
        colour = _COLOURS.get(states.get(node.id, ""))
        fill = f', style=filled, fillcolor="{colour}"' if colour is not None else ""
        yield f'  s{number} [label="{label}"{shape}{fill}];'
    for source, to, data in _edges(workflow):
        yield f"  s{source} -> s{to}{'' if data else ' [style=dashed]'};"
    yield "}"


_DOT_SHAPES: Mapping[type, str] = {
    WaitForSignal: ", shape=oval",
    Sleep: ", shape=oval",
    AskPerson: ", shape=hexagon",
    ContinueRun: ", shape=parallelogram",
}
_DRAW: Mapping[DrawingFormat, Callable[[Workflow, Mapping[str, str]], Iterator[str]]] = {
    "text": _text,
    "mermaid": _mermaid,
    "dot": _dot,
}
