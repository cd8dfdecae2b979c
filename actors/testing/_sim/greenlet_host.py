"""The thread host of a simulation: each incarnation on a greenlet, so that virtual time passes while code blocks.

To Python each is a thread (`_sim.threads`), and its coroutines run on an event loop of its own (`_sim.strand_loop`). C
code sees one thread. So the greenlets share its data for each thread, such as a `threading.local` that was made before
the simulation and is not a global name of the user's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from actors._hosts.thread import ThreadHost, Worker, WorkerThread
from actors.testing._sim.lanes import Lane
from actors.testing._sim.strands import Strand, Strands

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._runtime.runtime import Runtime
    from actors.testing._sim.runtime import SimRuntime


class GreenletHost(ThreadHost):
    """Runs each incarnation on a greenlet of its own."""

    def __init__(self, runtime: Runtime, program: SimRuntime, strands: Strands) -> None:
        """`program` is the runtime of the simulation: the same one, or that of another process than its own."""
        super().__init__(runtime)
        self._program = program
        self._strands = strands
        self.workers: dict[Strand, Worker] = {}

    def make_thread(self, cell: Cell) -> WorkerThread:
        return GreenletThread(self, self._strands, cell.attached.lane)

    def current(self) -> Worker | None:
        strand = self._strands.current
        return self.workers.get(strand) if strand is not None else None

    def start_thread(self, work: Callable[[], object], name: str) -> None:
        self._program.start_strand(work, self._program.numbered(name), outside=False)

    def close(self) -> None:
        """The simulation ends the greenlets that are left, and counts them first."""


class GreenletThread:
    """The greenlet of one incarnation. The worker takes one turn, and gives way."""

    def __init__(self, host: GreenletHost, strands: Strands, lane: Lane) -> None:
        self._host = host
        self._strands = strands
        self._lane = lane
        self._strand: Strand | None = None
        self._rings = 0
        self._waits = False

    def start(self, worker: Worker) -> None:
        self._strand = self._strands.start(
            partial(self._run, worker), self._lane, f"{worker.path} #{worker.incarnation}"
        )
        self._host.workers[self._strand] = worker

    def _run(self, worker: Worker) -> None:
        try:
            worker.work()
        finally:
            try:
                worker.close()
            finally:
                if self._strand is not None:
                    del self._host.workers[self._strand]

    def ring(self) -> None:
        self._rings += 1
        if self._waits and self._strand is not None:
            self._waits = False
            self._strands.resume(self._strand)

    def is_rung(self) -> bool:
        return self._rings > 0

    def wait(self) -> None:
        if self._rings:
            # More turns wait: they go behind what became ready meanwhile.
            assert self._strand is not None
            self._strands.resume(self._strand)
        else:
            self._waits = True
        self._strands.leave()
        self._rings -= 1

    def join(self, timeout: float) -> None:
        """A greenlet ends when its lane is chosen; nothing waits for it."""
