"""The live view: the tree on the terminal, redrawn in place, with the last log lines below it.

What actors print while it shows goes above it, line by line. Text of the user's is never read as markup.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections import deque
from collections.abc import Iterator
from typing import Literal, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from actors import Runtime, RuntimeStopped
from actors._core.cell import Cell
from actors._user_code.text import printable
from actors.spi import NAME
from supervisors import SupervisorRef
from teams.cli._account import Failures
from teams.cli._logs import LineHandler, send_logs_to
from teams.cli._snapshot import Row, Snapshot, take
from teams.cli._streams import Lines
from teams.cli._text import count
from teams.cli._view import write

_TAIL = 6
"""How many log lines are shown."""
_ECHO = 4
"""Columns left free, where the terminal echoes a ^C: on the next line it would tear the picture."""
_STATES = {
    "running": "green",
    "backing_off": "yellow",
    "restarting": "yellow",
    "starting": "cyan",
    "stopping": "cyan",
}
_LEVELS = {"warning": "yellow", "error": "red", "critical": "red"}


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
        self._lines: deque[tuple[str, str]] = deque(maxlen=_TAIL)
        self._live: Live | None = None
        self._rerouted: list[tuple[logging.StreamHandler[TextIO], TextIO]] = []
        self._streams: tuple[TextIO, TextIO] = (sys.stdout, sys.stderr)
        self._stdout: Lines | None = None
        self._stderr: Lines | None = None
        self._runtime: Runtime | None = None
        self._began = 0.0
        self._root: Cell | None = None
        self._snapshot: Snapshot | None = None
        self._asked = False

    def open(self) -> None:
        """Takes the terminal over."""
        send_logs_to(LineHandler(self._log), self._level)
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=self._frame,
        )
        self._streams = sys.stdout, sys.stderr
        self._console.file = sys.stdout
        sys.stdout = self._stdout = Lines(sys.stdout)
        if sys.stderr is not None and sys.stderr.isatty():
            sys.stderr = self._stderr = Lines(sys.stderr)
        self._live.start()
        self._reroute()

    def begun(self, runtime: Runtime) -> None:
        """Measures from here."""
        self._began = runtime.now()
        self._runtime = runtime

    def up(self, root: SupervisorRef) -> None:
        """Shows the tree from now on."""
        self._log("info", f"{root.path} is up")
        self.refresh()

    def refresh(self) -> None:
        """Draws what is known, and asks for news."""
        runtime = self._runtime
        if runtime is not None and runtime.running and not self._asked:
            self._asked = True
            with contextlib.suppress(RuntimeStopped):
                runtime.control_call(self._look, runtime)
        if self._live is not None:
            for lines in (self._stdout, self._stderr):
                for line in lines.take() if lines is not None else ():
                    self._print(Text.from_ansi(line))
            if self._live.is_started:
                self._live.refresh()

    def _look(self, runtime: Runtime) -> None:
        if self._root is None or self._root.closed:
            self._root = next((cell for cell in runtime.cells.values() if cell.parent is None), self._root)
        if self._root is not None and not self._root.closed:
            self._snapshot = take(runtime, self._root)
        self._asked = False

    def say(self, text: str) -> None:
        """Shows it above the tree, where it stays."""
        if self._live is None:
            write(f"{NAME}: {text}")
        else:
            self._print(Text(f"{NAME}: {text}"))

    def _print(self, text: Text) -> None:
        # Folded here: a line the terminal itself folds would leave the picture one line higher than it is
        # thought to be.
        self._console.print(text, overflow="fold")

    def ask(self, text: str) -> None:
        """Shows it in place of the tree, which would be torn by what is typed."""
        if self._live is not None:
            self._live.stop()
        self.say(text)

    def answered(self) -> None:
        """Shows the tree again."""
        if self._live is not None:
            self._live.start()

    def close(self) -> None:
        """Gives the terminal back."""
        if self._live is None:
            return
        self.refresh()
        live, self._live = self._live, None
        live.stop()
        sys.stdout, sys.stderr = self._streams
        for lines, stream in ((self._stdout, sys.stdout), (self._stderr, sys.stderr)):
            if lines is not None:
                stream.write(lines.release())
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
        lines = line.rstrip().split("\n")
        text = lines[0] if len(lines) == 1 else f"{lines[0]} | {lines[-1].strip()}"
        self._lines.append((level, printable(text)))

    # Drawing

    def _frame(self) -> Group:
        snapshot = self._snapshot
        parts: list[Text | Table] = [self._head(snapshot)]
        tail = list(self._lines)[-max(1, self._console.height // 4) :]
        if snapshot is not None:
            parts.append(_table(snapshot, max(self._console.height - len(tail) - 4, 3)))
        for level, line in tail:
            text = Text(line, style=_LEVELS.get(level, "dim"), no_wrap=True)
            text.truncate(self._console.width - _ECHO, overflow="ellipsis")
            parts.append(text)
        return Group(*parts)

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


def _table(snapshot: Snapshot, room: int) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    sides: tuple[Literal["left", "right"], ...] = ("left", "left", "left", "right", "right")
    for justify in sides:
        table.add_column(justify=justify, no_wrap=True, overflow="ellipsis")
    table.add_row(*(Text(name, style="dim") for name in ("", "", "state", "incarnation", "queue")))
    rows = snapshot.rows if len(snapshot.rows) <= room else snapshot.rows[: room - 1]
    for row in rows:
        table.add_row(*_cells(row, snapshot.at))
    if len(rows) < len(snapshot.rows):
        table.add_row(Text(f"… and {len(snapshot.rows) - len(rows)} more lines", style="dim"))
    return table


def _cells(row: Row, now: float) -> Iterator[Text]:
    yield Text.assemble((guides(row.lasts), "dim"), printable(row.id))
    yield Text(printable(row.what), style="dim")
    state = row.state.replace("_", " ")
    if row.due is not None:
        state += f" {max(0.0, row.due - now):.1f} s"
    yield Text(state, style=_STATES.get(row.state, ""))
    yield Text(str(row.incarnation) if row.incarnation else "", style="yellow" if row.incarnation > 1 else "")
    yield Text(str(row.queued) if row.queued else "")


def guides(lasts: tuple[bool, ...]) -> str:
    """The lines that lead to a row of a tree."""
    if not lasts:
        return ""
    return "".join("   " if last else "│  " for last in lasts[:-1]) + ("└─ " if lasts[-1] else "├─ ")


def _duration(seconds: float) -> str:
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
