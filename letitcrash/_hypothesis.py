"""Called by Hypothesis when it is imported, in every program that has both installed: registers our strategies, unless
our packages are shadowed.
"""

from __future__ import annotations

from letitcrash._packages import find


def register_actors() -> None:
    """`st.from_type(FaultPlan)` and the like."""
    if find("actors").is_ours:
        from actors.testing._hypothesis_entry import register

        register()


def register_supervisors() -> None:
    """`st.from_type(ChildSpec)` and the like."""
    if find("actors").is_ours and find("supervisors").is_ours:
        from supervisors.testing._hypothesis_entry import register

        register()
