"""The fault plan as a value: the faults of a run, with their places and times.

A fault names its targets by a path pattern: `team/w1`, `team/*` (one level), `team/**` (everything below). It counts
the events at all its targets together, from 1, and fires at the `nth` and the following ones, `times` in all. Only user
messages are counted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Literal, get_args

from actors.testing._faults.exceptions import EXCEPTIONS
from actors.testing.errors import BadFaultPlan


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = [".*" if part == "**" else "[^/]*".join(map(re.escape, part.split("*"))) for part in pattern.split("/")]
    return re.compile("/".join(parts))


def matches(pattern: str, path: str) -> bool:
    """Whether the path is one the pattern names: `*` stands for anything within one level, `**` for any number of
    levels, at least one.
    """
    return _compiled(pattern).fullmatch(path) is not None


@dataclass(frozen=True, slots=True)
class Fault:
    """Base of all faults."""

    path: str

    def __post_init__(self) -> None:
        wrong = [*self._wrong()]
        if wrong:
            raise BadFaultPlan(f"{self!r} {'; '.join(wrong)}")

    def _wrong(self) -> Iterator[str]:
        path: object = self.path
        if not isinstance(path, str) or not path:
            yield "names no actor: give a path or a pattern such as 'team/**'"
        for name in ("nth", "times"):
            value = getattr(self, name, 1)
            if not isinstance(value, int) or value < 1:
                yield f"takes an integer for {name}: {name} must be >= 1"
        for name in ("seconds", "at"):
            value = getattr(self, name, 0.0)
            if name == "at" and value is None and isinstance(self, Kill | KillPlace | LoseZygote):
                continue
            back = name == "seconds" and isinstance(self, ClockJump)
            if not isinstance(value, int | float) or not math.isfinite(value) or (value < 0 and not back):
                yield f"takes a span of time for {name}: {name} must be {'finite' if back else 'at least 0 and finite'}"


@dataclass(frozen=True, slots=True)
class Crash(Fault):
    """A handler raises `InjectedCrash` in place of handling the `nth` message."""

    nth: int = 1
    times: int = 1


@dataclass(frozen=True, slots=True)
class CrashInStart(Fault):
    """The `nth` start raises before the constructor runs."""

    nth: int = 1
    times: int = 1


@dataclass(frozen=True, slots=True)
class CrashInStop(Fault):
    """The `nth` orderly end raises in place of `on_stop`."""

    nth: int = 1
    times: int = 1


@dataclass(frozen=True, slots=True)
class Hang(Fault):
    """The handler of the `nth` message waits until it is cancelled, or until `heal()`, and handles the message then."""

    nth: int = 1
    times: int = 1


@dataclass(frozen=True, slots=True)
class Slow(Fault):
    """The handler of the `nth` message begins after `seconds` of virtual time."""

    nth: int = 1
    seconds: float = 1.0
    times: int = 1


@dataclass(frozen=True, slots=True)
class Kill(Fault):
    """The actor is killed when it takes its `nth` message.

    With `at`, the `nth` of its targets by path, counted around, is killed at that virtual time instead.
    """

    nth: int = 1
    at: float | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class KillDuringRestart(Fault):
    """The incarnation is killed while it starts, at the `nth` restart (first starts do not count)."""

    nth: int = 1
    times: int = 1


@dataclass(frozen=True, slots=True)
class DropMessage(Fault):
    """The `nth` message never arrives: as from another machine, not as in one process."""

    nth: int = 1
    times: int = 1


@dataclass(frozen=True, slots=True)
class DuplicateMessage(Fault):
    """The `nth` message arrives twice; the answer to the second is dropped."""

    nth: int = 1
    times: int = 1


@dataclass(frozen=True, slots=True)
class DelayMessage(Fault):
    """The `nth` message arrives `seconds` late, and may be overtaken by later ones."""

    nth: int = 1
    seconds: float = 1.0
    times: int = 1


@dataclass(frozen=True, slots=True)
class AskTimeout(Fault):
    """The `nth` question with a deadline is handled, but its answer does not come before the deadline."""

    nth: int = 1
    times: int = 1


@dataclass(frozen=True, slots=True)
class ClockJump(Fault):
    """At virtual time `at` the clock jumps ahead by `seconds`, as after a suspended machine. Below zero, only the wall
    clock goes back.
    """

    path: str = "**"
    at: float = 0.0
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class KillPlace(Fault):
    """The process of an actor is killed (`kill -9`) when its `nth` frame sets out, in either direction.

    With `at`, the `nth` of the target processes that run at that virtual time, by path and counted around, is killed
    then.
    """

    nth: int = 1
    at: float | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class FreezePlace(Fault):
    """The process stands still for `seconds` when its `nth` frame sets out, as after SIGSTOP and before SIGCONT."""

    nth: int = 1
    seconds: float = 1.0
    times: int = 1


@dataclass(frozen=True, slots=True)
class CutLink(Fault):
    """From the `nth` frame on nothing arrives for `seconds`, in either direction. All of it arrives then, in order."""

    nth: int = 1
    seconds: float = 1.0
    times: int = 1


@dataclass(frozen=True, slots=True)
class SlowLink(Fault):
    """The `nth` frame takes `seconds` more, and those behind it in this direction arrive after it."""

    nth: int = 1
    seconds: float = 1.0
    times: int = 1


@dataclass(frozen=True, slots=True)
class LoseZygote(Fault):
    """What forks the processes of the program ends when it is asked for the `nth` process of its targets, or at the
    virtual time `at`. What it was asked for is refused, and how the processes end that run is not known.
    """

    nth: int = 1
    at: float | None = None
    times: int = 1


Place = Literal[
    "handler",
    "end_of_handler",
    "task",
    "forgotten_task",
    "call_soon",
    "call_later",
    "timer",
    "init",
    "on_start",
    "on_continue",
    "on_restore",
    "carry_over",
    "on_stop",
    "on_failure",
    "sink",
]
"""The places at which code of the user's is called."""
PLACES: tuple[Place, ...] = get_args(Place)


