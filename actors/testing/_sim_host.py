"""The loop host of a simulation: the real one, except that the loop chooses before every single message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from actors._loop_host import Carrier, LoopHost
from actors._turn import Turn

if TYPE_CHECKING:
    from actors.testing._sim_cell import SimCell
    from actors.testing._sim_loop import SimLoop
    from actors.testing._sim_runtime import SimRuntime


class SimLoopHost(LoopHost):
    """Every ready cell is an item of the loop, in the lane of its own; what the runtime wants done goes ahead of all of
    them.

    Carriers are pooled for each cell, so that the resumption of a coroutine is a step of the actor it belongs to.
    """

    slice = 1

    def __init__(self, runtime: SimRuntime, loop: SimLoop) -> None:
        super().__init__(runtime, loop)
        self._sim = loop
        self._pools: dict[Turn, list[Carrier]] = {}
        self._pool_of: dict[Carrier, list[Carrier]] = {}
        loop.control = runtime.control
        loop.turn_of = self.turn_of

    def ready(self, cell: Turn) -> None:
        if cell.pending is not None or cell.queue or cell.urgent:
            self._sim.push(cast("SimCell", cell).lane, cell)
        else:
            self._runtime.control.append((self._look, (cell,)))

    def _look(self, cell: Turn) -> None:
        """A turn with nothing to do runs no code of the user's: it is no step, and nothing to choose."""
        if cell.pending is not None or cell.queue or cell.urgent:
            self._sim.push(cast("SimCell", cell).lane, cell)
        else:
            self.turn_of(cell)

    def schedule(self) -> None:
        """The loop looks at the runtime's control before every step."""

    def run_now(self) -> None:
        """Nothing runs without having been chosen."""

    def turn_of(self, cell: Any) -> None:
        """One turn of the cell: one message."""
        self.stepping = cell
        try:
            cell.context.run(cell.turn)
        finally:
            self.stepping = None
        self.turns += 1

    def take_carrier(self) -> Carrier:
        cell = self.stepping
        assert cell is not None
        pool = self._pools.get(cell)
        if pool is None:
            pool = self._pools[cell] = []
        if pool:
            return pool.pop()
        carrier = super().take_carrier()
        self._pool_of[carrier] = pool
        # The first step of a carrier runs nobody's code: it is no step of the actor.
        self._sim.take_back(cast("SimCell", cell).lane)._run()  # type: ignore[union-attr]
        return carrier

    def keep(self, carrier: Carrier) -> bool:
        self._pool_of[carrier].append(carrier)
        return True

    @property
    def carriers(self) -> list[Carrier]:
        """Every carrier that works for a cell."""
        return [carrier for carriers in self._under_way.values() for carrier in carriers]
