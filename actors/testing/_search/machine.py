"""A state machine of Hypothesis over a simulated tree: the next action is drawn, one step at a time."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from actors._extras import needs_extra
from actors.errors import ActorError
from actors.testing._report import oracles
from actors.testing._simulation import Simulation
from actors.testing.errors import WrongUse

with needs_extra():
    from hypothesis import strategies as st
    from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
    from hypothesis.strategies import DataObject, SearchStrategy

anybody = st.integers(0, 15)
"""An actor by its place among those that are there, by path; counted round."""


class SimulationMachine(RuleBasedStateMachine):
    """Base of Hypothesis state machines over a tree: define `tree`, and add rules and invariants of your own.

    Rules act from outside and run everything that can run at that moment; `advance` lets time pass. At the end
    everything is stopped, and every oracle is asked. Run it as Hypothesis says: `TestDesk = DeskMachine.TestCase`.
    """

    messages: ClassVar[SearchStrategy[Any]] = st.just("ping")
    """The messages that `tell` sends."""

    def __init__(self) -> None:
        super().__init__()
        self.sim = Simulation(strict=False)
        """The simulation of this run."""
        self.sim.replays = False
        self.sim.__enter__()
        try:
            self.root = self.sim.start(self.tree())
        except BaseException:
            self.sim.__exit__(*sys.exc_info())
            raise

    def tree(self) -> Any:
        """Returns the tree to start, as for `sim.start`. Called once a run. Raises `WrongUse` unless overridden."""
        raise WrongUse(f"{type(self).__qualname__} has no tree: define `def tree(self)`")

    @property
    def workers(self) -> list[str]:
        """The paths of the actors that are not supervisors."""
        cells = self.sim.runtime.cells
        return [path for path in sorted(cells) if not cells[path].props.kind.manages_lifecycle]

    @property
    def supervisors(self) -> list[Any]:
        """The refs of the supervisors, the root first."""
        cells = self.sim.runtime.cells
        root = str(self.root.path)
        below = [
            path for path in sorted(cells) if cells[path].props.kind.manages_lifecycle and path.startswith(f"{root}/")
        ]
        return [self.root, *(self.root.supervisor(path.removeprefix(f"{root}/")) for path in below)]

    def alive(self) -> bool:
        """Whether the tree still runs; when it has given up, only time passes."""
        return self.root.path in self.sim.runtime.cells

    def has_workers(self) -> bool:
        """Whether there is an actor for the rules."""
        return bool(self.workers)

    def _pick(self, number: int) -> str:
        workers = self.workers
        return workers[number % len(workers)]

    @precondition(lambda self: self.has_workers())
    @rule(actor=anybody, data=st.data())
    def tell(self, actor: int, data: DataObject) -> None:
        """A message from outside."""
        message = data.draw(self.messages, label="message")
        self.sim.runtime.cells[self._pick(actor)].ref.tell(message)
        self.sim.settle()

    @precondition(lambda self: self.has_workers())
    @rule(actor=anybody)
    def crash(self, actor: int) -> None:
        """An actor crashes."""
        self.sim.crash(self._pick(actor))
        self.sim.settle()

    @precondition(lambda self: self.has_workers())
    @rule(actor=anybody)
    def kill(self, actor: int) -> None:
        """An actor is killed."""
        self.sim.runtime.cells[self._pick(actor)].ref.kill()
        self.sim.settle()

    @rule(seconds=st.sampled_from((0.1, 1.0, 5.0, 60.0)))
    def advance(self, seconds: float) -> None:
        """Time passes."""
        self.sim.advance(seconds)

    @precondition(lambda self: self.alive())
    @rule(
        supervisor=anybody,
        child=anybody,
        request=st.sampled_from(("terminate_child", "restart_child", "which_children", "count_children")),
    )
    def request(self, supervisor: int, child: int, request: str) -> None:
        """A call of a supervisor's API. It may refuse: an actor's own error is an answer."""
        supervisors = self.supervisors
        target = supervisors[supervisor % len(supervisors)]
        try:
            children = target.which_children().get(timeout=5.0)
            if request.endswith("_children"):
                getattr(target, request)().get(timeout=5.0)
            elif children:
                getattr(target, request)(children[child % len(children)].id).get(timeout=5.0)
        except (ActorError, TimeoutError) as error:
            if isinstance(error, AssertionError):
                raise
            self.refused(error)

    def refused(self, error: BaseException) -> None:
        """A supervisor has refused a request. Override it to say which refusals are wrong."""

    @invariant()
    def no_message_is_lost(self) -> None:
        """Every message was handled, refused, or waits somewhere."""
        oracles.conservation(self.sim.runtime)

    @invariant()
    def nothing_raises_unheard(self) -> None:
        """No callback on the event loop raised."""
        oracles.nothing_raised_on_the_loop(self.sim.runtime)

    def teardown(self) -> None:
        """Stops everything and asks the oracles."""
        # Hypothesis calls this while the failure, if there is one, is on its way.
        self.sim.__exit__(*sys.exc_info())
