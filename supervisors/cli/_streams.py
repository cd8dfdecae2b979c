"""Output that may go away: what is printed to a pipe nobody reads any more must not crash the actor that prints it."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import TextIO


class GuardedStream(io.TextIOBase):
    """A text stream that notices a broken pipe once, and from then on takes everything and keeps nothing."""

    def __init__(self, stream: TextIO, gone: Callable[[], object]) -> None:
        self._stream = stream
        self._gone = gone
        self._broken = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return self._stream.encoding

    @property
    def buffer(self) -> io.BufferedIOBase:
        """The bytes below; they are not guarded."""
        return self._stream.buffer  # type: ignore[return-value]

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not self._broken:
            with self._guard():
                return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        if not self._broken:
            with self._guard():
                self._stream.flush()

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._broken = True
            discard(self._stream)
            self._gone()


def discard(stream: TextIO) -> None:
    """Lets what the stream still holds, and all to come, go nowhere, so that the interpreter can close it in peace."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


@contextlib.contextmanager
def guarded(gone: Callable[[], object]) -> Iterator[None]:
    """Guards stdout and stderr; each line of stdout goes out at once, so that a pipe sees it when it is printed."""
    before = sys.stdout, sys.stderr
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    if sys.stdout is not None:
        sys.stdout = GuardedStream(sys.stdout, gone)  # type: ignore[assignment]
    if sys.stderr is not None:
        sys.stderr = GuardedStream(sys.stderr, gone)  # type: ignore[assignment]
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        sys.stdout, sys.stderr = before
