"""Trees in files: TOML, and YAML with the extra `yaml`."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from supervisors._errors import Fault, SpecError
from supervisors._spec import SupervisorSpec
from supervisors._tree import parse_tree


def load_tree(path: str | os.PathLike[str]) -> SupervisorSpec:
    """The tree a `.toml`, `.yaml` or `.yml` file describes. No module it names is imported yet.

    Raises:
        SpecError: the file cannot be read or parsed, or the tree in it has faults; all of them, each with its place
    """
    return parse_tree(read_tree(path))


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
