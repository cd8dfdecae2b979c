"""Records: immutable values for a type checker, and cheap to make."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, dataclass_transform

from actors._user_code.equality import same
from actors._user_code.text import fields_shown

if TYPE_CHECKING:
    from dataclasses import Field
    from typing import Any, ClassVar


@dataclass_transform(frozen_default=True)
class Record:
    """Base of records. Each subclass is a dataclass without a decorator; a type checker sees a frozen one.

    At run time it is not frozen: `__init__` of a frozen dataclass sets each field by a function call, which costs three
    times as much. Records compare by their class and fields; `__eq__`, `__hash__` and `__repr__` stand here once, where
    `dataclass` would compile them for each class. `==` looks at 100,000 values at most, those that the fields hold
    included; of fields with more values only the same object is equal.
    """

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclass(eq=False, repr=False)(cls)

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, field.name) for field in fields(self) if field.compare)

    def __eq__(self, other: object) -> bool:
        if type(other) is type(self) and isinstance(other, Record):
            return all(map(same, self._values(), other._values()))
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return fields_shown(self)
