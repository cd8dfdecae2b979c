"""Trees in files: TOML, and YAML with the extra `yaml`.

What else may stand in such a file is said by entry points of the group `understudy.files`: the name of one is a key
that no supervisor has, its value a function from the mapping in the file to a `SupervisorSpec`. A file with that key
at the top is the function's. So this package reads the formats of others without knowing them.

Whoever forgets that key is told so by the format itself: the group `understudy.file_signs` has the same functions
under keys that are a sign of a format. A file without a key of the first group, and without the children of a
supervisor, goes to the first whose sign it has.
"""

from __future__ import annotations

import importlib.metadata
import os
import tomllib
from collections.abc import Callable, Mapping, Set
from pathlib import Path

from supervisors._errors import Fault, SpecError
from supervisors._spec import SupervisorSpec
from supervisors._tree import parse_tree

FORMATS = "understudy.files"
"""The group of entry points."""
SIGNS = "understudy.file_signs"
"""The group of those that only show what was meant."""
_OF_SUPERVISORS = frozenset({"children", "template"})
"""Whoever wrote one of these meant a supervisor, whatever else stands there."""

Parser = Callable[[Mapping[str, object]], SupervisorSpec]


def load_tree(path: str | os.PathLike[str]) -> SupervisorSpec:
    """The tree a `.toml`, `.yaml` or `.yml` file describes: a supervisor, or what an installed package knows to read,
    as `teams` does. No module that a supervisor's file names is imported yet.

    Raises:
        SpecError: the file cannot be read or parsed, or the tree in it has faults; all of them, each with its place
    """
    content = read_tree(path)
    return _parser(content)(content)


def _parser(content: Mapping[str, object]) -> Parser:
    strange = content.keys() - SupervisorSpec.model_fields.keys()
    found = _named(FORMATS, strange)
    if found is None and not content.keys() & _OF_SUPERVISORS:
        found = _named(SIGNS, strange)
    return parse_tree if found is None else found


def _named(group: str, keys: Set[str]) -> Parser | None:
    """The function of the first entry point whose name is among these keys."""
    if keys:
        for entry in importlib.metadata.entry_points(group=group):
            if entry.name in keys:
                parser: Parser = entry.load()
                return parser
    return None


def read_tree(path: str | os.PathLike[str]) -> Mapping[str, object]:
    """The mapping in the file, whatever it says. Raises SpecError when the file cannot be read or parsed."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError([Fault(str(path), f"cannot be read: {error}")]) from None
    match file.suffix.lower():
        case ".toml":
            content = _toml(text, str(path))
        case ".yaml" | ".yml":
            content = _yaml(text, str(path))
        case other:
            raise SpecError([Fault(str(path), f"a tree is in a .toml, .yaml or .yml file, not {other or 'this'!r}")])
    if not isinstance(content, dict):
        raise SpecError([Fault(str(path), f"holds {type(content).__name__}, expected the keys of a supervisor")])
    return content


def _toml(text: str, path: str) -> object:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError([Fault(path, f"is not TOML: {error}")]) from None


def _yaml(text: str, path: str) -> object:
    try:
        import yaml
    except ImportError:
        raise SpecError([Fault(path, "needs PyYAML: pip install 'understudy[yaml]'")]) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SpecError([Fault(path, f"is not YAML: {error}")]) from None
