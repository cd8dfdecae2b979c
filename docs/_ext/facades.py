"""Autodoc for packages whose public names are defined in private modules.

Every public object is shown under the facade that exports it, with the docstrings of its attributes, which Sphinx looks
for in the module that an object says it belongs to. A reference to a type that no facade exports is not a link; a
reference to something that does not exist is a warning.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, get_type_hints

from docutils import nodes
from pydantic import BaseModel
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import Config
from sphinx.ext.napoleon.docstring import GoogleDocstring
from sphinx.pycode import ModuleAnalyzer

FACADES = (
    "actors",
    "supervisors",
    "teams",
    "teams.orchestration",
    "teams.patterns",
    "teams.planning",
    "teams.protocols",
    "teams.recipes",
    "teams.resilience",
    "teams.workflows",
    "teams.workflows.testing",
    "actors.testing",
    "supervisors.testing",
)
TOPS = ("actors", "supervisors", "teams")
EXTERNAL = (
    "pykka",
    "pydantic",
    "pydantic_core",
    "annotated_types",
    "prometheus_client",
    "hypothesis",
    "greenlet",
    "opentelemetry",
)
"""Libraries whose types stand in signatures. They have no inventory here, so that a build needs no network."""

ROOT = Path(__file__).parents[2]
NAPOLEON: Any = Config(napoleon_custom_sections=[("Raises, from the future", "raises_style")])
public: dict[str, str] = {}
"""Public name -> its full name, for names that one facade exports."""


def setup(app: Sphinx) -> dict[str, bool]:
    for facade in FACADES:
        publish(importlib.import_module(facade))
    app.connect("autodoc-process-docstring", process)
    app.connect("autodoc-process-signature", signature)
    app.connect("missing-reference", resolve, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def publish(facade: ModuleType) -> None:
    """Has every public object of a facade say that it belongs to it, and its attributes' docstrings be found there."""
    for name in facade.__all__:
        value = getattr(facade, name)
        public.setdefault(name, f"{facade.__name__}.{name}")
        if isinstance(value, type | FunctionType) and value.__module__.partition(".")[0] in TOPS:
            if isinstance(value, type) and issubclass(value, BaseModel):
                plain_types(value)
            if value.__module__ not in FACADES:
                value.__module__ = facade.__name__
    merged = ModuleAnalyzer.for_module(facade.__name__)
    merged.analyze()
    for module in defining(facade):
        part = ModuleAnalyzer.for_module(module)
        part.analyze()
        merged.attr_docs.update(part.attr_docs)
        merged.annotations.update(part.annotations)
        merged.overloads.update(part.overloads)


def plain_types(model: type[BaseModel]) -> None:
    """Has the fields of a model show their types without what pydantic checks beyond them."""
    types = get_type_hints(model)
    model.__annotations__ = {key: types.get(key, hint) for key, hint in model.__annotations__.items()}


def defining(facade: ModuleType) -> Iterator[str]:
    """The modules that define a class the facade exports."""
    for name, module in sorted(sys.modules.items()):
        if name != facade.__name__ and name.partition(".")[0] in TOPS and getattr(module, "__file__", None):
            defined = classes_of(str(module.__file__))
            if any(getattr(facade, each, None) is vars(module).get(each, module) for each in defined):
                yield name


@cache
def classes_of(file: str) -> tuple[str, ...]:
    """The classes of a module. Every facade asks again for every module, hence the cache."""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    return tuple(node.name for node in tree.body if isinstance(node, ast.ClassDef))


# Docstrings


def process(app: Sphinx, what: Any, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Google's sections, Markdown's tables, and code that is indented and nothing else."""
    if what == "module":  # it is written for those who work on the package
        lines.clear()
        return
    lines[:] = tables(literals(lines))
    if what in ("class", "exception", "function", "method"):
        lines[:] = GoogleDocstring(list(lines), NAPOLEON, app, what, name, obj, options).lines()
        for number, line in enumerate(lines):
            if match := re.match(r":raises (\w+):", line):
                home = qualified(match[1], name.partition(".")[0])
                lines[number] = f":raises {home}:{line[match.end() :]}"


def qualified(error: str, top: str) -> str:
    """An error as the facade of the same package exports it, where two export one of that name."""
    homes = [facade for facade in FACADES if error in sys.modules[facade].__all__]
    home = next((each for each in homes if each.partition(".")[0] == top), None)
    return error if home is None else f"~{home}.{error}"


def signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, text: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """The options of a model by name and default; their types are in its fields."""
    if not (isinstance(obj, type) and issubclass(obj, BaseModel)):
        return None
    fields = [
        key if field.is_required() else f"{key}={'...' if field.default_factory else shown(field.default)}"
        for key, field in obj.model_fields.items()
    ]
    return f"({', '.join(['*', *fields]) if fields else ''})", None


def shown(default: object) -> str:
    return repr(default) if isinstance(default, str | int | float | bool | tuple | None) else "..."


def literals(lines: list[str]) -> list[str]:
    """Marks paragraphs of indented code."""
    found: list[str] = []
    head, blank = "", True
    for line in lines:
        indented = line.startswith("    ")
        if indented and blank and not head.endswith(":"):
            found += ["::", ""]
            head = "::"
        found.append(line)
        if line.strip() and not indented:
            head = line
        blank = not line.strip()
    return found


def tables(lines: list[str]) -> list[str]:
    """Markdown's tables as reStructuredText's."""
    found: list[str] = []
    for line in lines:
        row = re.fullmatch(r"\|(.*)\|", line.strip())
        if row is None:
            found.append(line)
            continue
        if re.fullmatch(r"[|\s:-]+", line.strip()):
            continue
        if not found or not found[-1].startswith(("   ", "  ")) or not found[-1].lstrip().startswith(("*", "-")):
            found += ["", ".. list-table::", "   :header-rows: 1", ""]
        cells = [cell.strip() for cell in row[1].split("|")]
        found += [f"   * - {cells[0]}", *(f"     - {cell}" for cell in cells[1:])]
    return found


# References


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Node) -> nodes.Node | None:
    """A link to what a facade exports, plain text for what is known and has no page."""
    if node.get("refdomain") != "py":
        return None
    target = str(node["reftarget"]).lstrip(".~").partition("[")[0]
    last = target.rpartition(".")[2]
    if last in public and (target == last or target.partition(".")[0] in TOPS):
        domain = env.domains["py"]
        at = public[last]
        link = domain.resolve_xref(env, node["refdoc"], app.builder, "obj", at, node, content)
        return link or content  # a union, such as `Spec`, has no page
    return content if is_known(target) else None


def is_known(target: str) -> bool:
    """Whether there is such a thing: in the packages, in the standard library, or in a library they stand on."""
    top, dotted, _ = target.partition(".")
    if not dotted or target == "types.Annotated":
        return target in {*unexported(), "FieldInfo", "NoneType", "types.Annotated"} or hasattr(builtins, target)
    if top in TOPS or top in EXTERNAL or top in sys.stdlib_module_names:
        return found(target)
    return False


def found(target: str) -> bool:
    parts = target.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:]:
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True
    return False


def unexported() -> set[str]:
    """The names at the top of every module: types and type variables that stand in signatures."""
    if not _unexported:
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in TOPS:
                _unexported.update(vars(module))
        for top in TOPS:
            for file in (ROOT / top).rglob("*.py"):
                _unexported.update(imported(file))
    return _unexported


def imported(file: Path) -> Iterator[str]:
    """What a module imports for its annotations, and its type variables."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id


_unexported: set[str] = set()
