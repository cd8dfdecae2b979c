"""Called by Hypothesis when it is imported, so that `st.from_type(ChildSpec)` works without further code.

It imports the specs; the strategies, and with them the simulation, only when one is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from supervisors._specs.backoff import Constant, Exponential, Linear
from supervisors._specs.spec import ChildSpec, OwnBudget, SupervisorSpec


def register() -> None:
    """Registers the strategies of this package for their types."""
    from hypothesis import strategies as st

    st.register_type_strategy(ChildSpec, lambda _: _strategies().child_specs())
    st.register_type_strategy(SupervisorSpec, lambda _: _strategies().supervisor_specs())
    st.register_type_strategy(OwnBudget, lambda _: _strategies().own_budgets())
    for kind in (Constant, Linear, Exponential):
        st.register_type_strategy(kind, lambda kind: _strategies().backoffs_of(kind))


def _strategies() -> Any:
    return import_module("supervisors.testing._strategies")
