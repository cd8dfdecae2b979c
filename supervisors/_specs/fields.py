"""Checks of single fields of a spec. Each message says what to write instead (supervision rule 24)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, cast

from pydantic_core import PydanticCustomError

from actors.spi import HOSTS, HostName, MailboxSpec, PlaceSpec, ProcessSpec, place_spec, shown
from supervisors._specs.start_kind import kind_of

MAX_RESTARTS = 15
"""The default budget: restarts of one child in a row without progress. It was chosen by the table that `python -m
benchmarks.failure_rates` prints.
"""


Restart = Literal["permanent", "transient", "temporary"]


RestartStrategy = Literal["one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one"]


AutoShutdownMode = Literal["never", "any_significant", "all_significant"]


Args = Mapping[str, object] | Sequence[object]


Startable = type | str | Callable[..., object]


MOST_PARTITIONS = 100_000
"""The most children of a partitioned supervisor: each is a spec of its own."""


_DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)*"


LOCATION = re.compile(f"{_DOTTED}:{_DOTTED}")


def _fault(message: str) -> PydanticCustomError:
    return PydanticCustomError("spec", "{message}", {"message": message})


def check_id(value: object) -> str:
    """An id is one step of a path."""
    if not isinstance(value, str):
        raise _fault("must be a string")
    if not value:
        raise _fault("must not be empty")
    if "/" in value:
        raise _fault("must not contain '/', which separates the steps of a path")
    if not value.isprintable() or value != value.strip():
        raise _fault("must be printable, without spaces around it")
    return value


def check_name(value: object) -> str | None:
    """A registered name is a printable string."""
    if value is None:
        return None
    if not isinstance(value, str) or not value or not value.isprintable():
        raise _fault("must be a printable string that is not empty")
    return value


def check_start(value: object) -> Startable | None:
    """What a child can run, or the place of it."""
    if value is None:
        return None
    if isinstance(value, str):
        if LOCATION.fullmatch(value) is None:
            raise _fault("must have the form 'module:name'")
        return value
    if isinstance(kind := kind_of(value), str):
        raise _fault(kind)
    return cast("Startable", value)


def check_args(value: object) -> Args:
    """Keyword arguments as a mapping, or positional ones as a sequence. Copied, so that the spec cannot change."""
    if type(value) is tuple:
        return value
    if isinstance(value, Mapping):
        if wrong := [key for key in value if not isinstance(key, str)]:
            raise _fault(f"keyword arguments need strings as keys, not {shown(wrong[0], 60)}")
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return tuple(value)
    raise _fault("must be a mapping (keyword arguments) or a sequence (positional arguments)")


def check_initial(value: object) -> tuple[Args, ...]:
    """The extra arguments of each child that a dynamic supervisor begins with."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes | bytearray):
        raise _fault("must be a list with the arguments of each child that the supervisor begins with")
    return tuple(check_args(each) for each in value)


def check_shutdown(value: object) -> float | Literal["brutal_kill", "infinity"]:
    """Seconds of grace, or one of the two words (supervision rule 17)."""
    if isinstance(value, str) and value in ("brutal_kill", "infinity"):
        return "brutal_kill" if value == "brutal_kill" else "infinity"
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise _fault("must be seconds, 'infinity' or 'brutal_kill'")
    if value == 0:
        raise _fault("0 leaves no time to stop: use 'brutal_kill'")
    if value < 0:
        raise _fault("must be more than 0 seconds, 'infinity' or 'brutal_kill'")
    if math.isinf(value):
        raise _fault("must be finite: use 'infinity'")
    return float(value)


def check_host(value: object) -> HostName | PlaceSpec | None:
    """The name of a host, or the spec of a process; a mapping of its fields, as in a file."""
    if value is None or isinstance(value, PlaceSpec):
        return value
    if isinstance(value, str) and value in ("loop", "thread", "process"):
        return ProcessSpec() if value == "process" else cast("HostName", value)
    if not isinstance(value, Mapping):
        raise _fault(f"must be {HOSTS}")
    try:
        return place_spec(value)
    except ValueError as error:
        raise _fault(str(error)) from None


def check_supervisor_host(value: object) -> PlaceSpec | None:
    """The spec of a place for the whole subtree."""
    host = check_host(value)
    if host is None or isinstance(host, PlaceSpec):
        return host
    raise _fault("must be 'process', a process() or a ray(): otherwise a supervisor runs on the event loop")


def check_mailbox(value: object) -> object:
    """The short forms "keep" and "drop" say what a restart does with the queue. Pydantic checks a mapping."""
    if isinstance(value, str) and value in ("keep", "drop"):
        return MailboxSpec(on_restart="keep" if value == "keep" else "drop")
    if isinstance(value, MailboxSpec | Mapping):
        return value
    raise _fault("must be 'keep', 'drop' or a MailboxSpec")


def check_callback(value: object) -> Callable[..., object] | None:
    """A function, or None."""
    if value is not None and not callable(value):
        raise _fault("must be callable")
    return value


def check_supervisor_class(value: object) -> type | None:
    """A subclass of `Supervisor`, or None."""
    if value is None:
        return None
    if not isinstance(value, type) or not getattr(value, "manages_lifecycle", False):
        raise _fault("must be a subclass of supervisors.Supervisor")
    return value
