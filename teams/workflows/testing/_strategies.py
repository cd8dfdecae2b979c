"""Hypothesis strategies for sketches, faults of a disk, and whole worlds. Hypothesis is imported where one is made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from actors.testing.spi import FaultPlan, faults, needs_extra, plans
from teams.workflows.testing._faults import (
    DiskFault,
    FailCommit,
    LeaseEnds,
    Reboot,
    SlowCommit,
    StoreGone,
    UnknownCommit,
)
from teams.workflows.testing._sketch import Piece, PieceKind, Sketch
from teams.workflows.testing._world import EngineAction, EngineDeed, World

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

SECONDS = (0.0, 0.5, 3.0)
"""How long work takes."""
NAPS = (0.5, 4.0, 20.0)
"""How long sleeps take: those above a second are parked."""
KINDS: Sequence[PieceKind] = ("work", "map", "loop", "nested", "sleep", "wait", "ask")
DISK_FAULTS: Sequence[type[DiskFault]] = (FailCommit, UnknownCommit, SlowCommit, StoreGone, LeaseEnds, Reboot)
NAMES = "abcdefghij"
NEW = "yz"
"""The steps that edits add."""
SEARCHES = ("random", "pct3", "pos", "lag")


def sketches(
    *,
    most: int = 5,
    kinds: Iterable[PieceKind] = KINDS,
    failing: bool = True,
    undoing: bool = True,
    once: bool = False,
    again: bool = True,
) -> SearchStrategy[Sketch]:
    """Small workflows: chains and DAGs of at most `most` steps of these kinds.

    Args:
        most: How many steps there are at most. Default: 5.
        kinds: The kinds of steps. Default: all.
        failing: Whether some fail, with every `on_failure`. Default: True.
        undoing: Whether some have an undo. Default: True.
        once: Whether some may be done once at most. Default: False.
        again: Whether some have a run go on in a new one. Default: True.
    """
    with needs_extra():
        from hypothesis import strategies as st

    chosen = tuple(kinds)

    @st.composite
    def sketches(draw: DrawFn) -> Sketch:
        count = draw(st.integers(1, most))
        pieces = []
        for place in range(count):
            earlier = NAMES[:place]
            uses = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=2)) if earlier else []
            kind = draw(st.sampled_from(chosen))
            works = kind in ("work", "map", "loop", "nested")
            fails = works and failing and draw(st.integers(0, 5)) == 5
            pieces.append(
                Piece(
                    NAMES[place],
                    kind,
                    tuple(sorted(uses)) if works else (),
                    draw(st.sampled_from(NAPS if kind == "sleep" else SECONDS)),
                    fails,
                    draw(st.sampled_from(("stop", "skip", "continue_with_warning", "undo"))) if fails else "stop",
                    works and undoing and draw(st.booleans()),
                    draw(st.integers(0, 5)) == 5,
                    draw(st.integers(0, 4)) if kind == "map" else 3,
                    draw(st.integers(1, 3)) if kind == "map" else 2,
                    draw(st.integers(1, 4)) if kind == "loop" else 2,
                    3,
                    once and kind == "work" and draw(st.booleans()),
                )
            )
        chain = draw(st.booleans())
        goes_on = again and draw(st.integers(0, 3)) == 3
        again_at = (draw(st.integers(0, count)) if chain else count) if goes_on else None
        return Sketch(tuple(pieces), chain, auto=draw(st.booleans()), again=again_at)

    return sketches()


def disk_faults(
    *, kinds: Iterable[type[DiskFault]] = DISK_FAULTS, most: int = 30, until: float = 20.0, engines: int = 1
) -> SearchStrategy[DiskFault]:
    """Faults of a disk.

    Args:
        kinds: The kinds of faults. Default: all.
        most: The highest number of the commit at which one happens. Default: 30.
        until: The last moment, in virtual seconds, of those that come at a time. Default: 20.0.
        engines: How many engines there are. Default: 1.
    """
    with needs_extra():
        from hypothesis import strategies as st

    nth, times = st.integers(1, most), st.integers(1, 3)
    at = st.integers(0, round(until * 4)).map(lambda quarter: quarter / 4)
    engine = st.integers(0, engines - 1)
    pauses = st.sampled_from((0.0, 0.5, 3.0, 16.0))
    sorts: dict[type[DiskFault], SearchStrategy[DiskFault]] = {
        FailCommit: st.builds(FailCommit, nth, times),
        UnknownCommit: st.builds(UnknownCommit, nth, times),
        SlowCommit: st.builds(SlowCommit, nth, st.sampled_from((0.5, 3.0, 16.0)), st.booleans(), times),
        StoreGone: st.builds(StoreGone, at, st.sampled_from((0.5, 3.0, 16.0))),
        LeaseEnds: st.builds(LeaseEnds, at, engine),
        Reboot: st.one_of(
            st.builds(Reboot, nth=nth, seconds=pauses, written=st.booleans()),
            st.builds(Reboot, at=at, seconds=pauses, engine=engine, power=st.booleans()),
        ),
    }
    return st.one_of(*(sorts[kind] for kind in kinds))


def worlds(
    sketch: SearchStrategy[Sketch] | None = None,
    *,
    kinds: Iterable[type[DiskFault]] = DISK_FAULTS,
    max_faults: int = 4,
    actor_kinds: Iterable[type[faults.Fault]] = (faults.Crash, faults.Kill),
    deeds: Iterable[EngineDeed] = ("say", "cancel", "cancel_now", "pause", "resume", "edit"),
    max_runs: int = 2,
    engines: int = 1,
    until: float = 20.0,
) -> SearchStrategy[World]:
    """Whole worlds.

    Args:
        sketch: The workflows. None: `sketches()`. Default: None.
        kinds: The kinds of faults of the disk. Default: all.
        max_faults: How many of them there are at most, and as many of actors. Default: 4.
        actor_kinds: The kinds of faults of actors: members, and every part of an engine. Default: Crash and Kill.
        deeds: What callers do besides starting runs. Default: all.
        max_runs: How many runs there are at most. Default: 2.
        engines: How many engines share the disk. Default: 1.
        until: Virtual seconds with faults. Default: 20.0.
    """
    with needs_extra():
        from hypothesis import strategies as st

    flows = sketches() if sketch is None else sketch
    disk_kinds, chosen_deeds, on_actors = tuple(kinds), tuple(deeds), tuple(actor_kinds)
    parts = [
        path
        for number in range(engines)
        for path in (
            f"engine-{number}/agents/members/*",
            f"engine-{number}/agents/coordinator",
            f"engine-{number}/desk",
            f"engine-{number}/journal",
            f"engine-{number}/store",
            f"engine-{number}/runs/*",
        )
    ]
    drawn: SearchStrategy[FaultPlan] = st.just(FaultPlan())
    if on_actors:
        drawn = plans(*parts, kinds=on_actors, max_faults=max_faults, until=until)
    at = st.integers(0, round(until * 2)).map(lambda half: half / 2 + 0.5)
    disk: SearchStrategy[list[DiskFault]] = st.just([])
    if disk_kinds:
        disk = st.lists(disk_faults(kinds=disk_kinds, until=until, engines=engines), max_size=max_faults)

    @st.composite
    def worlds(draw: DrawFn) -> World:
        flow = draw(flows)
        runs = draw(st.integers(1, max_runs))
        engine = st.integers(0, engines - 1)
        script = [EngineAction(draw(at) / 4, "start", number, draw(engine)) for number in range(runs)]
        heard = [each.id for each in flow.pieces if each.kind in ("wait", "ask")]
        for _ in range(draw(st.integers(0, 4)) if chosen_deeds else 0):
            deed = draw(st.sampled_from(chosen_deeds))
            if deed == "say" and not heard:
                continue
            step = draw(st.sampled_from(heard)) if deed == "say" else ""
            if deed == "edit":
                step = draw(st.sampled_from([*(each.id for each in flow.pieces), *NEW]))
            script.append(EngineAction(draw(at), deed, draw(st.integers(0, runs - 1)), draw(engine), step))
        search = draw(st.one_of(st.none(), st.tuples(st.sampled_from(SEARCHES), st.integers(0, 1000))))
        seed = draw(st.integers(0, 3))
        return World(flow, tuple(script), draw(drawn), tuple(draw(disk)), engines, seed, search, until)

    return worlds()
