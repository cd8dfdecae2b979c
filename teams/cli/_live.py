"""The live view: the tree on the terminal, redrawn in place, and the log above it, where it stays.

What actors print while it shows goes above it, line by line. Text of the user's is never read as markup. Where stderr
is not a terminal, the log goes to stderr. Where stdout is not a terminal, only the last picture is drawn.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from actors import CrashedExit, LifecycleEvent, Runtime, RuntimeStopped, StartFailed
from actors._core.cell import Cell
from actors._user_code.text import described, printable
from actors.spi import NAME
from supervisors import SupervisorRef
from teams.cli._account import Failures
from teams.cli._logs import LineHandler, send_logs_to
from teams.cli._picture import EVERYTHING, LastFailure, Picture, picture
from teams.cli._snapshot import Snapshot, take
from teams.cli._streams import Lines, WaitingLines
from teams.cli._text import count
from teams.cli._view import write

_ECHO = 4
"""Columns left free, where the terminal echoes a ^C: on the next line it would tear the picture."""
_BESIDES = 4
"""Lines that are not of the tree: two heads, what the keys do, and one that stays free."""
_LEAST = 3
"""Lines of the tree that are always shown."""
_SHARE = 20
"""A snapshot is taken at most once in so many times as long as one and its picture take: they cost 5 % at most."""
_REMEMBERED = 10_000
"""How many actors' last crashes are remembered."""
_LEVELS = {"debug": "dim", "info": "dim", "warning": "yellow", "error": "red", "critical": "red"}
_KEYS = "↑ ↓ PgUp PgDn Home End: scroll"


