"""Records: immutable values for a type checker, and cheap to make."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import dataclass_transform

from actors._user_code.text import fields_shown, same


@dataclass_transform(frozen_default=True)
class Record:
    """Base of records. Each subclass is a dataclass without a decorator; a type checker sees a frozen one.

    At run time it is not frozen: `__init__` of a frozen dataclass sets each field by a function call, which costs three
    times as much. Records compare by their class and fields; `__eq__`, `__hash__` and `__repr__` stand here once, where
    `dataclass` would compile them for each class.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclass(eq=False, repr=False)(cls)

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, field.name) for field in fields(self) if field.compare)  # type: ignore[arg-type]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record) or type(other) is not type(self):
            return NotImplemented
        return all(map(same, self._values(), other._values()))

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return fields_shown(self)  # type: ignore[arg-type]
