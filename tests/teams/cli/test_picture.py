"""The picture of a tree: what is worst comes first, what is well is folded, and everything can be reached."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from actors._user_code.text import printable
from teams.cli._picture import EVERYTHING, RECENT, LastFailure, Picture, picture
from teams.cli._snapshot import Snapshot, TreeNode

NOW = 1000.0
STATES = ("running", "backing_off", "restarting", "starting", "stopping", "suspended", "stopped")
ILL = ("backing_off", "restarting", "suspended", "starting", "stopping")


def node(id: str, state: str = "running", *children: TreeNode, queued: int = 0) -> TreeNode:
    return TreeNode(id, "one_for_one" if children else "Worker", state, None, 1, queued, children)


def snapshot(root: TreeNode) -> Snapshot:
    return Snapshot(NOW, root, sum(1 for _ in actors(root)), 0)


def actors(root: TreeNode, path: str = "") -> Iterator[tuple[str, TreeNode]]:
    """Every actor, with its path."""
    path = f"{path}/{root.id}" if path else root.id
    yield path, root
    for child in root.children:
        yield from actors(child, path)


def texts(shown: Picture) -> list[str]:
    return [line.plain for line in shown.lines]


def scrolled(root: TreeNode, failures: dict[str, LastFailure], width: int, room: int, everything: bool) -> list[str]:
    """All lines, page by page."""
    lines: list[str] = []
    while True:
        shown = picture(snapshot(root), failures, width, room, everything=everything, offset=len(lines))
        page = texts(shown)[1:]
        lines += page[len(lines) - shown.first :]
        if len(lines) >= shown.total:
            return lines


@st.composite
def trees(draw: st.DrawFn, levels: int = 3) -> TreeNode:
    """A tree whose ids are unlike each other, so that each is found in a line."""
    made = iter(range(10_000))

    def below(level: int) -> TreeNode:
        state = draw(st.sampled_from(STATES))
        children = [below(level - 1) for _ in range(draw(st.integers(0, 5)) if level else 0)]
        return node(f"<{next(made)}>", state, *children, queued=draw(st.sampled_from([0, 0, 3, 50, 4000])))

    return below(levels)


TEXTS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), max_size=200)


@settings(max_examples=100, deadline=None)
@given(trees(), st.integers(1, 120), st.integers(1, 30), TEXTS, st.booleans())
def test_no_line_is_wider_and_no_picture_higher_than_the_terminal(
    root: TreeNode, width: int, room: int, text: str, everything: bool
) -> None:
    """Guards the terminal: a line that it folds itself would tear the picture."""
    failures = {path: LastFailure(NOW, text) for path, _ in actors(root)}
    shown = picture(snapshot(root), failures, width, room, everything=everything)
    assert len(shown.lines) <= room + 1
    assert [line for line in texts(shown) if cell_len(line) > width] == []
    assert not any("\n" in line for line in texts(shown))


@settings(max_examples=100, deadline=None)
@given(trees(), st.integers(3, 30))
def test_every_actor_is_reached_by_scrolling(root: TreeNode, room: int) -> None:
    """Guards large trees: each actor has its line, in whatever state, and none has two."""
    lines = scrolled(root, {}, 100, room, True)
    for path, each in actors(root):
        assert sum(each.id in line for line in lines) == 1, path


@settings(max_examples=100, deadline=None)
@given(trees(), st.integers(3, 30))
def test_what_is_not_well_has_a_line_of_its_own_however_much_is_folded(root: TreeNode, room: int) -> None:
    """Guards what a person looks for: it is never behind a number."""
    lines = scrolled(root, {}, 100, room, False)
    for _, each in actors(root):
        if each.state in ILL or each.queued >= 50:
            assert sum(each.id in line for line in lines) == 1, each


@settings(max_examples=100, deadline=None)
@given(trees(), TEXTS.filter(str.strip), st.integers(60, 100))
def test_an_error_is_shown_whole(root: TreeNode, text: str, width: int) -> None:
    """Guards the text of an error against the width of the terminal: it goes on in the next line."""
    path, crashed = list(actors(root))[-1]
    lines = scrolled(root, {path: LastFailure(NOW, text)}, width, 20, False)
    (row,) = (number for number, line in enumerate(lines) if crashed.id in line)
    below = "".join(line.replace("│", "") for line in lines[row + 1 :])
    assert "".join(below.split()).startswith("".join(f"0 s ago: {printable(text)}".replace("│", "").split()))


def test_what_is_worst_comes_first_with_those_above_it() -> None:
    """Guards the order: down, crashed lately, suspended, changing, the longest queue, well."""
    children = [
        node("well"),
        node("busy", queued=20),
        node("busier", queued=2000),
        node("changing", "starting"),
        node("suspended", "suspended"),
        node("lately"),
        node("below", "running", node("fine"), node("down", "backing_off")),
    ]
    failures = {"root/lately": LastFailure(NOW - 1, "OSError: no disk")}
    lines = texts(picture(snapshot(node("root", "running", *children)), failures, 80, 20))[1:]
    order = [line.strip("│├└─ ").split()[0] for line in lines]
    order.remove("1")  # of "1 s ago"
    assert order == ["root", "below", "down", "fine", "lately", "suspended", "changing", "busier", "busy", "well"]


def test_a_crash_is_shown_for_a_while_after_its_actor_runs_again() -> None:
    """Guards readers who look a moment later."""
    root = node("root", "running", node("a"))
    for age, shown in ((RECENT - 1, True), (RECENT, False)):
        lines = texts(picture(snapshot(root), {"root/a": LastFailure(NOW - age, "OSError: no disk")}, 80, 20))
        assert any("OSError" in line for line in lines) is shown


def test_what_was_given_up_is_shown_and_what_has_ended_is_not() -> None:
    """Guards children that stay stopped: with an error they are down, without one they are done."""
    root = node(
        "root",
        "running",
        *(node(f"w{number}") for number in range(30)),
        node("lost", "stopped"),
        node("done", "stopped"),
    )
    lines = texts(picture(snapshot(root), {"root/lost": LastFailure(0.0, "KeyError: 'k'")}, 80, 5))
    assert ["lost" in line for line in lines] == [False, False, True, False, False]
    assert "KeyError: 'k'" in lines[3]
    assert "31 more" in lines[4]
    assert "30 running, 1 stopped" in lines[4]


@pytest.mark.parametrize(
    ("room", "lines"),
    [
        (41, 41),  # all
        (20, 5),  # each supervisor in one line
        (4, 2),  # all of them in one line
    ],
)
def test_what_is_well_is_folded_as_far_as_the_room_demands(room: int, lines: int) -> None:
    """Guards the picture of a large tree: whole where it fits, with numbers in place of lines where it does not."""
    parts = (node(f"s{part}", "running", *(node(f"w{part}-{each}") for each in range(9))) for part in range(4))
    shown = picture(snapshot(node("root", "running", *parts)), {}, 80, room)
    assert (shown.total, len(shown.lines)) == (lines, lines + 1)
    assert (shown.detail == EVERYTHING) is (room == 41)
    numbers = {20: "10 actors, all running", 4: "40 actors, all running"}
    assert room == 41 or numbers[room] in texts(shown)[-1]


def test_the_queues_of_what_is_folded_are_added_up() -> None:
    """Guards a load that is spread over many."""
    parts = (node(f"w{number}", queued=5) for number in range(100))
    lines = texts(picture(snapshot(node("root", "running", *parts)), {}, 80, 5))
    assert lines[-1].split()[-1] == "500"


def test_children_that_are_only_counted_are_said() -> None:
    """Guards dynamic supervisors with more children than a picture can have."""
    root = TreeNode("root", "one_for_one", "running", None, 1, 0, (node("a", "restarting"),), 99_000, 7)
    lines = texts(picture(snapshot(root), {}, 80, 20))
    assert "99000 more" in lines[-1]
    assert lines[-1].split()[-1] == "7"


EXPECTED = [
    "                                     state              incarnation  queue",
    "root         one_for_one             running                      1",
    "├─ net       one_for_one             running                      1",
    "│  ├─ fetch  Fetcher                 backing off 2.5 s            4     12",
    "│  │     3 s ago: ConnectionError:",
    "│  │     HTTPSConnectionPool(host='api.example.org', port=443): Max retries",
    "│  │     exceeded with /v1/models",
    "│  └─ cache  Worker                  running                      1",
    "├─ s0        61 actors, all running  running                      1",
    "├─ s1        61 actors, all running  running                      1",
    "└─ s2        61 actors, all running  running                      1",
]


def test_the_picture_in_eighty_columns_is_as_designed() -> None:
    """Guards the whole, as a console prints it."""
    parts = (node(f"s{part}", "running", *(node(f"w{each}") for each in range(60))) for part in range(3))
    bad = TreeNode("fetch", "Fetcher", "backing_off", NOW + 2.5, 4, 12)
    text = (
        "ConnectionError: HTTPSConnectionPool(host='api.example.org', port=443): Max retries exceeded with /v1/models"
    )
    root = node("root", "running", *parts, node("net", "running", bad, node("cache")))
    console = Console(record=True, file=io.StringIO(), width=80, height=24)
    for line in picture(snapshot(root), {"root/net/fetch": LastFailure(NOW - 3, text)}, 76, 20).lines:
        console.print(line)
    assert [line.rstrip() for line in console.export_text().splitlines()] == EXPECTED
