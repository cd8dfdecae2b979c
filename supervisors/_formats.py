"""The file formats of packages above this one, such as `teams`. Its import is cheap.

Such a package calls `add_format` when it is imported: it names the top-level key that marks its files, and their
reader. So this package needs to know neither the others nor how they were installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from supervisors._specs.spec import SupervisorSpec


class Format(NamedTuple):
    """A file format."""

    key: str
    """The top-level key that marks a file of this format; supervisors do not have it."""
    signs: frozenset[str]
    """Keys that mark a file of this format without `key`, so that its reader reports the missing key."""
    parse: Callable[[Mapping[str, object]], SupervisorSpec]


formats: dict[str, Format] = {}


def add_format(format: Format) -> None:
    """Registers a format."""
    formats[format.key] = format
