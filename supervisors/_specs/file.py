"""Trees in files: TOML, and YAML with the extra `yaml`. `supervisors._formats` knows the formats of other packages."""

from __future__ import annotations

import os
from collections.abc import Mapping

from supervisors._formats import formats
from supervisors._specs.document import read_document
from supervisors._specs.spec import SupervisorSpec
from supervisors._specs.tree import parse_tree
from supervisors.errors import SpecError, SpecFault

_OF_SUPERVISORS = frozenset({"children", "template"})
"""Keys that mark the file of a supervisor, even with unknown keys."""


def load_tree(path: str | os.PathLike[str]) -> SupervisorSpec:
    """The tree in a `.toml`, `.yaml` or `.yml` file: a supervisor, or a team if `teams` is imported. The modules that
    the file of a supervisor names are not imported yet.

    Raises:
        SpecError: the file cannot be read or parsed, or the tree has faults; it holds all of them, each with its place
    """
    return parse_content(read_document(path), str(path))


def parse_content(content: Mapping[str, object], path: str) -> SupervisorSpec:
    """The tree that the content of a file describes. Raises SpecError with every fault."""
    strange = content.keys() - SupervisorSpec.model_fields.keys()
    for format in formats.values():
        if format.key in strange:
            return format.parse(content)
    if "team" in strange:
        problem = "is a team, but `teams` is not imported: import it, or use teams.load_team(path)"
        raise SpecError([SpecFault(path, problem)])
    if not content.keys() & _OF_SUPERVISORS:
        for format in formats.values():
            if format.signs & strange:
                return format.parse(content)
    return parse_tree(content)
