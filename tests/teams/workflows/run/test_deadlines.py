"""The time limits of many runs cost one timer."""

from __future__ import annotations

from actors import ManualClock
from teams.workflows._run.deadline import Looks


def test_many_limits_are_looked_at_once_a_second_by_one_timer() -> None:
    clock, seen = ManualClock(), list[tuple[float, int]]()
    looks = Looks(clock)
    calls = [lambda number=number: seen.append((clock.now(), number)) for number in range(3)]
    for call in calls:
        looks.add(call)
    assert clock.pending == 1
    clock.advance(0.75)
    assert seen == []
    clock.advance(0.25)
    assert seen == [(1.0, 0), (1.0, 1), (1.0, 2)]
    looks.discard(calls[1])
    clock.advance(1.0)
    assert seen[3:] == [(2.0, 0), (2.0, 2)]
    assert clock.pending == 1
    looks.discard(calls[0])
    looks.discard(calls[2])
    looks.discard(calls[2])
    assert clock.pending == 0
    looks.add(calls[1])
    clock.advance(1.5)
    assert seen[5:] == [(3.0, 1)]


def test_a_look_that_fails_is_not_the_last_one() -> None:
    clock, seen = ManualClock(), list[float]()
    looks = Looks(clock)

    def fails() -> None:
        seen.append(clock.now())
        raise RuntimeError("on purpose")

    looks.add(fails)
    for _ in range(2):
        try:
            clock.advance(1.0)
        except RuntimeError:
            continue
    assert len(seen) == 2
