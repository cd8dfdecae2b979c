"""Objects that raise wherever they are looked at: to send, to answer with, to listen with.

For the tests of code that handles what it does not know. Each raises an exception of a name of `faults.EXCEPTIONS`;
nothing here needs a simulation, except that a simulation makes what follows repeatable.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, get_args

from actors.testing._faults.exceptions import EXCEPTIONS, Frozen, Incomparable, Unprintable, make_exception
from actors.testing.errors import BadFaultPlan

__all__ = [
    "EXCEPTIONS",
    "LOOKS",
    "Awaitable",
    "ContextManager",
    "Frozen",
    "Handler",
    "Hostile",
    "Incomparable",
    "Look",
    "Raiser",
    "Unprintable",
    "closing",
    "log_filter",
    "logging_to",
    "raising",
]

Look = Literal["repr", "str", "eq", "hash", "bool", "getattr", "class", "await", "del"]
"""How an object is looked at: `repr()`, `str()`, `==`, `hash()`, `bool()` and `len()`, an attribute that it has not,
`isinstance()`, `await`, and when it is dropped."""
LOOKS: tuple[Look, ...] = get_args(Look)


def raising(exception: str, where: str) -> BaseException:
    """A fresh exception of this name. Raises `BadFaultPlan` for an unknown one."""
    if exception not in EXCEPTIONS:
        raise BadFaultPlan(f"no exception has the name {exception!r}: give one of {', '.join(EXCEPTIONS)}")
    return make_exception(exception, "hostile", where)


class Raiser:
    """A function that raises from its `nth` call on, `times` times (`None`: from then on always).

    For an event sink, a callback of a supervisor, a priority, a key: whatever it is called with, it returns `answer`
    where it does not raise.
    """

    def __init__(
        self, exception: str = "Exception", *, nth: int = 1, times: int | None = None, answer: object = None
    ) -> None:
        raising(exception, "")  # a name that is not known is an error here, not in the middle of a run
        self.exception = exception
        self.nth = nth
        self.times = times
        self.answer = answer
        self.calls = 0
        """How often it was called."""
        self.raised = 0
        """How often it has raised."""

    def __call__(self, *args: object, **kwargs: object) -> Any:
        self.calls += 1
        last = None if self.times is None else self.nth + self.times
        if self.calls < self.nth or (last is not None and self.calls >= last):
            return self.answer
        self.raised += 1
        raise raising(self.exception, f"at call {self.calls}")


class Hostile:
    """A value that raises when it is looked at in one of these ways. Values of this class may be messages, answers,
    arguments and attributes.
    """

    def __init__(self, *looks: Look, exception: str = "Exception") -> None:
        """`looks`: where none is named, all of them but `class`, with which hardly anything works, and `del`."""
        unknown = [each for each in looks if each not in LOOKS]
        if unknown:
            raise BadFaultPlan(f"no look has the name {unknown[0]!r}: give some of {', '.join(LOOKS)}")
        raising(exception, "")
        self._looks = looks or tuple(each for each in LOOKS if each not in ("class", "del"))
        self._exception = exception

    def disarm(self) -> None:
        """It raises nothing any more: an object that is dropped after a test must not raise in another one."""
        self._looks = ()

    def _look(self, look: Look) -> None:
        state = object.__getattribute__(self, "__dict__")
        if look in state.get("_looks", ()):
            raise raising(state["_exception"], f"at {look}")

    def __repr__(self) -> str:
        self._look("repr")
        return f"<{type(self).__name__}>"

    def __str__(self) -> str:
        self._look("str")
        return f"a value of {type(self).__name__}"

    def __eq__(self, other: object) -> bool:
        self._look("eq")
        return self is other

    def __hash__(self) -> int:
        self._look("hash")
        return id(self)

    def __bool__(self) -> bool:
        self._look("bool")
        return True

    def __len__(self) -> int:
        self._look("bool")
        return 1

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_looks"):
            self._look("getattr")
        raise AttributeError(name)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        self._look("class")
        return type(self)

    def __del__(self) -> None:
        self._look("del")


class Awaitable(Hostile):
    """One that can be awaited, and raises then."""

    def __await__(self) -> Generator[None, None, object]:
        self._look("await")
        yield
        return self


class ContextManager:
    """A context manager, plain and asynchronous, whose end raises: after a good end or, in its place, a bad one."""

    def __init__(self, exception: str = "Exception") -> None:
        self._leave = Raiser(exception)

    def __enter__(self) -> ContextManager:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()

    async def __aenter__(self) -> ContextManager:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()


def closing(exception: str = "Exception") -> Generator[int, None, None]:
    """A generator whose end raises, also where it is closed or dropped in the middle."""
    try:
        yield 1
        yield 2
    finally:
        Raiser(exception)()


class Handler(logging.Handler):
    """A handler of `logging` that raises where it is given a record, and does not ask `logging` what to do then."""

    def __init__(self, exception: str = "Exception", *, nth: int = 1, times: int | None = None) -> None:
        super().__init__()
        self.raiser = Raiser(exception, nth=nth, times=times)

    def emit(self, record: logging.LogRecord) -> None:
        record.getMessage()
        self.raiser(record)


def log_filter(exception: str = "Exception", *, nth: int = 1, times: int | None = None) -> Callable[..., bool]:
    """A filter of `logging` that raises where it is given a record."""
    return Raiser(exception, nth=nth, times=times, answer=True)


@contextmanager
def logging_to(
    name: str, *, handlers: Iterator[logging.Handler] | tuple[logging.Handler, ...] = (), filters: tuple[Any, ...] = ()
) -> Iterator[logging.Logger]:
    """The logger of this name has these handlers and filters alone, every level counts, and nothing goes on to the
    loggers above it; afterwards it is as it was.
    """
    logger = logging.getLogger(name)
    before = logger.handlers, logger.filters, logger.level, logger.propagate
    logger.handlers, logger.filters, logger.propagate = list(handlers), list(filters), False
    logger.setLevel(logging.DEBUG)
    try:
        yield logger
    finally:
        logger.handlers, logger.filters, logger.propagate = before[0], before[1], before[3]
        logger.setLevel(before[2])