@dataclass(frozen=True, slots=True)
class Raise(Fault):
    """The code of an actor raises `exception` at `place`, the `nth` time that it comes there.

    Places, each with the events that count:

    - `handler`: in place of handling a message
    - `end_of_handler`: when a message was handled, and after a wait for a moment where there is an event loop
    - `task`: a task raises that the handler awaits
    - `forgotten_task`: a task raises that the handler started; the message is handled
    - `call_soon`, `call_later`: a callback of the event loop raises, the latter after a second; the message is handled
    - `timer`: in place of handling the message of a timer of the actor's own
    - `init`, `on_start`, `on_continue`, `on_restore`, `carry_over`, `on_stop`, `on_failure`: `init`, `on_restore` and
      `on_continue` raise in place of their work, `carry_over` too, and the others after it
    - `sink`: an event sink raises at an event about the actor

    An actor on a thread comes to the tasks and callbacks by its `async` handlers alone: a plain one has no event loop.

    `exception` is a name of `faults.EXCEPTIONS`. `Exception` is an `InjectedCrash`; the others are of the types that
    they name, or make the code fail that uses them: `Unprintable`, `Incomparable`, `Frozen`, `LongCause` (1,500
    causes), `CyclicContext`, `HugeText` (a million characters), `Surrogates`.
    """

    place: Place = "handler"
    exception: str = "Exception"
    nth: int = 1
    times: int = 1

    def _wrong(self) -> Iterator[str]:
        yield from Fault._wrong(self)
        for name, known in (("place", PLACES), ("exception", EXCEPTIONS)):
            if getattr(self, name) not in known:
                yield f"knows no such {name}: give one of {', '.join(known)}"


KINDS: Mapping[str, type[Fault]] = {
    kind.__name__: kind
    for kind in (
        AskTimeout,
        ClockJump,
        Crash,
        CrashInStart,
        CrashInStop,
        CutLink,
        DelayMessage,
        DropMessage,
        DuplicateMessage,
        FreezePlace,
        Hang,
        Kill,
        KillDuringRestart,
        KillPlace,
        LoseZygote,
        Raise,
        Slow,
        SlowLink,
    )
}
OF_PROCESSES: tuple[type[Fault], ...] = (KillPlace, FreezePlace, CutLink, SlowLink, LoseZygote)
"""The kinds that happen to actors with a process of their own, and to no others."""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """The faults of one run, as a value."""

    faults: tuple[Fault, ...] = ()

    def __init__(self, *faults: Fault) -> None:
        given: tuple[object, ...] = faults
        wrong = [each for each in given if not isinstance(each, Fault)]
        if wrong:
            raise BadFaultPlan(f"FaultPlan takes faults one after another, not {', '.join(map(repr, wrong))}")
        object.__setattr__(self, "faults", tuple(faults))

    def __bool__(self) -> bool:
        return bool(self.faults)

    def __len__(self) -> int:
        return len(self.faults)

    def without(self, index: int) -> FaultPlan:
        """The plan with one fault less."""
        return FaultPlan(*self.faults[:index], *self.faults[index + 1 :])

    def as_json(self) -> list[dict[str, object]]:
        """Plain values that `from_json` understands."""
        return [{"fault": type(fault).__name__, **asdict(fault)} for fault in self.faults]

    @classmethod
    def from_json(cls, values: Iterable[Mapping[str, object]]) -> FaultPlan:
        """Reads what `as_json` wrote. Raises `BadFaultPlan`."""
        faults = []
        for value in values:
            kind = KINDS.get(str(value.get("fault")))
            if kind is None:
                raise BadFaultPlan(f"unknown fault {value.get('fault')!r}; known: {', '.join(sorted(KINDS))}")
            given = {name: each for name, each in value.items() if name != "fault"}
            if set(given) != {field.name for field in fields(kind)}:
                raise BadFaultPlan(f"{kind.__name__} does not take {sorted(given)}")
            faults.append(kind(**given))  # type: ignore[arg-type]
        return cls(*faults)

    def __repr__(self) -> str:
        return f"FaultPlan({', '.join(map(repr, self.faults))})"
