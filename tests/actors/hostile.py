"""Exceptions and values that do what they can to break whoever shows or compares them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

RAISES: list[type[BaseException]] = [
    ValueError,
    SystemExit,
    KeyboardInterrupt,
    GeneratorExit,
    asyncio.CancelledError,
    RecursionError,
    StopIteration,
]


def off_the_main_thread(work: Callable[[], T]) -> T:
    """Runs it where no Ctrl-C can come from: in the main thread a KeyboardInterrupt may be the user's."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


class EvilText(str):
    """A text that lies about itself."""

    __slots__ = ()

    def __len__(self) -> int:
        return 0

    def isprintable(self) -> bool:
        return True

    def __getitem__(self, _: object) -> NoReturn:
        raise ValueError

    def __format__(self, _: str) -> NoReturn:
        raise SystemExit


class Meta(type):
    """A class of such does not say what it is called."""

    def __getattribute__(cls, name: str) -> Any:
        if name in ("__name__", "__qualname__"):
            raise SystemExit
        return super().__getattribute__(name)


class Array:
    """Compares item by item, as arrays do."""

    def __eq__(self, other: object) -> Any:
        return Array()

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    __hash__ = None  # type: ignore[assignment]


def that_raises(kind: type[BaseException]) -> type[Exception]:
    """An exception class that raises whatever it is asked."""

    class Hostile(Exception, metaclass=Meta):
        reason = property(lambda self: self.no())
        __notes__ = property(lambda self: self.no())
        __cause__ = property(lambda self: self.no())

        def no(self) -> Any:
            raise kind

        def __str__(self) -> str:
            raise kind

        def __repr__(self) -> str:
            raise kind

        def __eq__(self, other: object) -> bool:
            raise kind

        def __hash__(self) -> int:
            raise kind

    return Hostile


class NoClass(Exception):
    """An exception that does not say what it is. `except` goes by its type."""

    @property
    def __class__(self) -> Any:
        raise ValueError

    @__class__.setter
    def __class__(self, _: Any) -> None:
        raise ValueError


class NoText(Exception):
    """Its text is none."""

    def __str__(self) -> str:
        return 3  # type: ignore[return-value]


class Lies(Exception):
    """Its text lies about itself."""

    def __str__(self) -> str:
        return EvilText("\x1b[31mred" * 100)


def chained(length: int, *, around: bool = False) -> Exception:
    """An exception with so many causes; `around`: the first is caused by the last."""
    first = last = ValueError("the first")
    for number in range(length):
        made = ValueError(f"number {number}")
        made.__cause__ = last
        last = made
    if around:
        first.__cause__ = last
    return last


def grouped(depth: int) -> Exception:
    """Groups in groups, each twice in the next: 2**depth exceptions for who follows them all."""
    inner: Exception = ValueError("in the middle")
    for _ in range(depth):
        inner = ExceptionGroup("again", [inner, inner])
    return inner


def endless() -> list[Any]:
    """A list that holds itself."""
    made: list[Any] = []
    made.append(made)
    return made


def deep() -> list[Any]:
    """Lists in lists."""
    made: list[Any] = []
    for _ in range(5000):
        made = [made]
    return made


def doubled() -> list[Any]:
    """A list that holds a list twice, and so on: 2**100 items for who follows them all."""
    made: list[Any] = ["x"]
    for _ in range(100):
        made = [made, made]
    return made


def noted() -> Exception:
    """An exception with notes that are none."""
    made = ValueError("noted")
    made.__notes__ = ["\x1b[31m", 3, "x" * 10_000_000]  # type: ignore[list-item]
    return made


VALUES: list[Callable[[], Any]] = [
    endless,
    deep,
    doubled,
    Array,
    lambda: EvilText("x"),
    lambda: "\ud800",
    lambda: b"\x1b" * 10_000_000,
    lambda: "x" * 10_000_000,
    lambda: float("nan"),
    lambda: 10**5000,
    *(lambda kind=kind: that_raises(kind)() for kind in RAISES),
]
EXCEPTIONS: list[Callable[[], BaseException]] = [
    lambda: chained(1500),
    lambda: chained(3, around=True),
    lambda: grouped(200),
    lambda: ExceptionGroup("wide", [ValueError(number) for number in range(10_000)]),
    NoText,
    Lies,
    noted,
    lambda: type("\x1b]0;owned\x07" * 100, (Exception,), {})("x"),
    lambda: SyntaxError("bad", ("\x1b.py", 10**9, 10**9, "\x1b" * 1000, -1, -1)),
    lambda: KeyError("\x1b[2J"),
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "\x1b"),
    *(lambda kind=kind: that_raises(kind)("x") for kind in RAISES),
]


def hostile_values() -> st.SearchStrategy[Any]:
    """Arguments of exceptions, messages, results."""
    return st.sampled_from(VALUES).map(lambda make: make()) | st.recursive(st.none() | st.text(), st.lists)


def hostile_exceptions() -> st.SearchStrategy[BaseException]:
    """Exceptions of all these kinds, alone, in chains, in groups."""
    both = st.tuples(hostile_values(), hostile_values()).map(lambda pair: ValueError(*pair))
    return st.sampled_from(EXCEPTIONS).map(lambda make: make()) | both
