"""References: `$classify.category`, a way from a name into values. Nothing is called on the way."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from pydantic import BaseModel

from actors.spi import attribute

NAME = re.compile(r"[^\W\d_][\w-]*")
"""A name in a reference. It begins with a letter: no way leads to `_names`."""


class Marker(Enum):
    """What stands in place of a value. None of them counts as true."""

    MISSING = "missing"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Marker.MISSING
"""A reference leads to no value."""
UNKNOWN: Final = Marker.UNKNOWN
"""A condition cannot be decided, because a reference in it leads to no value. It does not hold, nor does its `not`."""
SKIPPED: Final = Marker.SKIPPED
"""In an environment, the value of a step that was skipped: every reference into it is null."""

Missing = Literal[Marker.MISSING]
Unknown = Literal[Marker.UNKNOWN]


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference: the name that it starts from, and the keys, fields and numbers that it goes through."""

    root: str
    steps: tuple[str | int, ...] = ()

    def with_root(self, roots: Mapping[str, str]) -> Ref:
        """The reference from another name, if `roots` has one for its own."""
        return Ref(roots.get(self.root, self.root), self.steps)

    def __str__(self) -> str:
        return f"${self.root}{''.join(map(_step_text, self.steps))}"


def _step_text(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if NAME.fullmatch(step) else f"[{quoted(step)}]"


def quoted(text: str) -> str:
    """A string as the language writes it."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def resolve(ref: Ref, env: Mapping[str, object]) -> object | Missing:
    """The value that a reference leads to, through keys of mappings, numbers of lists, and fields of models,
    dataclasses and named tuples. `MISSING`: it leads nowhere. Every reference into a skipped step is None.
    """
    found = env.get(ref.root, MISSING)
    if found is SKIPPED:
        return None
    for step in ref.steps:
        found = _next(found, step)
        if found is MISSING:
            break
    return found


def _next(value: object, step: str | int) -> object:
    if isinstance(value, Mapping):
        return value.get(step, MISSING)
    if isinstance(step, int):
        listed = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        return value[step] if listed and step < len(value) else MISSING  # type: ignore[arg-type, index]
    # Fields only: a property would run code of the user's, and what the store returns has none.
    return attribute(value, step, MISSING) if step in fields_of(value) else MISSING


def fields_of(value: object) -> frozenset[str]:
    """The names of the fields of a model, a dataclass or a named tuple, or of a class of these."""
    kind = value if isinstance(value, type) else type(value)
    names: set[str] = set()
    if issubclass(kind, BaseModel):
        names.update(kind.model_fields)
        if isinstance(value, BaseModel):
            names.update(value.model_extra or ())
    elif dataclasses.is_dataclass(kind):
        names.update(each.name for each in dataclasses.fields(kind))
    elif issubclass(kind, tuple):
        names.update(getattr(kind, "_fields", ()))
    return frozenset(name for name in names if not name.startswith("_"))
