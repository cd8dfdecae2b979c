"""The roster: choices by route, and changes, at a cost that does not grow with the number of slots."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.testing import simulation
from teams import Member, Pool, can, member, pool, role, team
from teams._dispatch.roster import Roster, Slot
from teams._dispatch.view import TeamView
from teams._members.consistent_hash import Buckets, hashed, jump
from tests.support import steps

ROUTES: Any = ("least_loaded", "round_robin", "random", "consistent_hash")
POOLS = {route: Pool("r", route) for route in ROUTES}


async def act(value: object) -> object:
    """Does nothing."""
    return value


class Crew:
    """A roster whose members are up or down as the test says."""

    def __init__(self, *members: Member, roles: tuple[Any, ...] = ()) -> None:
        self.down: set[str] = set()
        self.view = TeamView(lambda: (0, 0))
        self.roster = Roster(roles, self.is_up, self.view)
        for each in members:
            self.join(each)

    def is_up(self, ref: Any) -> bool:
        """A slot stands for the ref of its member, too."""
        return ref.id not in self.down

    def join(self, new: Member) -> list[Slot]:
        slots = self.roster.add(new, 1)
        for slot in slots:
            self.roster.joined(slot, slot)  # type: ignore[arg-type]
        return slots

    def leave(self, id: str) -> None:
        for slot in self.roster.of_name(id):
            self.roster.leave(slot)
            self.roster.remove(slot)

    def routed(self, route: Any, value: object = None, random: Random | None = None) -> Any:
        return self.roster.routed(POOLS[route], value, random or Random(1))


def crew_of(count: int) -> Crew:
    """A crew of so many slots in one role."""
    return Crew(member("w", act, role="r", count=count, capabilities={"dig"}))


@pytest.mark.parametrize("route", ROUTES)
def test_a_choice_costs_the_same_among_10_slots_and_among_10_000(route: Any) -> None:
    """Guards every route: none looks at all slots. The logarithm of the number is allowed."""

    def cost(count: int) -> int:
        crew = crew_of(count)
        crew.routed(route, "warm")
        if route == "least_loaded":
            return steps(lambda: crew.roster.free("r"))
        return max(steps(lambda key=key: crew.routed(route, key)) for key in range(20))  # type: ignore[misc]

    assert cost(10_000) <= 4 * cost(10)


@pytest.mark.parametrize("route", ["round_robin", "random"])
def test_members_that_are_down_are_found_out_once_and_not_with_each_choice(route: Any) -> None:
    """Guards a choice among many that are down: each is passed over once, until it is up again."""
    crew = crew_of(1_000)
    crew.down = {f"w-{number}" for number in range(1, 1_000)}
    chance = Random(1)
    assert {crew.routed(route, random=chance) for _ in range(300)} == {"w-1000"}
    assert steps(lambda: crew.routed(route, random=chance)) < 50
    crew.down.remove("w-7")
    crew.roster.came_up(crew.roster.slots["w-7"])
    assert {crew.routed(route, random=Random(seed)) for seed in range(20)} == {"w-7", "w-1000"}


@given(st.lists(st.sampled_from(["join", "leave", "reserve", "release"]), max_size=30))
def test_a_free_slot_is_found_however_many_came_and_went_before(changes: list[str]) -> None:
    """Guards the heap of a group that had a single slot, and whose other members are not up yet."""
    roster = Roster((), lambda _: True, TeamView(lambda: (0, 0)))
    busy: list[Slot] = []
    for number, change in enumerate(changes):
        slots = list(roster.slots.values())
        if change == "join":
            slot = roster.add(member(f"w{number}", act, role="r"), 1)[0]
            if number % 2:
                roster.joined(slot, slot)  # type: ignore[arg-type]
        elif change == "leave" and slots:
            roster.remove(slots[number % len(slots)])
        elif change == "reserve" and (found := roster.free("r")) is not None:
            roster.reserve(found, 0.0)
            busy.append(found)
        elif change == "release" and busy:
            roster.release(busy.pop(), 0.0)
        free = {slot.id for slot in roster.slots.values() if slot.free}
        chosen = roster.free("r")
        assert (chosen.id in free) if chosen is not None else not free


@pytest.mark.parametrize("used", ["least_loaded", "consistent_hash"])
def test_a_member_comes_and_goes_at_a_cost_that_does_not_grow(used: Any) -> None:
    """Guards join and leave: names, roles and limits are looked up and not looked for."""

    def cost(count: int) -> int:
        crew = Crew(
            member("w", act, role="r", count=count, capabilities={"dig"}),
            roles=(role("r", max_members=count + 1), role("s")),
        )
        crew.routed(used)

        def change() -> None:
            new = member("new", act, role="r", capabilities={"dig"})
            assert crew.roster.ambiguous(new) is None
            assert crew.roster.full("r", 1) is None
            crew.join(new)
            assert crew.roster.full("r", 1) == count + 1
            assert crew.view.knows("new")
            assert crew.roster.knows(can("dig"))
            crew.leave("new")
            assert not crew.view.knows("new")

        change()
        return steps(change)

    # The heap of free slots is made anew after so many changes that it costs a constant with each of them.
    assert cost(2_000) <= 2 * cost(10)


@pytest.mark.parametrize("route", ["round_robin", "random", "consistent_hash"])
def test_when_no_member_is_up_the_first_that_is_will_do(route: Any) -> None:
    """Guards routes among members that are all down: the work is for the role; one for a key waits for its own."""
    crew = crew_of(3)
    before = crew.routed(route, "key")
    crew.down = {"w-1", "w-2", "w-3"}
    assert crew.routed(route, "key") == (before if route == "consistent_hash" else "r")


class Turns(RuleBasedStateMachine):
    """Round robin while members come, go, fall and rise: no member is left out, and none is ahead."""

    def __init__(self) -> None:
        super().__init__()
        self.crew = Crew()
        self.number = 0
        self.turns: Counter[str] = Counter()
        """How often each had its turn since the last change."""

    def _up(self) -> list[str]:
        return [slot.id for slot in self.crew.roster.slots.values() if slot.id not in self.crew.down]

    @rule()
    def join(self) -> None:
        self.number += 1
        self.crew.join(member(f"m{self.number}", act, role="r"))
        self.turns.clear()

    @precondition(lambda self: self.crew.roster.slots)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.crew.roster.slots)))
        self.crew.leave(id)
        self.crew.down.discard(id)
        self.turns.clear()

    @precondition(lambda self: self._up())
    @rule(data=st.data())
    def fall(self, data: st.DataObject) -> None:
        self.crew.down.add(data.draw(st.sampled_from(sorted(self._up()))))
        self.turns.clear()

    @precondition(lambda self: self.crew.down)
    @rule(data=st.data())
    def rise(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.crew.down)))
        self.crew.down.remove(id)
        self.crew.roster.came_up(self.crew.roster.slots[id])
        self.turns.clear()

    @precondition(lambda self: self.crew.roster.slots)
    @rule(times=st.integers(1, 10))
    def turn(self, times: int) -> None:
        up = self._up()
        for _ in range(times):
            chosen = self.crew.routed("round_robin")
            if not up:
                assert chosen == "r"
                continue
            assert chosen in up
            self.turns[chosen] += 1
            had = [self.turns[id] for id in up]
            # In the first round after a change, those that have had their turn in it are passed over.
            assert max(had) - min(had) <= 2
            if sum(had) >= 2 * len(up):
                assert min(had) >= 1

    @invariant()
    def counts_are_right(self) -> None:
        roster, view = self.crew.roster, self.crew.view
        assert view.slots.keys() == roster.slots.keys()
        assert roster.knows("r") == view.knows("r") == bool(roster.slots)
        assert [slot.id for slot in roster.able("r")] == list(roster.slots)


TestTurns = Turns.TestCase


def test_one_after_another_means_equal_numbers_in_every_round() -> None:
    """Guards the round: who had its turn in it and who had not stays so when another one goes."""
    crew = crew_of(6)
    assert [crew.routed("round_robin") for _ in range(3)] == ["w-1", "w-2", "w-3"]
    crew.leave("w-2")
    rest = [crew.routed("round_robin") for _ in range(3)]
    assert sorted(rest) == ["w-4", "w-5", "w-6"]
    assert sorted(crew.routed("round_robin") for _ in range(5)) == ["w-1", "w-3", "w-4", "w-5", "w-6"]


# Consistent hashing

KEYS = range(400)


@given(changes=st.lists(st.integers(0, 30), min_size=1, max_size=30))
def test_a_bucket_moves_only_its_own_keys(changes: list[int]) -> None:
    """Guards consistent hashing whatever comes and goes: 0 adds a bucket, another number removes one."""
    buckets = Buckets()
    there: set[int] = set()
    for change in changes:
        before = {key: buckets.find(hashed(key)) for key in KEYS}
        if change == 0 or not there:
            moved = buckets.add()
            assert moved not in there
            there.add(moved)
            assert all(now in (before[key], moved) for key in KEYS if (now := buckets.find(hashed(key))) is not None)
        else:
            moved = sorted(there)[change % len(there)]
            buckets.remove(moved)
            there.discard(moved)
            assert all(buckets.find(hashed(key)) == before[key] for key in KEYS if before[key] != moved)
        found = {buckets.find(hashed(key)) for key in KEYS}
        assert found <= there if there else found == {None}
        assert len(buckets) == len(there)


@pytest.mark.parametrize("gone", [0, 1, 37, 90])
def test_every_bucket_has_about_as_many_keys_as_any_other(gone: int) -> None:
    """Guards the balance, of buckets that were added and of those that are left after others went."""
    buckets = Buckets()
    there = [buckets.add() for _ in range(100)]
    for bucket in Random(7).sample(there, gone):
        buckets.remove(bucket)
    counts = Counter(buckets.find(hashed(key)) for key in range(20_000))
    fair = 20_000 / (100 - gone)
    assert len(counts) == 100 - gone
    assert all(0.6 * fair < count < 1.4 * fair for count in counts.values())


@given(count=st.integers(1, 500))
def test_one_bucket_more_takes_its_share_and_no_more(count: int) -> None:
    """Guards what the documentation of `pool` says: 1 / n of the keys move when the nth member joins."""
    moved = [key for key in range(2_000) if jump(hashed(key), count) != jump(hashed(key), count + 1)]
    assert all(jump(hashed(key), count + 1) == count for key in moved)
    assert len(moved) <= 2_000 / (count + 1) + 5 * (2_000 / (count + 1)) ** 0.5


@pytest.mark.parametrize("key", ["\ud800", float("nan"), (1, "a"), b"\xff", None])
def test_any_key_with_a_repr_is_hashed(key: object) -> None:
    """Guards keys that cannot be encoded."""
    assert hashed(key) == hashed(key)


def test_a_key_stays_with_its_member_while_others_come_and_go() -> None:
    """Guards the route in a team that runs, through restarts of the coordinator too."""
    route = pool("r", "consistent_hash")

    async def who(value: object, context: Any) -> str:
        return str(context.member)

    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("w", who, role="r", count=5)))
        before = {key: crew.assign(key, route).get() for key in range(40)}
        crew.join(member("new", who, role="r")).get()
        after = {key: crew.assign(key, route).get() for key in range(40)}
        assert {after[key] for key in range(40) if after[key] != before[key]} == {"new"}
        crew.leave("new").get()
        crew.child("coordinator").kill()
        sim.settle()
        assert {key: crew.assign(key, route).get() for key in range(40)} == before
