"""Subtrees in processes of their own, for the tests of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from supervisors import (
    SupervisorRef,
    SupervisorSpec,
    child,
    start,
    supervisor,
)
from tests.actors.place.cast import Performer, Stage, pid, placing, stage


def inner(id: str = "a", start: Any = Performer, **options: Any) -> Any:
    """A child inside that is restarted at once."""
    return child(id, start, **{"backoff": None, **options})


def crawl(*children: Any, **options: Any) -> SupervisorSpec:
    """A subtree in a process of its own that is restarted at once."""
    return supervisor("crawl", *(children or (inner(),)), **{"host": placing(), "backoff": None, **options})


@asynccontextmanager
async def tree(*children: Any, **options: Any) -> AsyncIterator[tuple[Stage, SupervisorRef]]:
    """A tree with these children below `root`; without any, with `crawl/a`."""
    spec = supervisor("root", *(children or (crawl(),)), **options)
    async with stage() as s, start(spec, runtime=s.runtime) as root:
        yield s, root


async def until(true: Callable[[], Any]) -> Any:
    """Waits for a step of the program or a process."""
    while not (found := true()):
        await asyncio.sleep(0)
    return found


def ids(s: Stage, kind: type[Any]) -> list[str]:
    return [event.path for event in s.seen(kind)]


class Hung(Performer):
    """Never comes up."""

    async def on_start(self) -> None:  # type: ignore[override]
        await asyncio.get_running_loop().create_future()


class Registered(Performer):
    """Has a name and a group from its start on."""

    def on_start(self) -> None:
        self.register("worker")
        self.join("workers")


class Watcher(Performer):
    """Keeps what it is told of names."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Any] = []

    def on_receive(self, message: Any) -> Any:
        if callable(message):
            return message(self)
        self.told.append(message)
        return None


def watch_worker(self: Any) -> None:
    self.watch_name("worker")


def told(self: Any) -> Any:
    return [type(each).__name__ for each in self.told]


def tell_many(self: Any, ref: Any, count: int) -> None:
    for number in range(count):
        ref.tell(number)


def tell_and_die(self: Any, id: str, count: int) -> None:
    tell_many(self, self.sibling(id), count)
    os._exit(7)


def whereis_pid(self: Any, name: str) -> Any:
    return self.runtime.whereis(name).call(pid)


def called(failure: Any) -> None:
    Path(os.environ["LETITCRASH_TEST_CALLED"]).write_text(f"{os.getpid()} {failure.child}", encoding="utf-8")
