"""Actors for processes of their own, what they are told, and a stage that checks that no process is left."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import mmap
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from actors import Actor, ActorRef, Crashed, Down, ExitReason, LifecycleEvent, Message, PlaceSpec, Runtime
from supervisors import ChildSpec, SupervisorRef, child, process, start, supervisor
from tests.actors.hostile import NoClass

MARK = "LETITCRASH_TEST_STAGE"
"""The environment variable by which the processes of a test are found."""
PATIENCE = 60.0
"""Seconds that a question waits; nothing depends on how much of it is used."""
SESSIONS: dict[str, set[int]] = {}
"""The sessions of zygotes that were not begun with the variable, by its value: their processes are found by these."""


class Hosting:
    """The kind of place that the tests use: `tests/actors/ray/cluster` runs them on another one than a process here."""

    make: Callable[..., PlaceSpec] = staticmethod(process)
    here = True
    """Whether this process starts them: then what is open after a test must have been open before."""


def placing(**options: Any) -> PlaceSpec:
    """The host of a placed actor."""
    return Hosting.make(**options)


class Performer(Actor):
    """Calls what it is told with itself, and returns anything else."""

    def __init__(self, *notes: Any) -> None:
        self.notes = list(notes)
        self.downs: list[Down] = []

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, Down):
            self.downs.append(message)
        return message(self) if callable(message) else message


class AsyncPerformer(Performer):
    """The same with coroutines."""

    concurrency = 4

    async def on_receive(self, message: Any) -> Any:
        result = super().on_receive(message)
        return await result if asyncio.iscoroutine(result) else result


class Caretaker(Performer):
    """Carries its notes over, and tells `to` of the hooks that run."""

    def __init__(self, to: ActorRef[Any], *notes: Any) -> None:
        super().__init__(*notes)
        self.to = to

    def carry_over(self, reason: ExitReason) -> Any:
        return self.notes

    def on_restore(self, carried: Any) -> None:
        self.notes = [*carried, "restored"]

    def on_stop(self) -> None:
        self.to.tell(("on_stop", os.getpid()))

    def on_failure(self, *_: object) -> None:
        self.to.tell(("on_failure", os.getpid()))


class Listener(Actor):
    """An actor of the program that keeps what it hears. `next` waits for the next message."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def on_receive(self, message: Any) -> Any:
        if callable(message):
            return message(self)
        self.heard.append(message)
        return ("heard", message)


class Load(Message[int]):
    """A message."""

    number: int


class Unsendable:
    """Cannot be pickled."""

    def __init__(self, error: type[BaseException] = RuntimeError) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        raise self.error("it stays here")


class Unreadable:
    """Is pickled, and cannot be read."""

    def __init__(self, error: type[BaseException] = RuntimeError) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        return (refuse, (self.error,))


def refuse(error: type[BaseException]) -> Any:
    raise error("it cannot be read")


class EndsItsReader:
    """Is pickled, and ends the process that reads it."""

    def __reduce__(self) -> Any:
        return (end_process, ())


def end_process() -> None:
    os._exit(3)


def fork_and_exit(_: Any) -> int:
    """The exit code of a process that was forked and exits."""
    forked = os.fork()
    if forked == 0:
        raise SystemExit(4)
    return os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1])


def fail_without_class(_: Any) -> None:
    raise NoClass("very odd")


class Odd(Exception):
    """An exception that cannot be pickled."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.held = Unsendable()


# Messages


def pid(_: Any) -> int:
    return os.getpid()


def where(self: Any) -> tuple[str, int, str]:
    return self.path, self.incarnation, self.ref.id


def segfault(_: Any) -> None:
    ctypes.string_at(0)


def abort(_: Any) -> None:
    os.abort()


def leave(_: Any) -> None:
    os._exit(7)


def kill_nine(_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail(_: Any) -> None:
    raise ValueError("no luck")


def fail_oddly(_: Any) -> None:
    raise Odd("very odd")


def give_unsendable(_: Any) -> Any:
    return Unsendable()


def give_unreadable(_: Any) -> Any:
    return Unreadable()


def spin(_: Any) -> None:
    while True:
        pass


def stuck_in_c(_: Any) -> None:
    """Blocks in C, with the interpreter's lock held."""
    ctypes.PyDLL(None).sleep(1000)


def fork_helper(_: Any) -> None:
    """Leaves a process of its own behind, and computes."""
    subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    while True:
        pass


def begin_and(self: Any, act: Callable[[Any], Any], door: str) -> Any:
    """Says that it has begun, and acts."""
    Path(door).write_text("begun", encoding="utf-8")
    return act(self)


def wait_at(_: Any, door: str) -> bytes:
    """Blocks until the door is opened."""
    descriptor = os.open(door, os.O_RDONLY)
    try:
        return os.read(descriptor, 100)
    finally:
        os.close(descriptor)


