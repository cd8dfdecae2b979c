"""The docstrings of the builders explain every option: a reader who hovers over a call sees them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import pytest
from pydantic import BaseModel

from supervisors import (
    ChildSpec,
    OwnBudget,
    SupervisorSpec,
    budget,
    child,
    dynamic_supervisor,
    partition_supervisor,
    supervisor,
    tasks,
)
from supervisors._specs.builders import (
    ChildOptions,
    DynamicOptions,
    SharedSupervisorOptions,
    SupervisorOptions,
    TasksOptions,
)

BY_THE_BUILDER = {"kind", "template", "partitions", "max_children", "initial", "pool"}
"""Fields of `SupervisorSpec` that `supervisor` does not take."""


def arguments(builder: Callable[..., object]) -> dict[str, str]:
    """The `Args:` section of a docstring: the text of each argument in one line."""
    section = inspect.cleandoc(str(builder.__doc__)).partition("\nArgs:\n")[2]
    parts = re.split(r"^    (\w+): ", section, flags=re.MULTILINE)[1:]
    return {name: " ".join(text.split()) for name, text in zip(parts[::2], parts[1::2], strict=True)}


def defaults(builder: Callable[..., object]) -> dict[str, str]:
    """The defaults that the docstring names."""
    found = {name: re.search(r" Default: (.*)\.$", text) for name, text in arguments(builder).items()}
    return {name: match[1] for name, match in found.items() if match}


def real_defaults(model: type[BaseModel], *without: str) -> dict[str, str]:
    """The defaults of a model, as a caller writes them."""
    fields = {name: field for name, field in model.model_fields.items() if name not in without}
    return {name: written(field.get_default()) for name, field in fields.items() if not field.is_required()}


def written(value: object) -> str:
    special = {"Exponential": "exponential()", "MailboxSpec": '"keep"'}
    quoted = f'"{value}"' if isinstance(value, str) else repr(value)
    return special.get(type(value).__name__, quoted)


@pytest.mark.parametrize(
    ("builder", "model", "without"),
    [
        (child, ChildSpec, set[str]()),
        (supervisor, SupervisorSpec, {*BY_THE_BUILDER, "children"}),
        (budget, OwnBudget, set[str]()),
    ],
)
def test_the_docstring_of_a_builder_names_each_default(
    builder: Callable[..., object], model: type[BaseModel], without: set[str]
) -> None:
    """Guards both directions: no default is missing, none is stale."""
    assert defaults(builder) == real_defaults(model, *without)


def test_the_docstring_of_a_builder_names_each_argument() -> None:
    """Guards both directions: no argument is missing, none is stale."""
    assert set(arguments(child)) == set(ChildSpec.model_fields) == {"id", "start", *ChildOptions.__annotations__}
    assert set(arguments(supervisor)) == set(SupervisorSpec.model_fields) - BY_THE_BUILDER
    assert set(arguments(supervisor)) == {"id", "children", *SupervisorOptions.__annotations__}
    assert set(arguments(budget)) == set(OwnBudget.model_fields)


def test_the_builders_of_other_supervisors_explain_what_they_add() -> None:
    """Guards `dynamic_supervisor`, `partition_supervisor` and `tasks`, which refer to `supervisor` for the rest."""
    dynamic = set(DynamicOptions.__annotations__) - set(SupervisorOptions.__annotations__)
    assert set(arguments(dynamic_supervisor)) == {"id", "template", *dynamic}
    assert defaults(dynamic_supervisor) == {"max_children": "None", "initial": "()"}
    assert set(arguments(partition_supervisor)) == {"id", "template", "partitions"}
    task = set(TasksOptions.__annotations__) - {"max_children", *SharedSupervisorOptions.__annotations__}
    assert set(arguments(tasks)) == {"id", *task}
    template = tasks("t").template
    assert isinstance(template, ChildSpec)
    assert defaults(tasks) == {name: written(getattr(template, name.removeprefix("task_"), None)) for name in task}
    assert tasks("t").pool is None


@pytest.mark.parametrize("builder", [child, supervisor])
def test_an_option_in_seconds_says_so(builder: Callable[..., object]) -> None:
    """Guards the units."""
    told = arguments(builder)
    for name in ("shutdown", "start_timeout", "period", "handler_timeout"):
        assert "econds" in told.get(name, "Seconds")
