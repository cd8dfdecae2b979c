"""The files that packages above this one have, as `teams` has. It imports nothing of weight.

Such a package says so with `add_format` when it is imported: which key at the top marks a file of its own, and what
reads it. So this package needs to know neither the others nor how they were installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from supervisors._specs.spec import SupervisorSpec


class Format(NamedTuple):
    """A kind of file."""

    key: str
    """The key at the top that marks it; no supervisor has it."""
    signs: frozenset[str]
    """Keys that show that this kind was meant where `key` is missing, so that the reader can say so."""
    parse: Callable[[Mapping[str, object]], SupervisorSpec]


formats: dict[str, Format] = {}


def add_format(format: Format) -> None:
    """From now on, files with the key of this format are read by it."""
    formats[format.key] = format
