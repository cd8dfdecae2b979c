"""The loop host of a simulation: the real one, except that the loop chooses before every single message."""

from __future__ import annotations

from contextvars import Context
from typing import TYPE_CHECKING, Any

from actors._core.cell import Cell
from actors._hosts.coroutine_runner import CoroutineRunner
from actors._hosts.loop import LoopHost
from actors.testing._sim.lanes import Lane, current_lane

if TYPE_CHECKING:
    from actors.testing._sim.loop import SimLoop
    from actors.testing._sim.runtime import SimRuntime


class CarrierLane:
    """The lane of the actor that a carrier works for at present."""

    __slots__ = ("carrier",)

    def __init__(self) -> None:
        self.carrier: CoroutineRunner | None = None

    @property
    def lane(self) -> Lane | None:
        cell = self.carrier.cell if self.carrier is not None else None
        return None if cell is None else cell.attached.lane


class SimLoopHost(LoopHost):
    """Every ready cell is an item of the loop, in the lane of its own; what the runtime wants done goes ahead of all of
    them.

    The resumption of a coroutine is a step of the actor it belongs to, whichever carrier carries it.
    """

    slice = 1
    goes_on = False  # what may happen between a crash and its hook is for the schedule to choose

    def __init__(self, runtime: SimRuntime, loop: SimLoop) -> None:
        super().__init__(runtime, loop)
        self._sim = loop
        loop.control = runtime.control
        loop.turn_of = self.turn_of

    def ready(self, cell: Cell) -> None:
        if cell.pending is not None or cell.queue or cell.urgent:
            self._sim.push(cell.attached.lane, cell)
        else:
            self._runtime.control.append((self._look, (cell,)))

    launch = ready

    def _look(self, cell: Cell) -> None:
        """A turn with nothing to do runs no code of the user's: it does not count as a step, and is not chosen."""
        if cell.pending is not None or cell.queue or cell.urgent:
            self._sim.push(cell.attached.lane, cell)
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
            cell.turn(self._runtime.now())
        finally:
            self.stepping = None
        self.turns += 1

    def make_carrier(self) -> CoroutineRunner:
        context, owner = Context(), CarrierLane()
        context.run(current_lane.set, owner)
        carrier = owner.carrier = context.run(CoroutineRunner, self, self._loop)
        # The first step of a carrier runs no code of an actor: it does not count as a step.
        self._sim.take_back(self._sim.outside)._run()  # type: ignore[union-attr]
        return carrier

    @property
    def carriers(self) -> list[CoroutineRunner]:
        """Every carrier that works for a cell."""
        return [carrier for carriers in self._under_way.values() for carrier in carriers]