class Door:
    """A pipe in the file system, through which a handler says that it has begun, or is let go on."""

    def __init__(self, folder: Path, name: str = "door") -> None:
        self._path = folder / name
        os.mkfifo(self._path)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)

    def __del__(self) -> None:
        os.close(self._descriptor)

    @property
    def wait(self) -> Callable[[Any], Any]:
        """A message whose handler blocks until the door is opened."""
        return partial(wait_at, door=str(self._path))

    def open(self) -> None:
        """Lets a handler go on that waits."""
        os.write(self._descriptor, b"open")

    def then(self, act: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A message whose handler says that it has begun, and acts."""
        return partial(begin_and, act=act, door=str(self._path))

    async def opened(self) -> None:
        """Returns when a handler has begun."""
        loop = asyncio.get_running_loop()
        begun = asyncio.Event()
        loop.add_reader(self._descriptor, begun.set)
        try:
            await begun.wait()
        finally:
            loop.remove_reader(self._descriptor)
        assert os.read(self._descriptor, 100) == b"begun"


async def wait_long(_: Any) -> None:
    await asyncio.get_running_loop().create_future()


def allocate(_: Any) -> int:
    return len(bytearray(1 << 30))


def share_memory(self: Any, mebibytes: int) -> int:
    """Keeps memory that the limit of the kernel does not count."""
    shared = mmap.mmap(-1, mebibytes << 20)
    for page in range(0, len(shared), mmap.PAGESIZE):
        shared[page] = 1
    self.notes.append(shared)
    return len(shared)


def note(self: Any, what: Any) -> Any:
    self.notes.append(what)
    return list(self.notes)


def notes(self: Any) -> Any:
    return list(self.notes)


def downs(self: Any) -> Any:
    return list(self.downs)


def heard(self: Any) -> Any:
    return list(self.heard)


def log(_: Any) -> None:
    logging.getLogger("tests.of.places").warning("a word from %s", "inside")


def flood(self: Any, to: ActorRef[Any], count: int) -> int:
    """Tells numbers, one after the other."""
    for number in range(count):
        to.tell(number)
    return count


async def async_flood(self: Any, to: ActorRef[Any], count: int) -> int:
    for number in range(count):
        await to.send(number)
    return count


def noting(what: Any) -> Callable[[Any], Any]:
    """A message that notes this, and returns what was noted so far."""
    return partial(note, what=what)


class Stage:
    """A runtime with real time, and what it published."""

    def __init__(self, runtime: Runtime, mark: str) -> None:
        self.runtime = runtime
        self.mark = mark
        self.events: list[LifecycleEvent] = []
        runtime.events.subscribe(self.events.append)

    def seen(self, *types: type[LifecycleEvent]) -> list[Any]:
        return [event for event in self.events if isinstance(event, types)]

    def pids(self) -> set[int]:
        """The processes that were started for this stage, and run."""
        return marked(self.mark)


def marked(mark: str, variable: str = MARK) -> set[int]:
    """The ids of the processes with this mark in their environment, and of those in its sessions, this one excepted."""
    found, sessions = set(), SESSIONS.get(mark, set())
    for each in Path("/proc").iterdir():
        if each.name.isdigit() and int(each.name) != os.getpid():
            try:
                if f"{variable}={mark}".encode() in (each / "environ").read_bytes() or session(each) in sessions:
                    found.add(int(each.name))
            except OSError:
                continue
    return found


def session(process: Path) -> int:
    """The session of a process that has not ended. Raises OSError."""
    state, _, _, number, *_ = (
        (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    )
    if state == "Z":
        raise ProcessLookupError(f"{process} has ended")
    return int(number)


def descriptors() -> set[tuple[str, str]]:
    """The open descriptors of this process, each with what it is of."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # that of this listing
            found.add((each.name, str(each.readlink())))
    return found


@asynccontextmanager
async def stage(**options: Any) -> AsyncIterator[Stage]:
    """A stage for one test. At its end no process and no descriptor is left."""
    mark = uuid.uuid4().hex
    os.environ[MARK] = mark
    before = descriptors()
    try:
        options = {"default_timeout": PATIENCE, **options}
        async with Runtime(log=False, watchdog=None, **options) as runtime:
            yield Stage(runtime, mark)
        assert not Hosting.here or marked(mark) == set()
        assert not Hosting.here or descriptors() <= before
    finally:
        del os.environ[MARK]
        SESSIONS.pop(mark, None)


def placed(id: str = "a", start: Any = Performer, **options: Any) -> ChildSpec:
    """A child in a process of its own that is restarted at once."""
    return child(id, start, **{"host": placing(), "backoff": None, "start_timeout": PATIENCE, **options})


@asynccontextmanager
async def tree(*children: ChildSpec, **options: Any) -> AsyncIterator[tuple[Stage, SupervisorRef]]:
    """A tree with these children below `root`."""
    async with stage() as s, start(supervisor("root", *children, **options), runtime=s.runtime) as root:
        yield s, root


def crash_of(reason: ExitReason) -> BaseException:
    assert isinstance(reason, Crashed)
    return reason.exception


def wait_for_end(of: int, seconds: float = 30.0) -> bool:
    """Waits until a process that is not a child of this one has ended."""
    until = time.monotonic() + seconds
    while Path(f"/proc/{of}").exists() and time.monotonic() < until:
        os.sched_yield()
    return not Path(f"/proc/{of}").exists()


class Hearer(Actor):
    """An actor of the program that puts what it hears into a queue of the test."""

    def __init__(self, queue: asyncio.Queue[Any]) -> None:
        self.queue = queue

    def on_receive(self, message: Any) -> None:
        self.queue.put_nowait(message)


async def hearer(s: Stage, **options: Any) -> tuple[ActorRef[Hearer], asyncio.Queue[Any]]:
    """An actor that hears, and the queue of what it has heard."""
    queue: asyncio.Queue[Any] = asyncio.Queue()
    return await s.runtime.spawn(Hearer, args=(queue,), **options), queue


class Continuing(Performer):
    """Says that `on_continue` runs."""

    def __init__(self, to: ActorRef[Any]) -> None:
        super().__init__()
        self.to = to

    def on_continue(self) -> None:
        self.to.tell("continued")


async def until(condition: Callable[[], object]) -> None:
    """Returns when the condition holds, which other code on this loop brings about."""
    while not condition():
        await asyncio.sleep(0)


class ThreadPerformer(Performer):
    """Blocks a thread of its process, and not its loop."""

    host = "thread"


class Refusing(Performer):
    """Runs on a thread, and answers with what its handlers raise."""

    host = "thread"
    answers = (ValueError,)
