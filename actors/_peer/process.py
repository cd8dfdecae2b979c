"""A process that an actor has of its own: its life after the fork, and its end of the link."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import mmap
import os
import pickle
import resource
import socket
from collections.abc import Mapping, MutableSequence
from contextvars import copy_context
from functools import partial
from time import monotonic
from typing import Any, cast

from actors._core.actor import Actor
from actors._peer.peer import PlacePeer
from actors._peer.zygote import DESCRIPTORS, LONGEST, arm, flush
from actors._place.link import HEAD, INNER_NOTES, NOTED, NOTES, READING, FrameLink
from actors._place.main import import_main
from actors._runtime.runtime import Runtime


def run(end: socket.socket) -> None:
    """The life of the process, after the fork: it waits for its place, and then it is that place."""
    asyncio.run(_live(end))


async def _live(end: socket.socket) -> None:
    await warm_up()  # its memory is its own from now on, and not copied while the place starts
    loop = asyncio.get_running_loop()
    given = loop.create_future()
    loop.add_reader(end, given.set_result, None)
    await given
    loop.remove_reader(end)
    body, descriptors, _, _ = socket.recv_fds(end, LONGEST, DESCRIPTORS)
    if not body:
        os._exit(0)  # it is not needed
    end.close()
    link, lifeline, lookups, faults, notes = descriptors
    arm(lifeline)  # it stays open, or the kernel ends the process
    faulthandler.enable(faults)
    request, cpus = pickle.loads(body)  # noqa: S301 - the zygote that has forked this process
    import_main(request["main"])
    title(request["path"])
    noted = mmap.mmap(notes, NOTED)
    connection = ProcessConnection(socket.socket(fileno=link), socket.socket(fileno=lookups), noted)
    await PlacePeer(connection, str(request["path"])).live(partial(confine, request, cpus))


class _First(Actor):
    """Lives before the first place does."""

    def on_receive(self, message: object) -> object:
        return message


async def warm_up() -> None:
    """Runs an actor: what a process does for the first time takes longer, and the next one inherits it."""
    async with Runtime(watchdog=None, log=False) as runtime:
        first = await runtime.spawn(_First)
        await first.call(None)


def title(path: str) -> None:
    """Names the process by its actor, as `ps` and `top` show it."""
    try:
        with open("/proc/self/comm", "w", encoding="utf-8", errors="replace") as comm:  # noqa: PTH123
            comm.write(path[-15:])
    except OSError:
        return  # without /proc it keeps its name


def confine(request: dict[str, Any], cpus: set[int] | None) -> None:
    """Sets the limits of the process. Raises OSError and ValueError."""
    if request["memory"] is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (request["memory"], request["memory"]))
    if cpus is not None:
        os.sched_setaffinity(0, cpus)
    if request["nice"]:
        os.nice(request["nice"])


class ProcessConnection:
    """The end of the link in the process."""

    def __init__(self, end: socket.socket, lookups: socket.socket, notes: mmap.mmap) -> None:
        self._end = end
        self._lookups = lookups
        self._notes = notes
        self._link: FrameLink

    def open(self, peer: PlacePeer) -> None:
        """Begins to hand over frames. The link is lost with the program, and then the process ends."""
        loop = asyncio.get_running_loop()
        self._link = FrameLink(loop, copy_context(), self._end, peer.received, lambda: os._exit(1))
        self._link.listen()

    def log_by(self, handler: logging.Handler, levels: Mapping[str, int]) -> None:
        """Every logger writes by this handler, at its level in the program."""
        logging.root.handlers[:] = [handler]
        for name, level in levels.items():
            logging.getLogger(name or None).setLevel(level)

    @property
    def has_output(self) -> bool:
        """Whether a frame waits to be written."""
        return self._link.has_output

    def send(self, *frame: object) -> None:
        """Sends a frame."""
        self._link.send(*frame)

    def write_now(self) -> None:
        """Writes what waits, as far as the program takes it."""
        self._link.write_now()

    def write_all(self) -> None:
        """Writes what waits, and blocks until the socket has it."""
        self._link.write_all()

    def inner_notes(self) -> MutableSequence[int]:
        """Notes in shared memory."""
        return cast(
            "MutableSequence[int]", memoryview(self._notes)[NOTES.size : NOTES.size + INNER_NOTES.size].cast("q")
        )

    def begins(self, number: int) -> None:
        """Notes the message in shared memory: the program reads it when the process has ended."""
        NOTES.pack_into(self._notes, 0, number, monotonic())

    def reads(self, number: int) -> None:
        """Notes it in shared memory, too."""
        READING.pack_into(self._notes, NOTES.size + INNER_NOTES.size, number)

    def look_up(self, *question: object) -> tuple[bool, Any]:
        """Asks the program, and blocks this thread until it answers."""
        body = pickle.dumps(question, 5)
        self._lookups.sendall(HEAD.pack(len(body)) + body)
        (length,) = HEAD.unpack(self._read(HEAD.size))
        is_result, value = pickle.loads(self._read(length))  # noqa: S301 - the program that started this process
        return bool(is_result), value

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self._lookups.recv(size - len(data))
            if not part:
                os._exit(1)  # the program is gone
            data += part
        return bytes(data)

    def end(self) -> None:
        """Ends the process when the program has read what was sent: in the middle of the loop, since what its threads
        still do does not matter.
        """
        logging.shutdown()
        flush()
        self._link.flush()
        os._exit(0)
