"""The picture of the errors at the top of each errors module is what the classes are."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

MODULES = [
    "actors.errors",
    "supervisors.errors",
    "teams.errors",
    "teams.planning.errors",
    "teams.protocols.errors",
    "teams.resilience.errors",
    "teams.workflows.errors",
]


def picture(module: ModuleType) -> str:
    """The errors of a module as a tree: each below its first base of the module, other bases beside it."""
    own = [each for each in vars(module).values() if is_error(each) and of_package(each, module)]

    def lines(error: type, level: int) -> list[str]:
        parent = error.__bases__[0] if error.__bases__[0] in own else None
        names = [name_of(base) for base in error.__bases__ if base is not parent and base is not Exception]
        line = "  " * level + error.__name__ + (f" ({', '.join(names)})" if names else "")
        return [line, *(each for below in own if below.__bases__[0] is error for each in lines(below, level + 1))]

    return "\n".join(line for root in own if root.__bases__[0] not in own for line in lines(root, 0))


def is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)


def of_package(error: type, module: ModuleType) -> bool:
    """Whether the module defines the error: a facade renames the `__module__` of what it exports."""
    return f"class {error.__name__}(" in Path(str(module.__file__)).read_text(encoding="utf-8")


def name_of(error: type) -> str:
    return f"pykka.{error.__name__}" if error.__module__.startswith("pykka") else error.__name__


@pytest.mark.parametrize("name", MODULES)
def test_the_picture_at_the_top_shows_every_error_below_its_base(name: str) -> None:
    """Guards readers of the module, who look at the picture first."""
    module = import_module(name)
    tree = "\n".join(f"    {line}" for line in picture(module).splitlines())
    assert tree in str(module.__doc__), f"the docstring of {name} must show:\n{tree}"
