"""The course of a run: what may begin next. Pure."""

from __future__ import annotations

from teams.workflows._graph.graph import Graph


class GraphCourse:
    """Which steps of a graph may begin, after those that have ended. The order is that of the graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._missing = {node.id: len(graph.needs(node.id)) for node in graph.nodes}

    def begin(self) -> list[str]:
        """The steps that depend on none."""
        return [id for id, missing in self._missing.items() if not missing]

    def ended(self, id: str) -> list[str]:
        """A step has ended, or was skipped: the steps that may begin now."""
        ready = []
        for each in self._graph.needed_by(id):
            self._missing[each] -= 1
            if not self._missing[each]:
                ready.append(each)
        return ready
