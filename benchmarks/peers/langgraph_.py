"""LangGraph: a graph of ten nodes with a saver, `durability="sync"`: the whole state is written after each node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

from benchmarks._durable import STEPS, Place, Sizes, rates_of


class State(TypedDict):
    """The state that the nodes pass on."""

    value: int


async def node(state: State) -> State:
    """One step."""
    return {"value": state["value"]}


@asynccontextmanager
async def _graph(place: Place) -> AsyncIterator[Any]:
    graph: Any = StateGraph(State)
    names = [f"s{number}" for number in range(STEPS)]
    for name in names:
        graph.add_node(name, node)
    for before, after in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(before, after)
    if place.schema is not None:
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

        async with AsyncPostgresSaver.from_conn_string(place.url) as saver:
            await saver.setup()
            yield graph.compile(checkpointer=saver)
    elif place.folder:
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

        async with AsyncSqliteSaver.from_conn_string(f"{place.folder}/langgraph.db") as saver:
            yield graph.compile(checkpointer=saver)
    else:
        from langgraph.checkpoint.memory import InMemorySaver

        yield graph.compile(checkpointer=InMemorySaver())


async def _run(graph: Any, number: int) -> None:
    await graph.ainvoke({"value": number}, {"configurable": {"thread_id": str(number)}}, durability="sync")


def one(place: Place, sizes: Sizes) -> dict[str, float]:
    """One thread of the graph after the other."""

    async def main() -> dict[str, float]:
        async with _graph(place) as graph:
            await _run(graph, -1)
            return await rates_of(sizes.seconds, lambda number: _run(graph, number))

    return asyncio.run(main())


def many(place: Place, sizes: Sizes) -> dict[str, float]:
    """All at once."""

    async def main() -> dict[str, float]:
        async with _graph(place) as graph:
            await _run(graph, -1)
        before = place.stored()  # of a closed file: the log of SQLite is folded into it
        async with _graph(place) as graph:
            cpu, began = time.process_time(), time.perf_counter()
            await asyncio.gather(*(_run(graph, number) for number in range(sizes.peer_runs)))
            wall, used = time.perf_counter() - began, time.process_time() - cpu
        steps = sizes.peer_runs * STEPS
        return {
            "runs": sizes.peer_runs,
            "rate": steps / wall,
            "cpu": used / steps * 1e6,
            "bytes": (place.stored() - before) / sizes.peer_runs,
        }

    return asyncio.run(main())


WORKS: dict[str, Callable[[Place, Sizes], dict[str, float]]] = {"one": one, "many": many}
