"""Own exits of children in generated trees, judged at every step by the reference model of the rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Actor, Crashed, ExitReason, Normal, Shutdown
from actors.testing import simulation
from supervisors import child, constant, supervisor
from supervisors.testing import Reference, watch

REASONS = (Normal(), Shutdown(), Shutdown("done"), Crashed(OSError()))
"""`Shutdown()` is also what a supervisor tells its children: it must not be taken for that."""


class Leaver(Actor):
    """Ends itself as it is told; in its start, too."""

    def __init__(self, starts: tuple[ExitReason | None, ...] = ()) -> None:
        number = self.incarnation - 1
        reason = starts[number] if number < len(starts) else None
        if reason is not None:
            self.exit(reason)

    def on_receive(self, reason: ExitReason) -> None:
        self.exit(reason)


starts = st.lists(st.sampled_from([None, *REASONS]), max_size=2).map(tuple)
children = st.builds(
    lambda restart, host, begin, delay: (
        lambda id: child(id, Leaver, restart=restart, host=host, args=[begin], backoff=delay and constant(delay))
    ),
    st.sampled_from(["permanent", "transient", "temporary"]),
    st.sampled_from(["loop", "thread"]),
    starts,
    st.sampled_from([None, 0.5]),
)
Make = Callable[[str], Any]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(children, min_size=1, max_size=4),
    st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(REASONS), st.sampled_from([0.0, 0.3, 1.0])), max_size=8),
)
def test_rule_5_the_model_explains_every_own_exit_in_every_strategy(
    makes: list[Make], strategy: Any, script: list[tuple[int, ExitReason, float]]
) -> None:
    tree = supervisor("root", *(make(str(number)) for number, make in enumerate(makes)), strategy=strategy)
    with simulation() as sim:
        reference = Reference(tree)
        watch(sim, reference)
        root = sim.start(tree)
        for number, reason, pause in script:
            cell = sim.runtime.cells.get(f"root/{number}")
            if cell is not None:
                cell.ref.tell(reason)
            sim.advance(pause)
        sim.advance(10)
        if root.is_alive():
            root.stop()
        sim.settle()
        reference.finish(sim.now)
    assert reference.judged["starts"] >= len(makes)
