"""Text of the user's, fit to be shown: by a log, an error, an exit reason, an event, the ledger and the command line.

An exception, a message or a class of the user's may say anything of itself: 10 MB, an escape sequence that steers a
terminal, a surrogate that no stream can encode; or it raises when it is asked. Whatever shows such a value calls one of
these functions. They return one line (`block`: several), cut to a limit, of printable characters, and raise nothing
but the user's Ctrl-C.
"""

from __future__ import annotations

import signal
import threading
from collections import OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from types import FunctionType, SimpleNamespace, WrapperDescriptorType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LONGEST = 200
"""Characters of a value in a line: a message may hold a whole file."""
TEXT = 1000
"""The most characters of a text that stands alone, such as an error or an exit reason."""
_DEEP = 6
"""How deep containers are shown."""

_BRACKETS: dict[Any, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    dict: ("{", "}"),
    set: ("{", "}"),
    frozenset: ("{", "}"),
    deque: ("[", "]"),
}
_name_of = vars(type)["__qualname__"].__get__
"""The name of a class by `type` itself: a metaclass may have another idea of `__qualname__`."""
args_of: Callable[[BaseException], tuple[Any, ...]] = vars(BaseException)["args"].__get__
"""The arguments of an exception by `BaseException` itself: a class may have another idea of `args`."""
_SAYS: dict[object, str] = {BaseException.__str__: "arguments", KeyError.__str__: "key"}
"""The texts of exceptions that have none of their own."""
_SHOW_ARGUMENTS: frozenset[object] = frozenset({BaseException.__repr__})
_CONTAINERS: dict[object, Any] = {each.__repr__: each for each in _BRACKETS} | {
    OrderedDict.__repr__: dict,
    defaultdict.__repr__: dict,
}
"""The container of which a `repr` shows the items: that of a subclass, too, which has no other one."""
_SHOW_THEIR_CLASS: frozenset[object] = frozenset(
    {each.__repr__ for each in (set, frozenset, deque, OrderedDict, defaultdict)}
)
_plain = str.__str__
"""A string without what a subclass of `str` says of itself."""


class _Key(NamedTuple):
    """The key of a value in a dict."""

    key: object


_Shape: TypeAlias = tuple[str, str, Iterable[tuple[object, object]]]
"""How a `repr` begins and ends, and the values between, each with its label: the name of a field, a `_Key`, or None."""


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
    text: Any = args[0] if len(args := args_of(error)) == 1 else None
    try:
        is_plain = type(text) is str and _SAYS.get(type(error).__str__) == "arguments"
    except BaseException as raised:
        if is_ctrl_c(raised):
            raise
        is_plain = False
    if not is_plain or len(text) > limit or not text.isprintable():  # nearly every exception is otherwise
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
        return _repr(value, room, ()) if _says_its_repr(type(value)) else str(value)
    how, args = _SAYS.get(type(value).__str__), args_of(value)
    if how == "key" and len(args) == 1:
        return _repr(args[0], room, ())
    if how == "arguments" and args:
        if len(args) > 1:
            return _repr(args, room, ())
        return args[0] if type(args[0]) is str else _str(args[0], room)
    return str(value)


def _says_its_repr(kind: type) -> bool:
    says: Any = attribute(kind, "__str__")
    if type(says) is FunctionType:
        return says.__code__.co_qualname == "BaseModel.__str__"
    return says is object.__str__


def _repr(value: Any, room: int, around: tuple[int, ...]) -> str:
    """`repr(value)`, or the beginning of it: of a builtin container, or of the fields of a dataclass, only as much is
    made as there is room for, for one that holds another twice, and so on, has a `repr` without an end. `around` are
    the containers it is in.
    """
    kind: type = type(value)
    if kind is str or kind is bytes or kind is bytearray:
        return repr(value) if len(value) <= room else f"{value[:room]!r}..."
    shape = _shape(value, kind)
    if shape is None:
        return repr(value)
    start, end, parts = shape
    if len(around) == _DEEP or id(value) in around:
        return f"{start}...{end}"
    inner = (*around, id(value))
    inside = _joined(_labelled(parts, room, inner), room)
    return f"{start}{inside},{end}" if start == "(" and tuple.__len__(value) == 1 else f"{start}{inside}{end}"


def _shape(value: Any, kind: type) -> _Shape | None:
    """What the `repr` of the class shows. None: it was written by hand, or shows nothing of other values."""
    shows: Any = attribute(kind, "__repr__")
    if type(shows) is FunctionType:
        if shows is UserList.__repr__ or shows is UserDict.__repr__:
            return _shape(value.data, type(value.data))
        named = _named(value, kind, getattr(shows, "__wrapped__", shows))
        return None if named is None else (f"{type_name(value)}(", ")", named)
    if type(shows) is not WrapperDescriptorType:
        return None
    if shows in _SHOW_ARGUMENTS:
        return f"{_name_of(kind)}(", ")", _unnamed(args_of(value))
    if shows is SimpleNamespace.__repr__:
        return f"{'namespace' if kind is SimpleNamespace else _name_of(kind)}(", ")", vars(value).items()
    base = _CONTAINERS.get(shows)
    if base is None or not base.__len__(value):
        return None
    start, end = _BRACKETS[base]
    if base is dict:
        items: Iterable[tuple[object, object]] = ((_Key(key), each) for key, each in dict.items(value))
    else:
        items = _unnamed(base.__iter__(value))
    if kind is not set and shows in _SHOW_THEIR_CLASS:
        start, end = f"{_name_of(kind)}({start}", f"{end})"
    return start, end, items


def _named(value: Any, kind: Any, shows: Any) -> Iterable[tuple[object, object]] | None:
    """The fields that a `repr` made by a library shows."""
    made_by = shows.__code__.co_qualname if type(shows) is FunctionType else ""
    if made_by == "BaseModel.__repr__":
        return value.__repr_args__()  # type: ignore[no-any-return]
    if made_by.startswith("__create_fn__."):
        names = [each.name for each in fields(kind) if each.repr]
    elif made_by == "Record.__repr__":
        names = [each.name for each in fields(kind)]
    elif made_by == "namedtuple.<locals>.__repr__":
        names = kind._fields
    else:
        return None
    return ((name, getattr(value, name)) for name in names)


def _unnamed(values: Iterable[object]) -> Iterable[tuple[object, object]]:
    return ((None, each) for each in values)


def _labelled(parts: Iterable[tuple[object, object]], room: int, around: tuple[int, ...]) -> Iterator[str]:
    for label, each in parts:
        text = _repr(each, room, around)
        if type(label) is _Key:
            yield f"{_repr(label.key, room, around)}: {text}"
        else:
            yield text if label is None else f"{label}={text}"


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
