"""Trees in files: TOML, and YAML with the extra `yaml`. `supervisors._formats` knows whose other files there are."""

from __future__ import annotations

import os
from collections.abc import Mapping

from supervisors._formats import formats
from supervisors._specs.document import read_document
from supervisors._specs.spec import SupervisorSpec
from supervisors._specs.tree import parse_tree
from supervisors.errors import SpecError, SpecFault

_OF_SUPERVISORS = frozenset({"children", "template"})
"""Keys that show that a supervisor was meant, whatever else stands there."""


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
    for format in formats.values():
        if format.key in strange:
            return format.parse(content)
    if "team" in strange:
        problem = "is a team, and `teams`, which reads teams, is not imported: import it, or use teams.load_team(path)"
        raise SpecError([SpecFault(path, problem)])
    if not content.keys() & _OF_SUPERVISORS:
        for format in formats.values():
            if format.signs & strange:
                return format.parse(content)
    return parse_tree(content)
