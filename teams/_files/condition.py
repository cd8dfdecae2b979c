"""Conditions as values: what a file says in place of a function of the user's. Nothing is evaluated as code.

| op | holds when the field |
|---|---|
| `is true` | counts as true |
| `==`, `!=` | equals the value, or does not |
| `<`, `<=`, `>`, `>=` | compares so with the value |
| `in`, `not in` | is one of the values, or is none |
| `contains` | holds the value: a text a part, a collection an item |
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

Op = Literal["is true", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "contains"]

_HOLDS: Mapping[Op, Callable[[Any, Any], object]] = {
    "is true": lambda found, _: found,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda found, values: found in values,
    "not in": lambda found, values: found not in values,
    "contains": lambda found, value: value in found,
}
_MISSING = object()
OPS: tuple[Op, ...] = get_args(Op)


class Condition(BaseModel):
    """A predicate of a value: `Condition(field="order.total", op=">", value=100)(work)`.

    `field` leads through keys of mappings, attributes of objects and numbers of lists, with dots between; empty: the
    value itself. Where it leads nowhere, no condition holds, `!=` and `not in` included. Without `op`: `is true`.
    Raises, when it is called, TypeError for things that cannot be compared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str
    op: Op = "is true"
    value: object = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = "value" in self.model_fields_set
        if given and self.op == "is true":
            raise PydanticCustomError("condition", "a value needs an op: one of {ops}", {"ops": ", ".join(OPS[1:])})
        if not given and self.op != "is true":
            raise PydanticCustomError("condition", "op {op} needs a value", {"op": self.op})
        if self.op in ("in", "not in") and (isinstance(self.value, str) or not isinstance(self.value, Sequence)):
            raise PydanticCustomError("condition", "op {op} needs a list of values", {"op": self.op})
        return self

    def __call__(self, value: object) -> bool:
        found = value
        for step in self.field.split(".") if self.field else ():
            found = _step(found, step)
            if found is _MISSING:
                return False
        return bool(_HOLDS[self.op](found, self.value))


def _step(value: object, name: str) -> object:
    if isinstance(value, Mapping):
        return value.get(name, _MISSING)
    if isinstance(value, Sequence) and not isinstance(value, str) and name.isdecimal():
        return value[int(name)] if int(name) < len(value) else _MISSING
    # Only what an object says of itself: no way leads from a text in a file to the insides of Python.
    return _MISSING if name.startswith("_") else getattr(value, name, _MISSING)
