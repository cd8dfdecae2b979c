"""The picture of a tree in the live view: from a snapshot to lines of text. It has no terminal, no clock and no state.

What is worst comes first among siblings: what is down, what crashed lately, what is suspended, what starts or stops,
the longest queues. Where not everything fits, what is well is folded: first the children of a supervisor whose whole
subtree is well, then siblings that are well, into one line with their number. What still does not fit is scrolled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from itertools import islice
from typing import NamedTuple

from rich.cells import cell_len, chop_cells
from rich.text import Text

from actors._user_code.text import printable
from teams.cli._snapshot import Snapshot, TreeNode
from teams.cli._text import count

RECENT = 30.0
"""Seconds for which a crash is shown where its actor runs again."""
LONG = 10
"""How many messages in a queue are many."""
_GAP = 2
"""Columns between two columns of the table."""
_NARROW = 20
"""Columns that the name must have at least; otherwise the class and the incarnation are left out."""
_STYLES = {
    "running": "green",
    "backing_off": "yellow",
    "restarting": "yellow",
    "suspended": "magenta",
    "starting": "cyan",
    "stopping": "cyan",
}


class LastFailure(NamedTuple):
    """The last crash of an actor, or its last start that failed."""

    at: float
    """By the runtime's clock, in seconds."""
    text: str


class Rank(IntEnum):
    """How an actor is, the worst first."""

    DOWN = 0
    CRASHED_LATELY = 1
    SUSPENDED = 2
    CHANGING = 3
    BUSY = 4
    WELL = 5


class Detail(NamedTuple):
    """How much is shown."""

    folded: bool = False
    """Whether a supervisor whose whole subtree is well is one line."""
    merged: int | None = None
    """So many siblings or more whose whole subtrees are well are one line, too."""


EVERYTHING = Detail()
_DETAILS = (EVERYTHING, Detail(True), Detail(True, 10), Detail(True, 2))


class Picture(NamedTuple):
    """The picture of a tree."""

    lines: tuple[Text, ...]
    """A head, then what fits; each is one line of the terminal."""
    first: int
    """The number of the first line that is shown, from 0, without the head."""
    total: int
    """How many lines there are, without the head."""
    detail: Detail


class _Part:
    """An actor, with those below it sorted."""

    def __init__(self, node: TreeNode, path: str, now: float, failures: Mapping[str, LastFailure]) -> None:
        self.node = node
        self.failure = failures.get(path)
        parts = [_Part(child, f"{path}/{child.id}", now, failures) for child in node.children]
        self.own = _rank(node, self.failure, now)
        self.worst: tuple[Rank, int] = min([self.own, *(part.worst for part in parts)])
        self.parts = sorted(parts, key=lambda part: part.worst)
        self._tally: tuple[Counter[str], int] | None = None

    @property
    def is_well(self) -> bool:
        return self.worst[0] is Rank.WELL

    def tally(self) -> tuple[Counter[str], int]:
        """How many are in each state and how many messages wait, here and below."""
        if self._tally is None:
            states, queued, waiting = Counter[str](), 0, [self.node]
            for node in waiting:  # it grows meanwhile
                states[node.state] += 1
                if node.others:
                    states["running"] += node.others
                queued += node.queued + node.others_queued
                waiting += node.children
            self._tally = states, queued
        return self._tally


class _Row(NamedTuple):
    """A line of the table."""

    guides: str
    id: str
    what: str
    state: str = ""
    style: str = ""
    incarnation: int = 0
    queued: int = 0


class _Note(NamedTuple):
    """A line below an actor."""

    guides: str
    text: str


def picture(
    snapshot: Snapshot,
    failures: Mapping[str, LastFailure],
    width: int,
    room: int,
    *,
    everything: bool = False,
    offset: int = 0,
) -> Picture:
    """The picture of a tree in `room` lines below its head, each of at most `width` columns. `everything`: nothing is
    folded. `offset` is the first line that is shown, if that leaves no room unused.
    """
    whole = _Part(snapshot.root, snapshot.root.id, snapshot.at, failures)
    details = (EVERYTHING,) if everything else _DETAILS
    fitting = (each for each in details if _fits(_lines(whole, each, snapshot.at, width), room))
    detail = next(fitting, details[-1])
    lines = list(_lines(whole, detail, snapshot.at, width))
    first = max(0, min(offset, len(lines) - room))
    drawn = tuple(_drawn(lines[first : first + room], width))
    for line in drawn:
        line.truncate(width, overflow="ellipsis")
    return Picture(drawn, first, len(lines), detail)


def _fits(lines: Iterator[_Row | _Note], room: int) -> bool:
    return sum(1 for _ in islice(lines, room + 1)) <= room


def _rank(node: TreeNode, failure: LastFailure | None, now: float) -> tuple[Rank, int]:
    """How it is, and for busy ones the order of magnitude of the queue: by its length, lines would change places all
    the time.
    """
    if node.state in ("backing_off", "restarting", "down") or (node.state == "stopped" and failure is not None):
        return Rank.DOWN, 0
    if failure is not None and now - failure.at < RECENT:
        return Rank.CRASHED_LATELY, 0
    if node.state == "suspended":
        return Rank.SUSPENDED, 0
    if node.state in ("starting", "stopping"):
        return Rank.CHANGING, 0
    return (Rank.BUSY, -node.queued.bit_length()) if node.queued >= LONG else (Rank.WELL, 0)


