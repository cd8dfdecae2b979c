"""Packages whose public names load when they are first used (PEP 562).

A public object says that it belongs to the facade users import it from (`__module__`): tracebacks, pickles and pages
show `actors.MailboxFull`, wherever the class stands.

A name that needs an extra which is not installed is in neither `__all__` nor `dir()`. `from package import *`,
`inspect.getmembers` and completion load all the names that they find there, and must not fail for one that the program
does not use. An access to the name itself raises `MissingExtra`, which says what to install.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from types import FunctionType
from typing import Any, ForwardRef

from actors._name import NAME

_facades: list[_Facade] = []


class _Facade:
    """The public names of one package by the modules that define them."""

    def __init__(
        self, package: str, homes: Mapping[str, Sequence[str]], needs: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """`needs`: for modules that an extra brings, the homes that cannot be imported without them."""
        self.package = package
        self.homes = tuple(homes)
        self._absent = _absent(needs) if needs else set()
        self.missing = {name for home, names in homes.items() if home in self._absent for name in names}
        """The names that need an extra which is not installed."""
        self.home_of = {name: home for home, names in homes.items() for name in names}
        self._unnamed = dict(homes)
        """The homes whose objects do not bear the name of the package yet."""
        self._complete = False
        """Whether every home is loaded."""

    def load(self, name: str) -> Any:
        """Imports the module that defines a public name and returns its object.

        Raises:
            AttributeError: the package has no such name
        """
        home = self.home_of.get(name)
        if home is None:
            raise AttributeError(f"module {self.package!r} has no attribute {name!r}")
        if home == f"{self.package}.{name}":
            return import_module(home)
        value = getattr(import_module(home), name)
        for facade in _facades:
            facade.adopt()
        if (entry := sys.modules.get(f"{NAME}._hypothesis")) is not None:
            entry.loaded()  # Hypothesis is there, and may be asked for values of this type
        setattr(sys.modules[self.package], name, value)  # the next access does not come here
        return value

    def adopt(self) -> None:
        """Names what has been loaded since, by whatever import: an error is the same however it got here."""
        packages = {facade.package for facade in _facades}
        for home in [home for home in self._unnamed if home in sys.modules]:
            if home in packages:
                del self._unnamed[home]  # a facade itself, to which its objects belong
                continue
            defined = vars(sys.modules[home])
            names = self._unnamed[home]
            if not all(name in defined for name in names):
                continue  # its import is still under way
            del self._unnamed[home]
            for name in names:
                value = defined[name]
                if isinstance(value, type | FunctionType) and value.__module__ == home:
                    if isinstance(value, type):
                        _resolve_annotations(value, defined)
                    value.__module__ = self.package

    def load_all(self) -> None:
        """Imports every home, once: every simulation asks for it. But for those that need what is not installed."""
        if not self._complete:
            for home in self.homes:
                if home not in self._absent:
                    import_module(home)
            self._complete = True

    def names(self) -> list[str]:
        """The names that `dir()` of the package shows."""
        return sorted({*vars(sys.modules[self.package]), *self.home_of} - self.missing)


def _absent(needs: Mapping[str, Sequence[str]]) -> set[str]:
    """The homes that need a module which is not installed. Imports none of these modules."""
    from importlib.util import find_spec

    return {home for module, homes in needs.items() if find_spec(module) is None for home in homes}


def _resolve_annotations(value: type, namespace: dict[str, Any]) -> None:
    """Evaluates the annotations of a dataclass, named tuple or model, which are strings, where their names are known.

    `typing.get_type_hints` and pydantic look names up in the module that a class says it belongs to, and a facade has
    but its own. A name that only type checkers import stays a string, as unknown as before.
    """
    own = vars(value)
    if not own.keys() & {"__dataclass_fields__", "_fields", "__pydantic_fields__"}:
        return
    for name, said in own.get("__annotations__", {}).items():
        text = said.__forward_arg__ if isinstance(said, ForwardRef) else said
        if isinstance(text, str):
            with suppress(NameError, TypeError):  # as `get_type_hints` would raise
                own["__annotations__"][name] = eval(text, namespace, dict(own))  # noqa: S307 - our own source text


def facade(
    package: str, homes: Mapping[str, Sequence[str]], *, needs: Mapping[str, Sequence[str]] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Makes `__getattr__` and `__dir__` of a package from its public names by the modules that define them.

    `needs`: for modules that an extra brings, the homes that cannot be imported without them. Their names are taken out
    of `__all__` if the module is not installed.
    """
    made = _Facade(package, homes, needs)
    _facades.append(made)
    if made.missing:
        public = sys.modules[package].__all__
        public[:] = [name for name in public if name not in made.missing]
    return made.load, made.names


def load_everything() -> None:
    """Loads every public name of the facades imported so far, those of `testing` aside, which need extras.

    For a simulation: what is imported inside its fences would make its locks and read its clock from them.
    """
    for each in list(_facades):
        if not each.package.endswith(".testing"):
            each.load_all()
