"""The options of the command line for simulations. Without the pytest plugin: none."""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple

from actors._name import NAME


class PluginOptions(NamedTuple):
    """The options of the pytest plugin."""

    replay: str | None = None
    """Run exactly this blob."""
    determinism: bool = False
    """Run everything twice and compare."""
    schedules: int | None = None
    """How many schedules to try for each generated example."""


options: ContextVar[PluginOptions] = ContextVar(f"{NAME}_simulation_options", default=PluginOptions())  # noqa: B039 - frozen
