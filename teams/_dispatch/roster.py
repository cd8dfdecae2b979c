"""The roster: who is in the team, who can do what, and who is the next to get work. Values and decisions only.

Work is reserved before it is sent, so that load is what is under way and not what was counted some time ago. No choice
and no change looks at all seats: the least loaded is found in a heap for each role and each capability, the next and a
random one in a list of those that are up, the one for a key by consistent hashing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from random import Random
from typing import Any

from actors.spi import ActorRef
from teams._dispatch.view import SeatView, TeamView
from teams._members.consistent_hash import Buckets, hashed
from teams._members.member import Member
from teams._members.role import Role
from teams._members.target import Can, Pool, WorkTarget


class Slot:
    """One member's place: how much it may do at once and how much is reserved."""

    __slots__ = (
        "benches",
        "born",
        "capabilities",
        "capacity",
        "groups",
        "id",
        "joining",
        "leaving",
        "member",
        "number",
        "ref",
        "reserved",
        "role",
        "since",
        "up",
        "used",
        "working",
    )

    def __init__(self, id: str, member: Member, capabilities: frozenset[str], capacity: int, number: int) -> None:
        self.id = id
        self.member = member
        self.role = member.role
        self.capabilities = capabilities
        self.capacity = capacity
        self.number = number
        self.ref: ActorRef[Any] | None = None
        """None while its member is being started for the first time, or anew with all others."""
        self.born = 0
        """The incarnation of the supervisor that started its member."""
        self.up = False
        """Whether its member was up when that was last looked at or heard of. It is verified before it gets work."""
        self.joining = False
        """Whether a `join` waits for it."""
        self.leaving = False
        self.reserved = 0
        self.working = 0
        """How many pieces of work it has begun and not ended."""
        self.since = 0.0
        """The sum of the times these began."""
        self.used = 0
        """When it last got work, as a number that grows: among equals the one that waited longest is next."""
        names = dict.fromkeys([id, member.id, *([member.role] if member.role is not None else [])])
        self.groups: tuple[str | Can, ...] = (*names, *map(Can, sorted(capabilities)))
        """All that work may be addressed to and this seat can do."""
        self.benches: tuple[WorkerGroup, ...] = ()
        """The bench of each group."""

    @property
    def works(self) -> bool:
        """Whether it gets new work, now or when it is up again."""
        return self.ref is not None and not self.leaving

    @property
    def ready(self) -> bool:
        """Whether it gets new work now, if it has room."""
        return self.up and self.works

    @property
    def free(self) -> bool:
        """Whether it may begin something now."""
        return self.reserved < self.capacity and self.ready


class WorkerGroup:
    """The seats of one role or with one capability."""

    def __init__(self) -> None:
        self.seats: dict[str, Slot] = {}
        self.staying = 0
        """How many of them are not leaving."""
        self._free: list[tuple[int, int, int, Slot]] = []
        """A heap of those that are free, the least loaded first. An entry that no longer tells the truth is dropped
        when it comes up.
        """
        self._ready: list[Slot] = []
        """Those that are ready. Of these, the ones before `_turn` have had their turn in this round."""
        self._places: dict[Slot, int] = {}
        """Where each stands in `_ready`."""
        self._turn = 0
        self._buckets: Buckets | None = None
        """Made when work is first routed by a key."""
        self._seat_of: dict[int, Slot] = {}
        self._bucket_of: dict[Slot, int] = {}

    def add(self, seat: Slot) -> None:
        """A seat more."""
        self.seats[seat.id] = seat
        self.staying += 1

    def remove(self, seat: Slot) -> None:
        """The seat is not in the team any more."""
        if self.seats.get(seat.id) is seat:
            del self.seats[seat.id]
            self.staying -= not seat.leaving
            self._forget(seat)

    def leave(self, seat: Slot) -> None:
        """The seat gets no new work from now on."""
        self.staying -= 1
        self._forget(seat)

    def _forget(self, seat: Slot) -> None:
        self._drop(seat)
        bucket = self._bucket_of.pop(seat, None)
        if bucket is not None and self._buckets is not None:
            self._buckets.remove(bucket)
            del self._seat_of[bucket]

    def moved(self, seat: Slot) -> None:
        """The seat has joined, or its member has come up or gone down."""
        if not seat.ready:
            self._drop(seat)
        elif seat not in self._places:
            self._places[seat] = len(self._ready)
            self._ready.append(seat)
        if self._buckets is not None and seat.works and seat not in self._bucket_of:
            self._hash(self._buckets, seat)
        self.loaded(seat)

    def loaded(self, seat: Slot) -> None:
        """The load of the seat is another, or it has become free."""
        if len(self._free) > 4 * len(self.seats) + 16:
            self._free = [(each.reserved, each.used, each.number, each) for each in self.seats.values() if each.free]
            heapify(self._free)
        elif seat.free:
            heappush(self._free, (seat.reserved, seat.used, seat.number, seat))

    def least_loaded(self, wanted: Callable[[Slot], bool]) -> Slot | None:
        """The free seat with the fewest reservations among those `wanted`; of equals, the one that waited longest."""
        if len(self.seats) == 1:
            (only,) = self.seats.values()
            return only if only.free and wanted(only) else None
        aside = []
        found = None
        while self._free and found is None:
            reserved, used, _, seat = entry = heappop(self._free)
            if self.seats.get(seat.id) is seat and seat.free and (reserved, used) == (seat.reserved, seat.used):
                aside.append(entry)
                if wanted(seat):
                    found = seat
        for entry in aside:
            heappush(self._free, entry)
        return found

    def next_in_turn(self) -> Slot | None:
        """One after another of those that are ready, whatever their load."""
        if not self._ready:
            return None
        if self._turn >= len(self._ready):
            self._turn = 0
        self._turn += 1
        return self._ready[self._turn - 1]

    def any(self, random: Random) -> Slot | None:
        """Any one of those that are ready, with equal chance."""
        return self._ready[random.randrange(len(self._ready))] if self._ready else None

    def by_key(self, key: object) -> Slot | None:
        """The same one for equal keys, whether it is up or not."""
        if self._buckets is None:
            self._buckets = Buckets()
            for seat in self.seats.values():
                if seat.works:
                    self._hash(self._buckets, seat)
        bucket = self._buckets.find(hashed(key))
        return None if bucket is None else self._seat_of[bucket]

    def _hash(self, buckets: Buckets, seat: Slot) -> None:
        bucket = buckets.add()
        self._seat_of[bucket] = seat
        self._bucket_of[seat] = bucket

    def _drop(self, seat: Slot) -> None:
        """Takes a seat out of those that are ready. Each of the others has had its turn in this round, or not, as
        before.
        """
        hole = self._places.pop(seat, None)
        if hole is None:
            return
        if hole < self._turn:
            self._turn -= 1
            hole = self._fill(hole, self._turn)
        self._fill(hole, len(self._ready) - 1)
        self._ready.pop()

    def _fill(self, hole: int, place: int) -> int:
        """Moves the one at `place` into the hole. Returns where the hole is then."""
        if place != hole:
            moved = self._ready[hole] = self._ready[place]
            self._places[moved] = hole
        return place


