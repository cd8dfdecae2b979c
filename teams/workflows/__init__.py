"""Workflows: steps that depend on each other, as values that are checked when they are built.

`workflow(...)` makes one of the steps that `do`, `in_team`, `nested`, `wait`, `ask` and `sleep` describe; a file or a
mapping says the same. A workflow is a pattern.
"""

from typing import TYPE_CHECKING

from supervisors._guard import facade

if TYPE_CHECKING:
    from teams.workflows._graph.builder import ask, do, in_team, nested, sleep, wait, workflow
    from teams.workflows._graph.file import load_workflow, workflow_from
    from teams.workflows._graph.graph import Edge, Graph
    from teams.workflows._graph.node import Node, RoleStep
    from teams.workflows._graph.picture import picture
    from teams.workflows._graph.workflow import Workflow
    from teams.workflows.errors import (
        BadExpression,
        CircularDependency,
        GraphError,
        MissingValue,
        NotComparable,
        UnknownDependency,
        WorkflowError,
    )

__all__ = [
    "BadExpression",
    "CircularDependency",
    "Edge",
    "Graph",
    "GraphError",
    "MissingValue",
    "Node",
    "NotComparable",
    "RoleStep",
    "UnknownDependency",
    "Workflow",
    "WorkflowError",
    "ask",
    "do",
    "in_team",
    "load_workflow",
    "nested",
    "picture",
    "sleep",
    "wait",
    "workflow",
    "workflow_from",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = facade(
        __name__,
        {
            "teams.workflows._graph.builder": ["ask", "do", "in_team", "nested", "sleep", "wait", "workflow"],
            "teams.workflows._graph.file": ["load_workflow", "workflow_from"],
            "teams.workflows._graph.graph": ["Edge", "Graph"],
            "teams.workflows._graph.node": ["Node", "RoleStep"],
            "teams.workflows._graph.picture": ["picture"],
            "teams.workflows._graph.workflow": ["Workflow"],
            "teams.workflows.errors": [
                "BadExpression",
                "CircularDependency",
                "GraphError",
                "MissingValue",
                "NotComparable",
                "UnknownDependency",
                "WorkflowError",
            ],
        },
    )
