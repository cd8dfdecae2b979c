"""How an operation of a supervisor grows with its number of children: seconds for one operation, at a size.

Each figure is the median of many.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping

from actors import Actor, Runtime
from supervisors import SupervisorRef, child, start, supervisor
from supervisors._specs.fields import RestartStrategy

ROUNDS = 200


class Echo(Actor):
    """Answers, or crashes by None."""

    def on_receive(self, message: object) -> object:
        """Answer."""
        if message is None:
            raise ValueError(message)
        return message


def _crash_to_answer(strategy: RestartStrategy, siblings: int) -> float:
    """From the crash of the last child to the answer of its next incarnation, with siblings before it."""

    async def measure() -> float:
        children = [child(str(number), Echo, backoff=None) for number in range(siblings + 1)]
        tree = supervisor("root", *children, strategy=strategy, max_restarts=None)
        async with Runtime(log=False, watchdog=None) as runtime, start(tree, runtime) as root:
            return await _median(root, str(siblings))

    return asyncio.run(measure())


async def _median(root: SupervisorRef, id: str) -> float:
    last = root.child(id)
    spans = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        last.tell(None)
        await last.call("up again", timeout=60)
        spans.append(time.perf_counter() - began)
    return statistics.median(spans)


ROWS: Mapping[str, Callable[[int], float]] = {
    "restart, one_for_one": lambda siblings: _crash_to_answer("one_for_one", siblings),
    "restart of the last, rest_for_one": lambda siblings: _crash_to_answer("rest_for_one", siblings),
}