class Roster:
    """Everybody in the team."""

    def __init__(self, roles: Iterable[Role], is_up: Callable[[Slot], bool], view: TeamView) -> None:
        """`is_up` says whether the member of a seat runs now; `view` shows the roster to others."""
        self.roles = {role.name: role for role in roles}
        self.seats: dict[str, Slot] = {}
        self._is_up = is_up
        self._view = view
        self._benches: dict[str | Can, WorkerGroup] = {}
        self._by_member: dict[str, dict[str, Slot]] = {}
        """The seats of each member, by its id."""
        self._played: Counter[str] = Counter()
        """How many seats have each role."""
        self._otherwise: Counter[str] = Counter()
        """By the id of a member, how many of its seats have another role than one of the same name."""
        self._numbers = 0

    def add(
        self, member: Member, capacity: int, born: int = 1, *, joining: bool = False, only: str | None = None
    ) -> list[Slot]:
        """Makes the seats of a new member, or `only` one of them. They get work from `joined` on. `born` is the
        incarnation of the supervisor that starts the member.
        """
        role = self.roles.get(member.role) if member.role is not None else None
        capabilities = member.capabilities | (role.capabilities if role is not None else frozenset())
        made = []
        for spec in member.specs:
            if only not in (None, spec.id):
                continue
            self._numbers += 1
            seat = self.seats[spec.id] = Slot(spec.id, member, capabilities, capacity, self._numbers)
            seat.born, seat.joining = born, joining
            seat.benches = tuple(self._benches.setdefault(group, WorkerGroup()) for group in seat.groups)
            for bench in seat.benches:
                bench.add(seat)
            self._by_member.setdefault(member.id, {})[seat.id] = seat
            self._count(seat, 1)
            self._view.come(seat.id, seat.groups, seen(seat))
            made.append(seat)
        return made

    def came_in(self, seat: Slot) -> None:
        """No `join` waits for the seat any more."""
        seat.joining = False

    def joined(self, seat: Slot, ref: ActorRef[Any], born: int = 1) -> None:
        """The seat is taken: it may get work. `born` is the incarnation of the supervisor that started its member."""
        seat.ref, seat.born, seat.joining = ref, born, False
        seat.up = self._is_up(seat)
        self._moved(seat)

    def vacated(self, seat: Slot) -> None:
        """The place of the member has ended; its supervisor may start it anew."""
        seat.ref, seat.up = None, False
        self._moved(seat)

    def came_up(self, seat: Slot) -> None:
        """The member of the seat is up again."""
        if not seat.up and seat.ref is not None:
            seat.up = True
            self._moved(seat)

    def leave(self, seat: Slot) -> None:
        """The seat gets no new work from now on."""
        if not seat.leaving:
            for bench in seat.benches:
                bench.leave(seat)
            seat.leaving = True
            self._view.leave(seat.groups)

    def remove(self, seat: Slot) -> None:
        """The member has left, or has terminated."""
        if self.seats.get(seat.id) is not seat:
            return
        del self.seats[seat.id]
        for group, bench in zip(seat.groups, seat.benches, strict=True):
            bench.remove(seat)
            if not bench.seats and self._benches.get(group) is bench:
                del self._benches[group]
        same = self._by_member[seat.member.id]
        del same[seat.id]
        if not same:
            del self._by_member[seat.member.id]
        self._count(seat, -1)
        self._view.go(seat.id, () if seat.leaving else seat.groups)

    def _count(self, seat: Slot, step: int) -> None:
        if seat.role is not None:
            tally(self._played, seat.role, step)
        if seat.role != seat.member.id:
            tally(self._otherwise, seat.member.id, step)

    def reserve(self, seat: Slot, began: float | None) -> None:
        """One more piece of work for it; `began` is the time at which it begins with that, None: it is an offer."""
        self._numbers += 1
        seat.reserved += 1
        seat.used = self._numbers
        if began is not None:
            seat.working += 1
            seat.since += began
        self._loaded(seat)

    def release(self, seat: Slot, began: float | None) -> None:
        """One less; `began` is the same as when it was reserved."""
        seat.reserved -= 1
        if began is not None:
            seat.working -= 1
            seat.since = seat.since - began if seat.working else 0.0
        self._loaded(seat)

    def _loaded(self, seat: Slot) -> None:
        for bench in seat.benches:
            bench.loaded(seat)
        self._show(seat)

    def _moved(self, seat: Slot) -> None:
        for bench in seat.benches:
            bench.moved(seat)
        self._show(seat)

    def _show(self, seat: Slot) -> None:
        if self.seats.get(seat.id) is seat:
            self._view.show(seat.id, seen(seat))

    def of_name(self, id: str) -> list[Slot]:
        """The seats of a member, or one seat, by id."""
        found = dict(self._by_member.get(id, {}))
        if id in self.seats:
            found[id] = self.seats[id]
        return list(found.values())

    def able(self, whom: str | Can) -> Iterator[Slot]:
        """Those that can do what is addressed so, free or not, and those about to join."""
        bench = self._benches.get(whom)
        return (seat for seat in bench.seats.values() if not seat.leaving) if bench is not None else iter(())

    def knows(self, whom: str | Can) -> bool:
        """Whether there is a member that can do what is addressed so."""
        bench = self._benches.get(whom)
        return bench is not None and bench.staying > 0

    def ambiguous(self, member: Member) -> str | None:
        """The name that could mean a role or a single member once this one is here; None: there is none."""
        if member.id != member.role and (member.id in self.roles or self._played[member.id] > 0):
            return member.id
        return member.role if member.role is not None and self._otherwise[member.role] > 0 else None

    def full(self, name: str | None, more: int) -> int | None:
        """The limit of a role that has no room for so many more; None: there is room."""
        role = self.roles.get(name) if name is not None else None
        if role is None or role.max_members is None:
            return None
        return role.max_members if self._played[role.name] + more > role.max_members else None

    def free(self, whom: str | Can, wanted: Callable[[Slot], bool]) -> Slot | None:
        """The seat that gets work addressed so: free, `wanted` and up; the least loaded of these."""
        bench = self._benches.get(whom)
        return None if bench is None else bench.least_loaded(lambda seat: wanted(seat) and self.runs(seat))

    def runs(self, seat: Slot) -> bool:
        """Whether the member of the seat is up. One that turns out not to be gets nothing until `came_up`."""
        if self._is_up(seat):
            return True
        if seat.up:
            seat.up = False
            self._moved(seat)
        return False

    def routed(self, whom: WorkTarget, value: object, random: Random) -> str | Can:
        """The target of work: for a pool that does not look at the load, one seat of it, chosen now. While none is up
        it is the whole pool, of which the first that is up again takes the work.
        """
        if not isinstance(whom, Pool):
            return whom
        bench = self._benches.get(whom.whom)
        if bench is None or whom.route == "least_loaded":
            return whom.whom
        if whom.route == "consistent_hash":
            seat = bench.by_key(value if whom.key is None else whom.key(value))
        else:
            seat = bench.next_in_turn() if whom.route == "round_robin" else bench.any(random)
            while seat is not None and not self.runs(seat):
                seat = bench.next_in_turn() if whom.route == "round_robin" else bench.any(random)
        return whom.whom if seat is None else seat.id


def tally(counts: Counter[str], name: str, step: int) -> None:
    """Counts one more or one less; of what is not there any more nothing is kept."""
    counts[name] += step
    if not counts[name]:
        del counts[name]


def seen(seat: Slot) -> SeatView:
    """A seat as others see it."""
    values = (seat.ref, seat.capacity, seat.reserved, seat.working, seat.since)
    return tuple.__new__(SeatView, values)  # a third of the time of SeatView(*values), twice for each piece of work
