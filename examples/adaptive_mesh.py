"""An adaptive mesh: crawlers without a leader share a site, its pages and a rate-limited line to it.

    letitcrash run examples/adaptive_mesh.py

Every crawler looks at what is known of the site and decides for itself which page to read next. It announces that to
its peers and waits for objections, so that no page is read by two at a time. Reading a page takes a place on the line:
30 a second, two at once, all or nothing, given back when the crawler ends. What a page links to becomes known to all,
so the work grows while it is done. One crawler crashes now and then; the others take over what it left.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

from actors import Actor
from supervisors import child, constant, supervisor
from teams import SharedStateRef
from teams.protocols import Behaviour, MeshMove, mesh, rest
from teams.resilience import ResourcePool, Resources, resources

SITE = {f"/{number}": [f"/{2 * number}", f"/{2 * number + 1}"] if number < 15 else [] for number in range(1, 30)}
"""The links of each page."""
CRAWLERS = ("ada", "bob", "cid")

readings = itertools.count(1)
reading: set[str] = set()


def unread(values: Mapping[str, Any]) -> list[str]:
    """The pages that are known and not read."""
    return sorted((page for page, state in values.items() if state == "known"), key=len)


def finished(values: Mapping[str, Any]) -> bool:
    """Whether everything that is known is read."""
    return bool(values) and not unread(values)


def decide(name: str) -> Any:
    """How one crawler decides: its own share first, whatever there is otherwise."""
    place = CRAWLERS.index(name)

    def next_page(values: Mapping[str, Any]) -> MeshMove | None:
        pages = unread(values)
        own = [page for page in pages if int(page[1:]) % len(CRAWLERS) == place]
        return MeshMove("read", (own or pages)[0]) if pages else None

    return next_page


def read(name: str) -> Any:
    """How one crawler reads a page."""

    async def act(move: MeshMove, state: SharedStateRef) -> None:
        line = state.runtime.whereis("line")
        assert line is not None
        async with resources(line).acquire({"requests": 1, "places": 1}):
            assert move.resource not in reading, "two read one page at a time"
            reading.add(move.resource)
            try:
                await asyncio.sleep(0.01)
                if next(readings) % 9 == 0:
                    raise ConnectionError(f"{name} was cut off")
            finally:
                reading.discard(move.resource)
        for link in SITE[move.resource]:
            await state.update(link, lambda known: known or "known")
        await state.set(move.resource, f"read by {name}")

    return act


class Reporter(Actor):
    """Waits until the mesh is at rest, says what it has done, and ends the tree with that."""

    async def on_continue(self) -> None:
        found = self.runtime.find("site/mesh/state")
        assert isinstance(found, SharedStateRef)
        values = await rest(found, finished)
        by = sorted({str(state) for state in values.values()})
        line = self.runtime.whereis("line")
        assert line is not None
        used = await resources(line).usage()
        assert len(values) == len(SITE)
        assert used["places"].used == 0, "every place on the line is given back"
        print(f"{len(values)} pages {', '.join(by)}")
        self.stop()


tree = supervisor(
    "site",
    child(
        "line",
        Resources,
        name="line",
        args={"pools": {"places": ResourcePool.count(2), "requests": ResourcePool.rate(30, per=1.0)}},
    ),
    mesh(
        "mesh",
        {name: Behaviour(decide(name), read(name)) for name in CRAWLERS},
        until=finished,
        initial={"/1": "known"},
        backoff=constant(0.05),
        max_restarts=100,
    ),
    child("reporter", Reporter, restart="transient", significant=True),
    auto_shutdown="any_significant",
)
