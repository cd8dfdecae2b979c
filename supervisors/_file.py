"""Trees in files: TOML, and YAML with the extra `yaml`.

A package above this one may have files of its own, as `teams` has. It says so with `add_format` when it is imported:
which key at the top marks such a file, and what reads it. So this package needs to know neither the others nor how
they were installed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from supervisors._document import read_document
from supervisors._errors import Fault, SpecError
from supervisors._spec import SupervisorSpec
from supervisors._tree import parse_tree

Parser = Callable[[Mapping[str, object]], SupervisorSpec]

_OF_SUPERVISORS = frozenset({"children", "template"})
"""Keys that show that a supervisor was meant, whatever else stands there."""


class Format(NamedTuple):
    """A kind of file."""

    key: str
    """The key at the top that marks it; no supervisor has it."""
    signs: frozenset[str]
    """Keys that show that this kind was meant where `key` is missing, so that the reader can say so."""
    parse: Parser


_formats: dict[str, Format] = {}


def add_format(format: Format) -> None:
    """From now on, files with the key of this format are read by it."""
    _formats[format.key] = format


def load_tree(path: str | os.PathLike[str]) -> SupervisorSpec:
    """The tree a `.toml`, `.yaml` or `.yml` file describes: a supervisor, or a team where `teams` is imported. No
    module that a supervisor's file names is imported yet.

    Raises:
        SpecError: the file cannot be read or parsed, or the tree in it has faults; all of them, each with its place
    """
    return parse_content(read_document(path), str(path))


def parse_content(content: Mapping[str, object], path: str) -> SupervisorSpec:
    """The tree that the content of a file describes. Raises SpecError with every fault."""
    strange = content.keys() - SupervisorSpec.model_fields.keys()
    for format in _formats.values():
        if format.key in strange:
            return format.parse(content)
    if "team" in strange:
        problem = "is a team, and `teams`, which reads teams, is not imported: import it, or use teams.load_team(path)"
        raise SpecError([Fault(path, problem)])
    if not content.keys() & _OF_SUPERVISORS:
        for format in _formats.values():
            if format.signs & strange:
                return format.parse(content)
    return parse_tree(content)
