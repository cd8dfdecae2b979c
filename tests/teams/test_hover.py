"""The docstrings of the builders explain every option: a reader who hovers over a call sees them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any

import pytest
from pydantic import BaseModel

from supervisors import ChildSpec, SupervisorSpec
from supervisors.spi import ChildOptions
from teams import Role, Step, TeamRef, member, role, step, team
from teams._team import TeamOptions

BUILDERS = pytest.mark.parametrize(
    ("builder", "options", "model"),
    [
        (member, ChildOptions, ChildSpec),
        (team, TeamOptions, SupervisorSpec),
        (step, None, None),
        (role, None, None),
    ],
    ids=lambda each: getattr(each, "__name__", "none"),
)


def arguments(builder: Callable[..., object]) -> dict[str, str]:
    """The `Args:` section of a docstring: the text of each argument in one line."""
    section = inspect.cleandoc(str(builder.__doc__)).partition("\nArgs:\n")[2]
    parts = re.split(r"^    (\w+): ", section, flags=re.MULTILINE)[1:]
    return {name: " ".join(text.split()) for name, text in zip(parts[::2], parts[1::2], strict=True)}


def parameters(builder: Callable[..., object]) -> dict[str, inspect.Parameter]:
    """The parameters that are not a dictionary of options."""
    every = inspect.signature(builder).parameters
    return {name: each for name, each in every.items() if each.kind is not each.VAR_KEYWORD}


def written(value: object) -> str:
    """A default as a caller writes it."""
    special = {"Exponential": "exponential()", "MailboxSpec": '"keep"'}
    quoted = f'"{value}"' if isinstance(value, str) else repr(value)
    return special.get(type(value).__name__, quoted)


@BUILDERS
def test_the_docstring_of_a_builder_names_each_argument(builder: Any, options: Any, model: Any) -> None:
    """Guards both directions: no argument is missing, none is stale."""
    wanted = set(parameters(builder)) | set(options.__annotations__ if options is not None else ())
    assert set(arguments(builder)) == wanted


@BUILDERS
def test_the_docstring_of_a_builder_names_each_default(
    builder: Any, options: Any, model: type[BaseModel] | None
) -> None:
    """Guards both directions: no default is missing, none is stale."""
    found = {name: re.search(r" ?Default: (.*)\.$", text) for name, text in arguments(builder).items()}
    known = {name: each.default for name, each in parameters(builder).items() if each.default is not each.empty}
    for name in options.__annotations__ if options is not None else ():
        assert model is not None
        known[name] = model.model_fields[name].get_default()
    assert {name: match[1] for name, match in found.items() if match} == {
        name: written(value) for name, value in known.items()
    }


def test_a_step_and_a_role_have_the_defaults_of_their_builders() -> None:
    """Guards the two places where a default stands: what is made by the class is what the builder makes."""
    for builder, made in ((step, Step), (role, Role)):
        own: Any = {each.name: each.default for each in fields(made) if each.default is not MISSING}
        told = {name: each.default for name, each in parameters(builder).items() if each.default is not each.empty}
        assert list(told) == list(own)
        assert [each or None for each in told.values()] == [each or None for each in own.values()]


@pytest.mark.parametrize("builder", [member, team, step, TeamRef.assign])
def test_an_option_in_seconds_says_so(builder: Callable[..., object]) -> None:
    """Guards the units."""
    told = arguments(builder)
    for name in ("shutdown", "start_timeout", "period", "handler_timeout", "timeout", "ageing"):
        assert "econds" in told.get(name, "Seconds")
