"""Functions for processes of their own, and for those of a pool."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from actors import ActorRef, stop_requested, wait_for_stop
from tests.actors.place.cast import Odd, Unsendable


def pid(*_: object) -> int:
    return os.getpid()


def double(number: int, *, plus: int = 0) -> int:
    return 2 * number + plus


async def async_double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def fail(_: object = None) -> NoReturn:
    raise ValueError("no luck")


def fail_oddly() -> NoReturn:
    raise Odd("very odd")


def leave_python() -> NoReturn:
    sys.exit("enough")


def segfault() -> None:
    ctypes.string_at(0)


def kill_nine(_: object = None) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def give_unsendable() -> Any:
    return Unsendable()


def spin() -> None:
    while True:
        pass


def say(to: ActorRef[Any], what: Any) -> None:
    to.tell(what)


def asks(other: ActorRef[Any], what: Any) -> Any:
    return other.ask(what)


def begin_then_block(to: ActorRef[Any]) -> None:
    """Says that it has begun, and never returns."""
    to.tell(("begun", os.getpid()))
    while True:
        signal.pause()


async def begin_then_wait(to: ActorRef[Any]) -> None:
    to.tell(("begun", os.getpid()))
    await asyncio.get_running_loop().create_future()


async def wait_and_tidy(to: ActorRef[Any]) -> None:
    """Waits until it is cancelled, and says so."""
    try:
        await begin_then_wait(to)
    finally:
        to.tell(("cancelled", os.getpid()))


def begin_then_heed(to: ActorRef[Any]) -> str:
    """Says that it has begun, and returns when it is told to stop."""
    to.tell(("begun", os.getpid()))
    wait_for_stop()
    to.tell(("told", os.getpid()))
    return "told" if stop_requested() else "not told"


def fail_first(folder: str) -> str:
    """Ends its process the first times, and then says how often it was tried."""
    tries = len(list(Path(folder).iterdir())) + 1
    (Path(folder) / str(tries)).touch()
    if tries < 3:
        kill_nine()
    return f"at try {tries}"
