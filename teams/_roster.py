"""The roster: who is in the team, who can do what, and who is the next to get work. Values and decisions only.

Work is reserved before it is sent, so that load is what is under way and not what was counted some time ago. Whoever
has the fewest reservations is found in a heap for each role and each capability: a choice costs the logarithm of the
number of those that can, not their number.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from random import Random
from typing import Any

from teams._actors import ActorRef
from teams._member import Member
from teams._role import Role
from teams._target import Can, Pool, Whom


class Seat:
    """One member's place: how much it may do at once and how much is reserved."""

    __slots__ = (
        "benches",
        "capabilities",
        "capacity",
        "groups",
        "id",
        "leaving",
        "member",
        "number",
        "ref",
        "reserved",
        "role",
        "used",
    )

    def __init__(self, id: str, member: Member, capabilities: frozenset[str], capacity: int, number: int) -> None:
        self.id = id
        self.member = member
        self.role = member.role
        self.capabilities = capabilities
        self.capacity = capacity
        self.number = number
        self.ref: ActorRef[Any] | None = None
        """None while it is joining."""
        self.reserved = 0
        self.used = 0
        """When it last got work, as a number that grows: among equals the one that waited longest is next."""
        self.leaving = False
        names = dict.fromkeys([id, member.id, *([member.role] if member.role is not None else [])])
        self.groups: tuple[str | Can, ...] = (*names, *map(Can, sorted(capabilities)))
        """All that work may be addressed to and this seat can do."""
        self.benches: tuple[Bench, ...] = ()
        """The bench of each group."""

    @property
    def works(self) -> bool:
        """Whether it gets new work."""
        return self.ref is not None and not self.leaving

    @property
    def free(self) -> bool:
        """Whether it may begin something now."""
        return self.reserved < self.capacity and self.works


class Bench:
    """The seats of one role or with one capability."""

    def __init__(self) -> None:
        self.seats: dict[str, Seat] = {}
        self._turn = 0
        self._free: list[tuple[int, int, int, Seat]] = []
        """A heap of those that are free, the least loaded first. An entry that no longer tells the truth is dropped
        when it comes up.
        """

    def changed(self, seat: Seat) -> None:
        """The seat has come, or its load is another."""
        if len(self._free) > 4 * len(self.seats) + 16:
            self._free = [(each.reserved, each.used, each.number, each) for each in self.seats.values() if each.free]
            heapify(self._free)
        elif seat.free:
            heappush(self._free, (seat.reserved, seat.used, seat.number, seat))

    def least_loaded(self, wanted: Callable[[Seat], bool]) -> Seat | None:
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

    def round_robin(self) -> Seat | None:
        """One after another, whatever their load."""
        working = [seat for seat in self.seats.values() if seat.works]
        if not working:
            return None
        self._turn += 1
        return working[(self._turn - 1) % len(working)]

    def any(self, random: Random) -> Seat | None:
        """Any one, with equal chance."""
        working = [seat for seat in self.seats.values() if seat.works]
        return working[random.randrange(len(working))] if working else None

    def by_key(self, key: object) -> Seat | None:
        """The same one for equal keys (rendezvous hashing: the highest CRC-32 of key and seat together)."""
        working = (seat for seat in self.seats.values() if seat.works)
        return max(working, key=lambda seat: (zlib.crc32(f"{key!r} {seat.id}".encode()), seat.id), default=None)


class Roster:
    """Everybody in the team."""

    def __init__(self, roles: Iterable[Role]) -> None:
        self.roles = {role.name: role for role in roles}
        self.seats: dict[str, Seat] = {}
        self._benches: dict[str | Can, Bench] = {}
        self._numbers = 0

    def add(self, member: Member, capacity: int) -> list[Seat]:
        """Seats for a new member, who gets work once it has joined (`joined`)."""
        role = self.roles.get(member.role) if member.role is not None else None
        capabilities = member.capabilities | (role.capabilities if role is not None else frozenset())
        made = []
        for spec in member.specs:
            self._numbers += 1
            seat = self.seats[spec.id] = Seat(spec.id, member, capabilities, capacity, self._numbers)
            seat.benches = tuple(self._benches.setdefault(group, Bench()) for group in seat.groups)
            for bench in seat.benches:
                bench.seats[seat.id] = seat
            made.append(seat)
        return made

    def joined(self, seat: Seat, ref: ActorRef[Any]) -> None:
        """The seat is taken: it may get work."""
        seat.ref = ref
        self._changed(seat)

    def remove(self, seat: Seat) -> None:
        """The member has left, or is gone."""
        if self.seats.get(seat.id) is seat:
            del self.seats[seat.id]
        for group in seat.groups:
            bench = self._benches.get(group)
            if bench is not None and bench.seats.get(seat.id) is seat:
                del bench.seats[seat.id]
                if not bench.seats:
                    del self._benches[group]

    def reserve(self, seat: Seat) -> None:
        """One more piece of work for it."""
        self._numbers += 1
        seat.reserved += 1
        seat.used = self._numbers
        self._changed(seat)

    def release(self, seat: Seat) -> None:
        """One less."""
        seat.reserved -= 1
        self._changed(seat)

    def _changed(self, seat: Seat) -> None:
        for bench in seat.benches:
            bench.changed(seat)

    def able(self, whom: str | Can) -> list[Seat]:
        """Those that can do what is addressed so, free or not, and those about to join."""
        bench = self._benches.get(whom)
        return [seat for seat in bench.seats.values() if not seat.leaving] if bench is not None else []

    def knows(self, whom: str | Can) -> bool:
        """Whether there is anybody who can do what is addressed so."""
        bench = self._benches.get(whom)
        return bench is not None and any(not seat.leaving for seat in bench.seats.values())

    def ambiguous(self, member: Member) -> str | None:
        """The name that could mean a role or a single member once this one is here; None: there is none."""
        played = {*self.roles, *(seat.role for seat in self.seats.values())}
        if member.id in played and member.id != member.role:
            return member.id
        clash = any(seat.member.id == member.role != seat.role for seat in self.seats.values())
        return member.role if clash else None

    def full(self, name: str | None, more: int) -> int | None:
        """The limit of a role that has no room for so many more; None: there is room."""
        role = self.roles.get(name) if name is not None else None
        if role is None or role.max_members is None:
            return None
        taken = sum(seat.role == name for seat in self.seats.values())
        return role.max_members if taken + more > role.max_members else None

    def free(self, whom: str | Can, wanted: Callable[[Seat], bool], preferred: Callable[[Seat], bool]) -> Seat | None:
        """Who gets work addressed so: free, `wanted`, and `preferred` where there is a choice."""
        bench = self._benches.get(whom)
        if bench is None:
            return None
        return bench.least_loaded(lambda seat: wanted(seat) and preferred(seat)) or bench.least_loaded(wanted)

    def routed(self, whom: Whom, value: object, random: Random) -> str | Can:
        """Whom work is addressed to: for a pool that does not look at the load, one seat of it, chosen now."""
        if not isinstance(whom, Pool):
            return whom
        bench = self._benches.get(whom.whom)
        seat: Seat | None = None
        if bench is not None:
            match whom.route:
                case "round_robin":
                    seat = bench.round_robin()
                case "random":
                    seat = bench.any(random)
                case "consistent_hash":
                    seat = bench.by_key(value if whom.key is None else whom.key(value))
                case "least_loaded":
                    seat = None
        return whom.whom if seat is None else seat.id
