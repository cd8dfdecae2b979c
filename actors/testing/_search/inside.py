"""Functions that Hypothesis allows only inside of its own tests: `assume`, `note` and `event`.

A simulated test is also run where Hypothesis does not run it: first of all, from a paste, and to make its report.
"""

from __future__ import annotations

from collections.abc import Callable

from actors._extras import needs_extra


def inside(work: Callable[[], object]) -> None:
    """Calls `work` once as the only example of a test of Hypothesis, unless one is under way. Raises what it raises."""
    with needs_extra():
        from hypothesis import HealthCheck, Phase, given, settings
        from hypothesis import strategies as st
        from hypothesis.control import currently_in_test_context

    if currently_in_test_context():
        work()
        return
    raised: list[BaseException] = []

    def once(_: None) -> None:
        # Hypothesis would call it again, and write on it.
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised below
            raised.append(error)

    limits = settings(
        max_examples=1,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    limits(given(st.none())(once))()
    for error in raised:
        raise error
