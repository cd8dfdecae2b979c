"""Equality of values of the user's, by a bounded number of comparisons.

Python compares a list as often as it is reached: two lists that each hold the next list twice, 100 levels deep, take
2**100 comparisons, in C, where nothing else runs meanwhile. So the parts of two values are counted before they are
compared.
"""

from __future__ import annotations

import threading
from collections import UserList, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import fields
from gc import get_referents
from itertools import chain, islice, repeat
from types import FunctionType, WrapperDescriptorType
from typing import Any

from actors._user_code.text import attribute, is_ctrl_c

MOST = 100_000
"""How many values one comparison may look at, those in containers included, each as often as it is reached."""
_LETTERS = 4096
"""Characters, or bytes, that take as long to compare as one value."""

_TEXT_LENGTHS: dict[type, Callable[[Any], int]] = {
    str: str.__len__,
    bytes: bytes.__len__,
    bytearray: bytearray.__len__,
}
_PLAIN = frozenset({type(None), bool, int, float, complex, *_TEXT_LENGTHS})
_IN_CONTAINER: dict[type, Callable[[Any], Iterable[object]]] = {
    list: list.__iter__,
    tuple: tuple.__iter__,
    set: set.__iter__,
    frozenset: frozenset.__iter__,
    deque: deque.__iter__,
    dict: lambda value: chain(dict.keys(value), dict.values(value)),
}
"""The parts of a container by its built-in type itself: a subclass may have another idea of them."""
_OF_COLLECTIONS = (UserList.__eq__, Mapping.__eq__, Set.__eq__)

_thread = threading.local()
"""`left`: how many values the comparison that this thread makes may still look at."""


def same(one: object, other: object) -> bool:
    """Whether two values are equal. Values that cannot be compared are equal when they are the same object; so are
    values with more than `MOST` parts.

    A comparison inside of it, by the `==` of a record that a list holds, counts with it. The cost of an `__eq__` that
    is written by hand is that of its class: such an object has no parts here.
    """
    if one is other:
        return True
    try:
        if type(one) in _PLAIN or type(other) in _PLAIN:
            return bool(one == other)
        return _compared(one, other)
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        return False


def _compared(one: object, other: object) -> bool:
    before: int | None = getattr(_thread, "left", None)
    left = MOST if before is None else before
    # `==` ends with the smaller of the two, at the latest.
    parts = sum(1 for _ in islice(zip(_unfolded(one), _unfolded(other), strict=False), left + 1))
    _thread.left = max(left - parts, 0)
    try:
        return parts <= left and bool(one == other)
    finally:
        if before is None:
            del _thread.left


def _unfolded(value: object) -> Iterator[object]:
    """The value and all that `==` may look at inside of it, each as often as it is reached: without an end for a value
    that holds itself. Runs no code of the user's, other than to get an attribute.
    """
    yield value
    waiting = [value]
    while waiting:
        value = waiting.pop()
        kind = type(value)
        if kind in _TEXT_LENGTHS:
            yield from repeat(value, _TEXT_LENGTHS[kind](value) // _LETTERS)
        elif kind not in _PLAIN:
            parts = list(islice(_parts(value, kind), MOST + 1))
            yield from parts
            waiting += parts


def _parts(value: object, kind: type) -> Iterable[object]:
    """What the `==` of this class compares of the value."""
    for container, parts in _IN_CONTAINER.items():
        if issubclass(kind, container):
            return parts(value)
    equality: Any = attribute(kind, "__eq__")
    if type(equality) is WrapperDescriptorType:  # written in C, for others than containers, too
        return () if equality is object.__eq__ else get_referents(value)
    if type(equality) is not FunctionType:
        return ()
    if any(equality is each for each in _OF_COLLECTIONS) or equality.__code__.co_qualname == "BaseModel.__eq__":
        return get_referents(value)
    if equality.__code__.co_qualname.startswith("__create_fn__."):
        return (attribute(value, field.name) for field in fields(kind) if field.compare)
    if equality.__code__.co_filename.startswith("<attrs generated"):
        attributes: Any = attribute(kind, "__attrs_attrs__", ())
        return (attribute(value, each.name) for each in attributes if each.eq)
    return ()
