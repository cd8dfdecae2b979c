"""The value of a condition: true, false, or unknown (Kleene). Only true holds.

A reference that leads nowhere makes its comparison unknown; `not` keeps that, `and` and `or` decide without it where
they can. A value by itself counts as Python has it: null, false, 0, and what is empty do not hold. `true` is not 1.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from teams.workflows._language.expression import (
    Always,
    Compared,
    Comparison,
    Every,
    Expression,
    Fixed,
    Listed,
    Negated,
    Of,
    Some,
)
from teams.workflows._language.refs import MISSING, SKIPPED, UNKNOWN, Ref, Unknown, resolve
from teams.workflows.errors import NotComparable

Env = Mapping[str, object]


def evaluate(condition: Expression, env: Env) -> bool | Unknown:
    """The value of the condition. Raises NotComparable where the types of values do not allow a comparison."""
    match condition:
        case Always():
            return True
        case Every(parts):
            return _joined(parts, env, False)
        case Some(parts):
            return _joined(parts, env, True)
        case Negated(inner):
            said = evaluate(inner, env)
            return said if said is UNKNOWN else not said
        case Compared(op, left, right):
            return _compared(op, value_of(left, env), value_of(right, env))
    found = value_of(condition, env)
    return UNKNOWN if found is MISSING else _counts(found)


def holds(condition: Expression, env: Env) -> bool:
    """Whether the condition is true. Raises NotComparable."""
    return evaluate(condition, env) is True


def value_of(term: Expression, env: Env) -> object:
    """The value of a term, `MISSING` if it has none. Raises NotComparable."""
    match term:
        case Fixed(value):
            return value
        case Ref():
            return resolve(term, env)
        case Listed(items):
            found = [value_of(each, env) for each in items]
            return MISSING if MISSING in found else found
        case Of("has", ref):
            return env.get(ref.root) is not SKIPPED and resolve(ref, env) is not MISSING
        case Of("size", ref):
            return _size(resolve(ref, env))
    said = evaluate(term, env)
    return MISSING if said is UNKNOWN else said


def _joined(parts: Sequence[Expression], env: Env, decides: bool) -> bool | Unknown:
    """`and`, which false decides, or `or`, which true decides."""
    found: bool | Unknown = not decides
    for each in parts:
        said = evaluate(each, env)
        if said is decides:
            return decides
        if said is UNKNOWN:
            found = UNKNOWN
    return found


def _counts(value: object) -> bool:
    try:
        return bool(value)
    except Exception:  # noqa: BLE001 - a value of the user's decides what it counts as
        raise NotComparable("is true", value, True) from None


def _size(value: object) -> object:
    if value is MISSING:
        return MISSING
    if isinstance(value, str | Sequence | Mapping | Set):
        return len(value)
    raise NotComparable("size", value, None)


def _compared(op: Comparison, left: object, right: object) -> bool | Unknown:
    if left is MISSING or right is MISSING:
        return UNKNOWN
    try:
        return _HOLDS[op](left, right)
    except NotComparable:
        raise
    except Exception as error:
        raise NotComparable(op, left, right) from error


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)
    return bool(left == right)


def _ordered(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], bool]:
    def decide(left: Any, right: Any) -> bool:
        if isinstance(left, bool) or isinstance(right, bool):
            raise TypeError("true and false have no order")
        return bool(compare(left, right))

    return decide


def _contains(held: Any, value: Any) -> bool:
    if isinstance(held, str):
        if not isinstance(value, str):
            raise TypeError("a string contains strings")
        return value in held
    if isinstance(held, Mapping):
        return isinstance(value, str) and value in held
    if isinstance(held, Sequence | Set) and not isinstance(held, bytes):
        return any(_equal(each, value) for each in held)
    raise TypeError("only strings, lists and mappings contain something")


_HOLDS: Mapping[Comparison, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "in": lambda left, right: _contains(right, left),
    "not in": lambda left, right: not _contains(right, left),
    "contains": _contains,
}
