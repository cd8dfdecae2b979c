"""Called by Hypothesis when it is imported, so that `st.from_type(FaultPlan)` works without further code."""

from __future__ import annotations

from actors.testing._faults.plan import KINDS, Fault, FaultPlan
from actors.testing._faults.schedule import MOVES, Move, Schedule
from actors.testing._faults.strategies import ANYBODY, faults, moves, plans, schedules


def register() -> None:
    """Registers the strategies of this package for their types."""
    from hypothesis import strategies as st

    st.register_type_strategy(FaultPlan, lambda _: plans(kinds=KINDS.values()))
    st.register_type_strategy(Schedule, lambda _: schedules())
    st.register_type_strategy(Fault, lambda _: st.sampled_from(sorted(KINDS)).flatmap(lambda name: faults(KINDS[name])))
    st.register_type_strategy(Move, lambda _: moves(ANYBODY, kinds=MOVES.values()))
    for fault in KINDS.values():
        st.register_type_strategy(fault, faults)
    for move in MOVES.values():
        st.register_type_strategy(move, lambda kind: moves(ANYBODY, kinds=[kind]))
