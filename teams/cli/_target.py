"""The target of the command line: from `module:attribute`, a script or a file to a tree.

For the command line only: it owns its process, and so may add to `sys.path` and set `sys.argv` as `python
file.py` would.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import cast

from actors import NotAnActor
from actors._user_code.account import account
from actors.spi import NAME
from letitcrash._packages import shadows_in
from supervisors import ChildSpec, SpecError, SupervisionError, SupervisorSpec, as_tree
from supervisors._specs.document import read_document
from supervisors._specs.file import parse_content
from supervisors._specs.start_kind import StartKind, kind_of
from supervisors._specs.tree import unresolved_in
from supervisors._supervisor.start import Tree

_FILES = (".toml", ".yaml", ".yml")
_DEFAULT = "tree"


class TargetError(SupervisionError, ImportError):
    """The target of `letitcrash run`, `check` or `tree` does not lead to a tree."""

    fields = ("target", "problem")
    target: str
    problem: str

    def describe(self) -> str:
        return f"{self.target}: {self.problem}"


def load_target(
    target: str, args: Sequence[str] = (), read: Callable[[Path], SupervisorSpec] | None = None
) -> SupervisorSpec:
    """The tree a target names: `module:attribute`, `path/to/file.py[:attribute]`, or a `.toml`, `.yaml` or
    `.yml` file.

    Without an attribute it is `tree`, or the only spec in the module. A plain function is called without
    arguments for the spec; a coroutine function or asynchronous context manager that is named runs as the
    only child. `sys.argv` becomes the target and `args`; the folder of the file, or the current one for a
    module, goes to the front of `sys.path`. `read` reads files without code; None: as trees.

    Raises:
        TargetError: it does not exist, does not import (with the frames of its own code), or is not a
            tree
        SpecError: the tree has faults; all of them
        SystemExit: the target's own, such as that of its argument parser
    """
    location, _, attribute = target.partition(":")
    path = Path(location)
    sys.argv = [location, *args]
    if path.suffix.lower() in _FILES:
        if attribute:
            raise TargetError(target, "a tree in a file has no attributes; leave out what follows the colon")
        _find_modules_in(target, path.parent)
        return (read or _file)(path)
    is_script = path.suffix == ".py" or len(path.parts) > 1
    module = _script(target, path) if is_script else _module(target, location)
    return _tree(target, _value(target, module, attribute), named=bool(attribute))


def _file(path: Path) -> SupervisorSpec:
    content = read_document(path)
    try:
        return parse_content(content, str(path))
    except SpecError as error:
        # No spec to look through: what it would have started is looked for all the same, so that all faults
        # come at once.
        raise SpecError([*error.faults, *unresolved_in(content)]) from None


# Modules


def _find_modules_in(target: str, folder: Path) -> None:
    """Puts the folder first on `sys.path`, unless something in it would stand in for one of our packages."""
    folder = folder.resolve()
    for name, shadow in shadows_in(folder):
        raise TargetError(target, f"{shadow} shadows {NAME}'s own package {name!r}: rename that file or folder")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _script(target: str, path: Path) -> ModuleType:
    if not path.exists():
        raise TargetError(target, f"no such file: {path}")
    if path.suffix != ".py":
        raise TargetError(target, f"{path} is neither a .py file nor a tree in a {', '.join(_FILES)} file")
    _find_modules_in(target, path.parent)
    # Under its own name, so that what it defines can be pickled and another module may import it; not as
    # __main__, whose block would run.
    name = path.stem if path.stem not in sys.modules else f"{NAME}_target_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    load = spec.loader.exec_module
    _run(target, f"{path} does not import", lambda: load(module))
    return module


def _module(target: str, name: str) -> ModuleType:
    if not all(step.isidentifier() for step in name.split(".")):
        raise TargetError(target, "expected module:attribute, path/to/file.py[:attribute], or a .toml or .yaml file")
    _find_modules_in(target, Path.cwd())
    found = _run(target, f"module {name!r} does not import", lambda: importlib.import_module(name))
    assert isinstance(found, ModuleType)
    return found


def _run(target: str, problem: str, work: Callable[[], object]) -> object:
    """Runs code of the user's; what it raises is told with the frames of its own code."""
    try:
        return work()
    except SpecError:
        raise
    except Exception as error:
        raise TargetError(target, f"{problem}\n{account(error)}") from error


# What is in them


def _value(target: str, module: ModuleType, attribute: str) -> object:
    found: object = module
    if not attribute:
        return _only_spec(target, module)
    for step in attribute.split("."):
        if not hasattr(found, step):
            near = ", ".join(_specs(module)) or "no spec at all"
            raise TargetError(target, f"module {module.__name__!r} has no {attribute!r}; it has {near}")
        found = getattr(found, step)
    return found


def _only_spec(target: str, module: ModuleType) -> object:
    if hasattr(module, _DEFAULT):
        return getattr(module, _DEFAULT)
    specs = _specs(module)
    supervisors = [each for each in specs.values() if isinstance(each, SupervisorSpec)]
    trees: list[ChildSpec | SupervisorSpec] = [*supervisors] or [*specs.values()]
    if not trees:
        raise TargetError(target, f"holds no spec: bind one to {_DEFAULT!r}, or name it after a colon")
    if any(each is not trees[0] for each in trees):
        raise TargetError(target, f"holds several specs ({', '.join(specs)}): name one after a colon")
    return trees[0]


def _specs(module: ModuleType) -> dict[str, ChildSpec | SupervisorSpec]:
    return {name: each for name, each in vars(module).items() if isinstance(each, ChildSpec | SupervisorSpec)}


def _tree(target: str, value: object, *, named: bool) -> SupervisorSpec:
    """The tree that the value is. A coroutine function or context manager runs as the only child, if it is named."""
    runs = named and kind_of(value) in (StartKind.COROUTINE, StartKind.RESOURCE)
    if inspect.iscoroutinefunction(value) and not runs:
        raise TargetError(target, "is a coroutine function, expected a plain one that returns a spec")
    if callable(value) and not isinstance(value, type) and not runs:
        value = _run(target, "the function did not return a spec", value)
    if not runs and not isinstance(value, ChildSpec | SupervisorSpec | type):
        wanted = "a spec, an actor class or a function that returns one"
        raise TargetError(target, f"is {type(value).__name__}, expected {wanted}")
    try:
        return as_tree(cast("Tree", value))
    except NotAnActor as error:
        raise TargetError(target, str(error)) from None
