"""The link between two processes: frames over a socket, in order. Both ends are of this class.

A frame is a tuple of plain values, pickled, with its length before it. What is sent in one pass of the event loop is
written at once.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any

HEAD = struct.Struct("!I")
"""The length of a frame."""
NOTES = struct.Struct("=Qd")
"""What a process notes in memory that both share: the number of the last message that the actor has begun with, and
when it did, by the monotonic clock of the system. It is there when the process is not.
"""
INNER_NOTES = struct.Struct("=qqq")
"""Behind that: how many messages came into the mailboxes of inner actors, how many were taken out, and whether one was
handled.
"""
READING = struct.Struct("=Q")
"""Behind that: the number of the message that is being read; 0: none."""
NOTED = NOTES.size + INNER_NOTES.size + READING.size
"""The bytes of all notes."""
MOST = (1 << 32) - 1
"""The most bytes of a frame."""
_CHUNK = 1 << 18
_FEW = 32
"""How many pieces one write takes."""

Frame = tuple[Any, ...]


class FrameLink:
    """One end of a link. Every method is called on the thread of the event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: Context,
        end: socket.socket,
        received: Callable[[Frame], object],
        lost: Callable[[], object],
    ) -> None:
        """`received` gets each frame, from `listen` on. `lost` is called once, when the other end is gone; no frame
        follows. Both are called in `context`.
        """
        self._loop = loop
        self._context = context
        self._socket = end
        self._received = received
        self._lost = lost
        self._in = bytearray()
        self._out: deque[memoryview | bytes] = deque()
        self._flushing = False
        self._writing = False
        self._closed = False
        end.setblocking(False)

    def listen(self) -> None:
        """Begins to hear the other end. Does nothing if the link is closed."""
        if not self._closed:
            self._context.copy().run(self._loop.add_reader, self._socket.fileno(), self._readable)

    def send(self, *frame: object) -> None:
        """Sends a frame, at the latest in the next pass of the loop. Does nothing if the link is closed."""
        if self._closed:
            return
        body = pickle.dumps(frame, 5)
        self._out.append(HEAD.pack(len(body)))
        self._out.append(body)
        if not self._flushing and not self._writing:
            self._flushing = True
            self._loop.call_soon(self._flush, context=self._context.copy())

    @property
    def has_output(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._out)

    def flush(self) -> None:
        """Writes what is left, and blocks until the other end has taken it: for a process that ends."""
        self._socket.setblocking(True)
        try:
            while self._out:
                self._socket.sendall(self._out.popleft())
        except OSError:
            self._out.clear()  # there is no other end

    def write_all(self) -> None:
        """Writes what waits to be sent, and blocks until the other end has taken it. Does nothing if it is gone."""
        if not self._out or self._closed:
            return
        self._socket.setblocking(True)
        try:
            while self._out:
                self._socket.sendall(self._out.popleft())
        except OSError:
            self._out.clear()  # the reader notices that the other end is gone
        finally:
            self._socket.setblocking(False)

    def write_now(self) -> None:
        """Writes what waits to be sent, as far as the other end takes it."""
        if self._out and not self._closed and not self._writing:
            self._write()

    def _flush(self) -> None:
        self._flushing = False
        if not self._closed and not self._writing:
            self._write()

    def _write(self) -> None:
        out = self._out
        while out:
            pieces = [out[place] for place in range(min(len(out), _FEW))]
            try:
                sent = self._socket.sendmsg(pieces)
            except BlockingIOError:
                break
            except OSError:
                out.clear()  # the reader notices that the other end is gone
                break
            while sent and sent >= len(out[0]):
                sent -= len(out.popleft())
            if sent:
                out[0] = memoryview(out[0])[sent:]
        if bool(out) != self._writing:
            self._writing = bool(out)
            if self._writing:
                self._context.copy().run(self._loop.add_writer, self._socket.fileno(), self._write)
            else:
                self._loop.remove_writer(self._socket.fileno())

    def _readable(self) -> None:
        if self._read():
            self._end()

    def _read(self) -> bool:
        """Takes what is there. Returns whether the other end is gone."""
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        if not data:
            return True
        self._in += data
        self._take()
        return False

    def drain(self) -> None:
        """Takes everything that the other end has sent before it ended."""
        while not self._closed and not self._read():
            try:
                if not self._socket.recv(1, socket.MSG_PEEK):
                    return
            except OSError:
                return

    def _take(self) -> None:
        """Hands on the frames that are complete."""
        data, place = self._in, 0
        frames = []
        while len(data) - place >= HEAD.size:
            (length,) = HEAD.unpack_from(data, place)
            if len(data) - place - HEAD.size < length:
                break
            place += HEAD.size + length
            frames.append(pickle.loads(memoryview(data)[place - length : place]))  # noqa: S301 - our own process
        if place:
            self._in = data[place:]
        for frame in frames:
            if self._closed:
                return
            self._received(frame)

    def _end(self) -> None:
        if not self._closed:
            self.close()
            self._lost()

    def close(self) -> None:
        """Closes this end. Nothing is called any more."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._socket.fileno())
        if self._writing:
            self._loop.remove_writer(self._socket.fileno())
        self._out.clear()
        self._socket.close()
