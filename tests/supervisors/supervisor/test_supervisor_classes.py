"""Supervisor classes that are started by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from actors import Actor
from supervisors import SpecError, Supervisor, SupervisorSpec, child, start, supervisor


async def later() -> SupervisorSpec:
    """A spec that has to be waited for."""
    return supervisor("root")


@pytest.mark.parametrize(
    "given", ["no tree", None, 7, child("a", Actor), supervisor, Supervisor, [supervisor("root")], later]
)
def test_a_tree_that_returns_no_supervisors_spec_is_a_spec_error(given: Any) -> None:
    """Rule 24: with the class and what it returned."""

    class Mine(Supervisor):
        @classmethod
        def tree(cls) -> Any:
            return later() if given is later else given

    with pytest.raises(SpecError) as caught:
        start(Mine)
    (fault,) = caught.value.faults
    assert fault.path.endswith("Mine")
    assert "tree() must return the spec of a supervisor, got " in fault.message
    assert given is later or repr(given)[:20] in fault.message
