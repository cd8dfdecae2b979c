"""The strategies for specs as Hypothesis finds them by type."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import supervisors.testing
from supervisors import Backoff, ChildSpec, Constant, Exponential, Linear, OwnBudget, Spec, SupervisorSpec
from supervisors.testing._hypothesis_entry import register

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("kind", [ChildSpec, SupervisorSpec, OwnBudget, Constant, Linear, Exponential])
def test_a_type_of_specs_has_a_strategy(kind: type) -> None:
    """Guards `st.from_type`: what is drawn is of that very type, and a spec that a supervisor takes."""
    register()

    @settings(max_examples=20, suppress_health_check=list(HealthCheck))
    @given(st.from_type(kind))
    def drawn(value: object) -> None:
        assert type(value) is kind

    drawn()


@pytest.mark.parametrize("union", [Backoff, Spec, ChildSpec | None])
def test_a_union_of_them_has_one_too(union: object) -> None:
    """Guards what a user annotates with: the public names are unions of the types."""
    register()

    @settings(max_examples=20, suppress_health_check=list(HealthCheck))
    @given(st.from_type(union))  # type: ignore[arg-type]
    def drawn(value: object) -> None:
        assert value is None or isinstance(value, ChildSpec | SupervisorSpec | Constant | Linear | Exponential)

    drawn()


def test_registering_imports_neither_the_simulation_nor_the_strategies() -> None:
    """Guards `import hypothesis`, which calls this in every test run of every user."""
    heavy = {"actors.testing._sim.strands", "actors.testing._simulation"}
    heavy |= {"supervisors.testing._strategies", "supervisors.testing._model"}
    code = (
        "import sys; from supervisors.testing._hypothesis_entry import register; "
        f"print('hypothesis' in sys.modules); register(); print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "HYPOTHESIS_NO_PLUGINS": "1"},
    )
    assert done.stdout.split() == ["False", "[]"]


@pytest.mark.parametrize("name", supervisors.testing.__all__)
def test_every_public_name_is_found(name: str) -> None:
    """Guards the names that are imported when they are used: a wrong home shows only then."""
    assert getattr(supervisors.testing, name).__name__ == name
