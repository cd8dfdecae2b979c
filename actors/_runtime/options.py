"""The checks of the options of a runtime: all faults at once, before anything starts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping

from actors._user_code.nearest import nearest
from actors._user_code.text import cut, shown

LONGEST = 1e9
"""The most seconds that an option may be: thirty years. The limits of threads are not far above."""


def is_seconds(value: object) -> bool:
    """Whether this is a number of seconds that every clock and thread can wait for."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LONGEST


def _or_none(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or check(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_CHECKS: dict[str, tuple[Callable[[object], bool], str]] = {
    "name": (_or_none(lambda value: isinstance(value, str)), "must be a string or None"),
    "default_timeout": (
        _or_none(is_seconds),
        "must be a number of seconds from 0 to 1e9, or None for no deadline",
    ),
    "watchdog": (
        _or_none(lambda value: is_seconds(value) and value != 0),
        "must be a number of seconds above 0 and up to 1e9, or None for no watchdog",
    ),
    "kill_grace": (is_seconds, "must be a number of seconds from 0 to 1e9"),
    "random": (_or_none(lambda value: isinstance(value, random.Random)), "must be a random.Random or None"),
    "clock": (callable, "must be a function that makes a clock for a loop"),
    "loop_factory": (_or_none(callable), "must be a function that makes an event loop, or None"),
    "log": (lambda value: isinstance(value, bool), "must be True or False"),
    "quarantine_messages": (_is_count, "must be a number of messages >= 0"),
    "quarantine_bytes": (_is_count, "must be a number of bytes >= 0"),
}
"""For each option its check, and what it must be."""


def option_faults(options: Mapping[str, object], others: Iterable[str] = (), refused: str | None = None) -> list[str]:
    """Every fault of the options of a runtime, with option and value. `others` are the options that the caller knows
    besides: an unknown one may mean one of them. `refused`: why none of them can be given.
    """
    faults = []
    for option, value in options.items():
        if option not in _CHECKS:
            hint = nearest(option, [*_CHECKS, *others], otherwise="known options:")
            faults.append(f"{cut(option, 60)}: unknown option, got {shown(value, 60)}; {hint}")
            continue
        if refused is not None:
            faults.append(f"{option}: {refused}")
            continue
        is_right, wanted = _CHECKS[option]
        if not is_right(value):
            faults.append(f"{option}: {wanted}, got {shown(value, 60)}")
    return faults