class LiveView:
    """Draws in the main thread; a snapshot is taken on the loop thread, and the next asked for when it has
    come.
    """

    every: float | None = 0.25

    def __init__(self, title: str, level: str, console: Console, failures: Failures) -> None:
        self._title = printable(title)
        self._level = level
        self._console = console
        self._failures = failures
        self._waiting = WaitingLines()
        self._live: Live | None = None
        self._draws = False
        """Whether there is a terminal to draw on."""
        self._rerouted: list[tuple[logging.StreamHandler[TextIO], TextIO]] = []
        self._streams: tuple[TextIO, TextIO] = (sys.stdout, sys.stderr)
        self._ours: list[Lines] = []
        self._runtime: Runtime | None = None
        self._began = 0.0
        self._root: Cell | None = None
        self._snapshot: Snapshot | None = None
        self._asked = False
        self._next_look = 0.0
        self._cost = 0.0
        """Seconds that the last picture of a snapshot took."""
        self._drawn_for: tuple[object, ...] = ()
        self._crashes: dict[str, LastFailure] = {}
        self._lock = threading.Lock()
        self._everything = False
        self._offset = 0
        self._shown: Picture | None = None
        self._has_keys = False

    def open(self) -> None:
        """Takes the terminal over."""
        console = self._console
        self._draws = console.is_terminal and not console.is_dumb_terminal
        self._has_keys = self._draws and sys.stdin is not None and sys.stdin.isatty()
        on_terminal = self._draws and sys.stderr is not None and sys.stderr.isatty()
        send_logs_to(LineHandler(self._log if on_terminal else lambda _, line: write(line)), self._level)
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=self._frame,
        )
        self._streams = sys.stdout, sys.stderr
        console.file = sys.stdout
        if self._draws:
            sys.stdout = self._taken(sys.stdout)
            if on_terminal:
                sys.stderr = self._taken(sys.stderr)
        self._live.start()
        self._reroute()

    def _taken(self, stream: TextIO) -> Lines:
        self._ours.append(Lines(stream, self._waiting))
        return self._ours[-1]

    def begun(self, runtime: Runtime) -> None:
        """Measures from here."""
        self._began = runtime.now()
        self._runtime = runtime
        runtime.events.subscribe(self._failed, CrashedExit, StartFailed)

    def _failed(self, event: LifecycleEvent) -> None:
        assert isinstance(event, CrashedExit | StartFailed)
        error = event.exception
        with self._lock:
            self._crashes.pop(event.path, None)
            self._crashes[event.path] = LastFailure(event.at, str(event.reason) if error is None else described(error))
            if len(self._crashes) > _REMEMBERED:
                del self._crashes[next(iter(self._crashes))]

    def up(self, root: SupervisorRef) -> None:
        """Shows the tree from now on."""
        self.say(f"{printable(root.path)} is up")
        self.refresh()

    def refresh(self) -> None:
        """Draws what is known, and asks for news."""
        runtime = self._runtime
        if runtime is not None and runtime.running and not self._asked and time.perf_counter() >= self._next_look:
            self._asked = True
            with contextlib.suppress(RuntimeStopped):
                runtime.control_call(self._look, runtime)
        live = self._live
        if live is not None and (live.is_started or self._waiting.is_long):
            self._print_waiting()
        if live is not None and live.is_started:
            live.refresh()

    def _look(self, runtime: Runtime) -> None:
        began = time.perf_counter()
        if self._root is None or self._root.closed:
            self._root = next((cell for cell in runtime.cells.values() if cell.parent is None), self._root)
        if self._root is not None and not self._root.closed:
            self._snapshot = take(runtime, self._root)
        ended = time.perf_counter()
        self._next_look = ended + _SHARE * (ended - began + self._cost)
        self._asked = False

    @property
    def wants_keys(self) -> bool:
        """Whether not all of the tree is shown."""
        shown = self._shown
        return self._has_keys and shown is not None and (self._everything or _is_part(shown))

    def pressed(self, key: str) -> None:
        """Scrolls, or shows everything."""
        page = max(self._room() - 1, 1)
        first = self._shown.first if self._shown is not None else 0
        match key:
            case "all":
                self._everything, self._offset = not self._everything, 0
            case "home" | "end":
                self._offset = 0 if key == "home" else sys.maxsize
            case "up" | "down" | "page up" | "page down":
                step = page if key.startswith("page") else 1
                self._offset = first + (step if key.endswith("down") else -step)
        if self._live is not None and self._live.is_started:
            self._live.refresh()

    def say(self, text: str) -> None:
        """Shows it above the tree, where it stays."""
        if self._live is None or not self._draws:
            write(f"{NAME}: {text}")
        else:
            self._print_waiting()
            self._print(Text(f"{NAME}: {text}"))

    def _print_waiting(self) -> None:
        lines = self._waiting.take()
        if lines:
            texts = (
                Text.from_ansi(line.text) if line.style is None else Text(line.text, style=line.style) for line in lines
            )
            self._print(Text("\n").join(texts))

    def _print(self, text: Text) -> None:
        # Folded here: a line the terminal itself folds would leave the picture one line higher than it is
        # thought to be.
        self._console.print(text, overflow="fold")

    def ask(self, text: str) -> None:
        """Shows it in place of the tree. What is printed and logged waits until it is answered, for it would tear what
        is typed; unless it is so much that programs would have to wait.
        """
        if self._live is not None:
            self._print_waiting()
            self._live.stop()
        self.say(text)

    def answered(self) -> None:
        """Shows the tree again."""
        if self._live is not None:
            self._live.start()

    def close(self) -> None:
        """Gives the terminal back. The log and the last picture stay."""
        if self._live is None:
            return
        live = self._live
        live.start()
        self._everything, self._offset, self._has_keys = False, 0, False
        self.refresh()
        self._live = None
        live.transient = self._snapshot is None
        live.stop()
        sys.stdout, sys.stderr = self._streams
        left = [(stream, lines.release()) for stream, lines in zip(self._streams, self._ours, strict=False)]
        self._print_waiting()
        for stream, text in left:
            if text:
                stream.write(text)
        for handler, stream in self._rerouted:
            handler.setStream(stream)
        self._rerouted.clear()

    def _reroute(self) -> None:
        """Handlers that the user's logging made hold the terminal's own streams."""
        present = (sys.stdout, sys.stderr)
        before = (
            *zip(self._streams, present, strict=True),
            (sys.__stdout__, sys.stdout),
            (sys.__stderr__, sys.stderr),
        )
        changed = {id(old): new for old, new in before if isinstance(new, Lines)}
        loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
        for logger in loggers:
            for handler in getattr(logger, "handlers", ()):
                if isinstance(handler, logging.StreamHandler) and id(handler.stream) in changed:
                    self._rerouted.append((handler, handler.stream))
                    handler.setStream(changed[id(handler.stream)])

    def _log(self, level: str, line: str) -> None:
        self._waiting.logged(line.rstrip().split("\n"), _LEVELS.get(level, "dim"))

    # Drawing

    def _room(self) -> int:
        return max(self._console.height - _BESIDES, _LEAST)

    def _frame(self) -> Group:
        snapshot = self._snapshot
        width = max(self._console.width - _ECHO, 1)
        head = self._head(snapshot)
        head.truncate(width, overflow="ellipsis")
        if snapshot is None:
            return Group(head)
        shown = self._picture(snapshot, width)
        return Group(head, *shown.lines, *self._foot(snapshot, shown, width))

    def _picture(self, snapshot: Snapshot, width: int) -> Picture:
        """The picture of a snapshot, made once."""
        room = self._room()
        wanted = (snapshot.at, width, room, self._everything, self._offset)
        if self._shown is None or wanted != self._drawn_for:
            began = time.perf_counter()
            with self._lock:
                crashes = dict(self._crashes)
            shown = picture(snapshot, crashes, width, room, everything=self._everything, offset=self._offset)
            self._shown, self._offset = shown, shown.first
            self._drawn_for = (*wanted[:4], shown.first)
            self._cost = time.perf_counter() - began
        return self._shown

    def _foot(self, snapshot: Snapshot, shown: Picture, width: int) -> list[Text]:
        """The lowest line: how much is not shown, and the key that shows it."""
        last = shown.first + len(shown.lines) - 1
        facts = []
        if last - shown.first < shown.total:
            facts.append(f"lines {shown.first + 1} to {last} of {shown.total}")
        if shown.detail != EVERYTHING:
            facts.append("what is well is folded")
        if self._has_keys and facts and last - shown.first < shown.total:
            facts.append(_KEYS)
        if self._has_keys and (facts or self._everything):
            facts.append("a: fold" if self._everything else f"a: all {count(snapshot.actors, 'actor')}")
        foot = Text(" · ".join(facts), style="dim", no_wrap=True)
        foot.truncate(width, overflow="ellipsis")
        return [foot] if facts else []

    def _head(self, snapshot: Snapshot | None) -> Text:
        head = Text(self._title, style="bold", no_wrap=True, overflow="ellipsis")
        if snapshot is not None:
            facts = [
                f"up {_duration(snapshot.at - self._began)}",
                count(snapshot.actors, "actor"),
                count(self._failures.restarts, "restart"),
                count(snapshot.dead_letters, "dead letter"),
            ]
            head.append(" · " + " · ".join(facts), style="not bold")
        return head


def _is_part(shown: Picture) -> bool:
    """Whether something is left out."""
    return shown.detail != EVERYTHING or len(shown.lines) - 1 < shown.total


def _duration(seconds: float) -> str:
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
