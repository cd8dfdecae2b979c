"""Decorators of Hypothesis that belong to `@given`: at a simulated test they would do nothing, so they are refused."""

from __future__ import annotations

from collections.abc import Mapping

from actors.testing.errors import WrongUse

SIMULATED = "__simulated__"
"""The attribute by which a test of `@simulate` is known."""
_PROFILE = "everything else comes from the profile of Hypothesis (settings.register_profile, settings.load_profile)"
_FOREIGN: Mapping[str, str] = {
    "_hypothesis_internal_settings_applied": "@settings does nothing here: @simulate(examples=...) says how many; "
    + _PROFILE,
    "_hypothesis_internal_use_seed": "@seed does nothing here: derandomize=True in the profile of Hypothesis, or "
    "pytest --hypothesis-seed, makes every search the same",
    "_hypothesis_internal_use_reproduce_failure": "@reproduce_failure does nothing here: paste the @example that the "
    "report of a failure says",
    "hypothesis_explicit_examples": "take `example` from actors.testing, not from hypothesis",
}
"""By what each is known, whether it stands above or below; and what to write."""


def refuse_foreign(test: object) -> None:
    """Raises `WrongUse` when such a decorator stands above or below `@simulate`."""
    for attribute, instead in _FOREIGN.items():
        if hasattr(test, attribute):
            raise WrongUse(f"{getattr(test, '__qualname__', test)}: {instead}")
