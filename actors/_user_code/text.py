"""Text of the user's, fit to be shown: by a log, an error, an exit reason, an event, the ledger and the command line.

An exception, a message or a class of the user's may say anything of itself: 10 MB, an escape sequence that steers a
terminal, a surrogate that no stream can encode; or it raises when it is asked. Whatever shows such a value calls one of
these functions. They return one line (`block`: several), cut to a limit, of printable characters, and raise nothing
but the user's Ctrl-C.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LONGEST = 200
"""Characters of a value in a line: a message may hold a whole file."""
TEXT = 1000
"""The most characters of a text that stands alone, such as an error or an exit reason."""
_DEEP = 6
"""How deep containers are shown."""

_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    dict: ("{", "}"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}
_name_of = vars(type)["__qualname__"].__get__
"""The name of a class by `type` itself: a metaclass may have another idea of `__qualname__`."""
args_of: Callable[[BaseException], tuple[Any, ...]] = vars(BaseException)["args"].__get__
"""The arguments of an exception by `BaseException` itself: a class may have another idea of `args`."""
_SAYS: dict[object, str] = {BaseException.__str__: "arguments", KeyError.__str__: "key"}
"""The texts of exceptions that have none of their own."""
_SHOW_ARGUMENTS: frozenset[object] = frozenset({BaseException.__repr__})
_plain = str.__str__
"""A string without what a subclass of `str` says of itself."""


def printable(text: str) -> str:
    """The text on one line, with everything that could steer a terminal written out, line breaks included."""
    text = _plain(text)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def cut(text: str, limit: int = LONGEST) -> str:
    """The text on one line, printable: at most `limit` characters of it, and how many there were."""
    if type(text) is str and len(text) <= limit and text.isprintable():
        return text
    text = _plain(text)
    head = printable(text[:limit])
    if len(text) <= limit and len(head) <= limit:
        return head
    return f"{head[:limit]}... ({len(text)} characters)"


def block(text: str, limit: int = TEXT) -> str:
    """A text of several lines, printable and cut like one."""
    text = _plain(text)
    head = "\n".join(map(printable, text[:limit].split("\n")))
    if len(text) <= limit and len(head) <= limit:
        return head
    return f"{head[:limit]}... ({len(text)} characters)"


def type_name(value: object) -> str:
    """The qualified name of the class of a value."""
    name: str = _name_of(type(value))
    # What nearly every name is. Names are wanted for each crash, and often for each message.
    return name if type(name) is str and len(name) <= LONGEST and name.isprintable() else cut(name)


def class_name(kind: type) -> str:
    """The qualified name of a class."""
    return cut(_name_of(kind))


def shown(value: object, limit: int = LONGEST) -> str:
    """`repr(value)`, cut. A value that cannot be shown is named by its class. Of a builtin container or text only as
    much is looked at as is shown.
    """
    try:
        text = printable(_repr(value, limit, ())[: limit + 1])
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        return f"<{type_name(value)}, cannot be shown>"
    if len(text) <= limit:
        return text
    if type(value) is str:
        return f"{text[:limit]}... ({len(value)} characters)"
    return f"{text[:limit]}... ({len(value)} bytes)" if type(value) is bytes else f"{text[:limit]}..."


def said(value: object, limit: int = LONGEST, fit: Callable[[str, int], str] = cut) -> str:
    """`str(value)`, cut; a value that cannot say anything is named by its class. `fit`: `cut`, or `block` for lines."""
    try:
        return fit(_str(value, limit), limit)
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        return f"<{type_name(value)}, cannot be shown>"


def described(error: BaseException, limit: int = LONGEST) -> str:
    """An exception in a line: `ValueError: no luck`; its class alone where it says nothing."""
    text = said(error, limit)
    return f"{type_name(error)}: {text}" if text else type_name(error)


def fields_shown(value: DataclassInstance) -> str:
    """The `repr` of a dataclass, each of its fields shown."""
    values = (f"{field.name}={shown(getattr(value, field.name))}" for field in fields(value))
    return f"{type_name(value)}({', '.join(values)})"


def key_of(value: object) -> object:
    """Something that can be hashed and compared, equal for values that show themselves alike: a text itself, and of
    anything else the first 10,000 characters of its `repr`. Of what cannot be shown, its identity.
    """
    if type(value) is str or type(value) is bytes:
        return value
    try:
        return type(value), _plain(_repr(value, 10 * TEXT, ()))
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        return id(value)


def attribute(value: object, name: str, otherwise: object = None) -> object:
    """The attribute of that name; `otherwise` where there is none or reading it raises."""
    try:
        return getattr(value, name, otherwise)
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        return otherwise


def is_ctrl_c(error: BaseException) -> bool:
    """Whether this may be the user's Ctrl-C, and not what some code raised of itself: Python raises that in the main
    thread only, and only where nothing else handles SIGINT.
    """
    return (
        isinstance(error, KeyboardInterrupt)
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )


def _str(value: object, room: int) -> str:
    """`str(value)`, or the beginning of it."""
    if not isinstance(value, BaseException):
        return _repr(value, room, ()) if type(value) in _BRACKETS else str(value)
    how, args = _SAYS.get(type(value).__str__), args_of(value)
    if how == "key" and len(args) == 1:
        return _repr(args[0], room, ())
    if how == "arguments" and args:
        if len(args) > 1:
            return _repr(args, room, ())
        return args[0] if type(args[0]) is str else _str(args[0], room)
    return str(value)


def _repr(value: Any, room: int, around: tuple[int, ...]) -> str:
    """`repr(value)`, or the beginning of it: of a builtin container only as much is made as there is room for, for one
    that holds another twice, and so on, has a `repr` without an end. `around` are the containers it is in.
    """
    kind: type = type(value)
    if kind is str or kind is bytes or kind is bytearray:
        return repr(value) if len(value) <= room else f"{value[:room]!r}..."
    is_error = isinstance(value, BaseException) and kind.__repr__ in _SHOW_ARGUMENTS
    if not is_error and (kind not in _BRACKETS or not value):
        return repr(value)
    start, end = (f"{_name_of(kind)}(", ")") if is_error else _BRACKETS[kind]
    if len(around) == _DEEP or id(value) in around:
        return f"{start}...{end}"
    inner = (*around, id(value))
    if is_error:
        parts = (_repr(each, room, inner) for each in args_of(value))
    elif kind is dict:
        parts = (f"{_repr(key, room, inner)}: {_repr(each, room, inner)}" for key, each in value.items())
    else:
        parts = (_repr(each, room, inner) for each in value)
    inside = _joined(parts, room)
    return f"{start}{inside},{end}" if kind is tuple and len(value) == 1 else f"{start}{inside}{end}"


def _joined(parts: Iterable[str], room: int) -> str:
    taken: list[str] = []
    length = 0
    for part in parts:
        if length > room:
            taken.append("...")
            break
        taken.append(part)
        length += len(part) + 2
    return ", ".join(taken)