def _lines(part: _Part, detail: Detail, now: float, width: int, lasts: tuple[bool, ...] = ()) -> Iterator[_Row | _Note]:
    node = part.node
    folded = detail.folded and part.is_well and bool(part.parts) and bool(lasts)
    what, queued = node.what, node.queued
    if folded:
        states, queued = part.tally()
        what = _summary(states)
    state, style = _state(node, now)
    yield _Row(guides(lasts), node.id, what, state, style, node.incarnation, queued)
    well = [each for each in part.parts if each.is_well]
    if folded or detail.merged is None or len(well) < detail.merged:
        well = []
    shown = [] if folded else part.parts[: len(part.parts) - len(well)]
    below = 0 if folded else len(shown) + bool(well) + bool(node.others)
    if part.failure is not None and part.own[0] in (Rank.DOWN, Rank.CRASHED_LATELY):
        lead = ("".join("   " if last else "│  " for last in lasts) + ("│  " if below else "   "))[: width // 2]
        told = f"{_ago(now - part.failure.at)} ago: {printable(part.failure.text)}"
        yield from (_Note(lead, line) for line in _wrapped(told, max(width - len(lead), 1)))
    for number, each in enumerate(shown, 1):
        yield from _lines(each, detail, now, width, (*lasts, number == below))
    if well:
        tallies = [each.tally() for each in well]
        states = sum((each for each, _ in tallies), Counter[str]())
        how = _summary(states) if states.total() > len(well) else _how(states)
        queued = sum(each for _, each in tallies)
        yield _Row(
            guides((*lasts, not node.others)),
            f"{len(well)} more" if shown else f"{len(well)} children",
            how,
            queued=queued,
        )
    if node.others and not folded:
        yield _Row(guides((*lasts, True)), f"{node.others} more", "all running", queued=node.others_queued)


def _state(node: TreeNode, now: float) -> tuple[str, str]:
    state = node.state.replace("_", " ")
    if node.due is not None:
        state += f" {max(0.0, node.due - now):.1f} s"
    return state, _STYLES.get(node.state, "")


def _summary(states: Counter[str]) -> str:
    return f"{count(states.total(), 'actor')}, {_how(states)}"


def _how(states: Counter[str]) -> str:
    if len(states) == 1:
        return f"all {next(iter(states)).replace('_', ' ')}"
    return ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in states.most_common())


def _ago(seconds: float) -> str:
    return f"{max(0.0, seconds):.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _wrapped(text: str, width: int) -> Iterator[str]:
    """The text in lines of at most `width` columns; a word that is longer is cut into several."""
    line = ""
    for word in text.split():
        if line and cell_len(line) + 1 + cell_len(word) <= width:
            line += f" {word}"
            continue
        if line:
            yield line
        *pieces, line = chop_cells(word, width)
        yield from pieces
    yield line


def _drawn(lines: Sequence[_Row | _Note], width: int) -> Iterator[Text]:
    """The table."""
    rows = [line for line in lines if isinstance(line, _Row)]
    names = max([0, *(len(row.guides) + cell_len(printable(row.id)) for row in rows)])
    whats = max([0, *(cell_len(printable(row.what)) for row in rows)])
    states = max([len("state"), *(len(row.state) for row in rows)])
    sides: tuple[str, ...] = ("incarnation", "queue")
    rest = width - states - sum(map(len, sides)) - 4 * _GAP
    if rest < _NARROW:
        whats, sides = 0, ("queue",)
        rest = width - states - len("queue") - 2 * _GAP
    whats = min(whats, max(rest // 3, rest - names))
    names = max(1, min(names, rest - whats))
    yield _row(_Row("", "", "", "state", "dim"), "dim", names, whats, states, sides, sides)
    for line in lines:
        if isinstance(line, _Note):
            yield Text.assemble((line.guides, "dim"), (line.text, "red"))
            continue
        numbers = {"incarnation": line.incarnation, "queue": line.queued}
        style = "yellow" if line.incarnation > 1 else ""
        shown = [str(numbers[side] or "") for side in sides]
        yield _row(line, style, names, whats, states, sides, shown)


def _row(
    row: _Row, style: str, names: int, whats: int, states: int, sides: Sequence[str], shown: Sequence[str]
) -> Text:
    line = Text.assemble((row.guides, "dim"), printable(row.id), no_wrap=True)
    line.truncate(names, overflow="ellipsis", pad=True)
    if whats:
        what = Text(printable(row.what), style="dim", no_wrap=True)
        what.truncate(whats if row.state else whats + _GAP + states, overflow="ellipsis", pad=True)
        line.append(" " * _GAP).append_text(what)
    if row.state or not whats:
        line.append(" " * _GAP).append(f"{row.state:<{states}}", style=row.style)
    for side, text in zip(sides, shown, strict=True):
        line.append(" " * _GAP).append(f"{text:>{len(side)}}", style="" if side == "queue" and text != side else style)
    return line


def guides(lasts: tuple[bool, ...]) -> str:
    """The lines that lead to a row of a tree."""
    if not lasts:
        return ""
    return "".join("   " if last else "│  " for last in lasts[:-1]) + ("└─ " if lasts[-1] else "├─ ")
