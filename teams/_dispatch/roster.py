"""The roster: the members of the team, what each can do, and which gets work next. Values and decisions only.

Work is reserved before it is sent, so that load is what is under way and not what was counted some time ago. No choice
and no change looks at all slots: the least loaded is found in a heap for each role and each capability, the next and a
random one in a list of those that are up, the one for a key by consistent hashing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from heapq import heapify, heappop, heappush
from random import Random
from typing import Any

from actors.spi import ActorRef
from teams._dispatch.view import SlotView, TeamView
from teams._members.consistent_hash import Buckets, hashed
from teams._members.member import Member
from teams._members.role import Role
from teams._members.target import Can, Pool


class Slot:
    """One member's place: how much it may do at once and how much is reserved."""

    __slots__ = (
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
        "takes_context",
        "targets",
        "up",
        "used",
        "working",
    )

    def __init__(self, id: str, member: Member, capabilities: frozenset[str], capacity: int, number: int) -> None:
        self.id = id
        self.member = member
        self.role = member.role
        self.takes_context = member.takes_context
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
        self.targets: tuple[str | Can, ...] = (*names, *map(Can, sorted(capabilities)))
        """Every target of which work may go to this slot: ids, role, capabilities."""
        self.groups: tuple[WorkerGroup, ...] = ()
        """The group of each target."""

    @property
    def works(self) -> bool:
        """Whether it gets new work, now or when it is up again."""
        return self.ref is not None and not self.leaving

    @property
    def ready(self) -> bool:
        """Whether it gets new work now, if it has room."""
        return self.up and not self.leaving

    @property
    def free(self) -> bool:
        """Whether it may begin something now."""
        return self.up and not self.leaving and self.reserved < self.capacity


class WorkerGroup:
    """The slots of one target: an id, a role or a capability."""

    def __init__(self) -> None:
        self.slots: dict[str, Slot] = {}
        self.staying = 0
        """How many of them are not leaving."""
        self._free: list[tuple[int, int, int, Slot]] = []
        """A heap of those that are free, the least loaded first. An entry that is out of date is dropped when it is the
        first.
        """
        self._ready: list[Slot] = []
        """Those that are ready. Of these, the ones before `_turn` have had their turn in this round."""
        self._places: dict[Slot, int] = {}
        """Where each stands in `_ready`."""
        self._turn = 0
        self._buckets: Buckets | None = None
        """Made when work is first routed by a key."""
        self._slot_of: dict[int, Slot] = {}
        self._bucket_of: dict[Slot, int] = {}

    def add(self, slot: Slot) -> None:
        """Takes a slot in."""
        self.slots[slot.id] = slot
        self.staying += 1
        if len(self.slots) == 2:
            self.loaded(next(iter(self.slots.values())))  # alone, it needed no entry in the heap

    def remove(self, slot: Slot) -> None:
        """The slot is not in the team any more."""
        if self.slots.get(slot.id) is slot:
            del self.slots[slot.id]
            self.staying -= not slot.leaving
            self._forget(slot)

    def leave(self, slot: Slot) -> None:
        """The slot gets no new work from now on."""
        self.staying -= 1
        self._forget(slot)

    def _forget(self, slot: Slot) -> None:
        self._drop(slot)
        bucket = self._bucket_of.pop(slot, None)
        if bucket is not None and self._buckets is not None:
            self._buckets.remove(bucket)
            del self._slot_of[bucket]

    def moved(self, slot: Slot) -> None:
        """The slot has joined, or its member has come up or gone down."""
        if not slot.ready:
            self._drop(slot)
        elif slot not in self._places:
            self._places[slot] = len(self._ready)
            self._ready.append(slot)
        if self._buckets is not None and slot.works and slot not in self._bucket_of:
            self._hash(self._buckets, slot)
        self.loaded(slot)

    def loaded(self, slot: Slot) -> None:
        """The load of the slot is another, or it has become free. For a slot that is alone `least_loaded` looks at no
        heap.
        """
        if len(self.slots) == 1:
            return
        if len(self._free) > 4 * len(self.slots) + 16:
            self._free = [(each.reserved, each.used, each.number, each) for each in self.slots.values() if each.free]
            heapify(self._free)
        elif slot.free:
            heappush(self._free, (slot.reserved, slot.used, slot.number, slot))

    def least_loaded(self, barred: Container[str], runs: Callable[[Slot], bool]) -> Slot | None:
        """The free slot with the fewest reservations that is not `barred` and `runs`; of equals, the one that waited
        longest.
        """
        if len(self.slots) == 1:
            (only,) = self.slots.values()
            return only if only.free and only.id not in barred and runs(only) else None
        aside = []
        found = None
        while self._free and found is None:
            reserved, used, _, slot = entry = heappop(self._free)
            if self.slots.get(slot.id) is slot and slot.free and (reserved, used) == (slot.reserved, slot.used):
                aside.append(entry)
                if slot.id not in barred and runs(slot):
                    found = slot
        for entry in aside:
            heappush(self._free, entry)
        return found

    def next_in_turn(self) -> Slot | None:
        """Each of those that are ready in turn, whatever their load."""
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
        """The same slot for equal keys, whether it is up or not."""
        if self._buckets is None:
            self._buckets = Buckets()
            for slot in self.slots.values():
                if slot.works:
                    self._hash(self._buckets, slot)
        bucket = self._buckets.find(hashed(key))
        return None if bucket is None else self._slot_of[bucket]

    def _hash(self, buckets: Buckets, slot: Slot) -> None:
        bucket = buckets.add()
        self._slot_of[bucket] = slot
        self._bucket_of[slot] = bucket

    def _drop(self, slot: Slot) -> None:
        """Takes a slot out of those that are ready. Which of the others have had their turn in this round stays as it
        was.
        """
        hole = self._places.pop(slot, None)
        if hole is None:
            return
        if hole < self._turn:
            self._turn -= 1
            hole = self._fill(hole, self._turn)
        self._fill(hole, len(self._ready) - 1)
        self._ready.pop()

    def _fill(self, hole: int, place: int) -> int:
        """Moves the slot at `place` into the hole. Returns where the hole is then."""
        if place != hole:
            moved = self._ready[hole] = self._ready[place]
            self._places[moved] = hole
        return place


class Roster:
    """All members of the team, by slot."""

    def __init__(self, roles: Iterable[Role], is_up: Callable[[ActorRef[Any]], bool], view: TeamView) -> None:
        """`is_up` says whether a member runs now; `view` shows the roster to others."""
        self.roles = {role.name: role for role in roles}
        self.slots: dict[str, Slot] = {}
        self._is_up = is_up
        self._view = view
        self._groups: dict[str | Can, WorkerGroup] = {}
        self._by_member: dict[str, dict[str, Slot]] = {}
        """The slots of each member, by its id."""
        self._played: Counter[str] = Counter()
        """How many slots have each role."""
        self._otherwise: Counter[str] = Counter()
        """By the id of a member, how many of its slots have another role than one of the same name."""
        self._numbers = 0

    def add(
        self, member: Member, capacity: int, born: int = 1, *, joining: bool = False, only: str | None = None
    ) -> list[Slot]:
        """Makes the slots of a new member, or `only` one of them. They get work from `joined` on. `born` is the
        incarnation of the supervisor that starts the member.
        """
        role = self.roles.get(member.role) if member.role is not None else None
        capabilities = member.capabilities | (role.capabilities if role is not None else frozenset())
        made = []
        for spec in member.specs:
            if only not in (None, spec.id):
                continue
            self._numbers += 1
            slot = self.slots[spec.id] = Slot(spec.id, member, capabilities, capacity, self._numbers)
            slot.born, slot.joining = born, joining
            slot.groups = tuple(self._groups.setdefault(target, WorkerGroup()) for target in slot.targets)
            for group in slot.groups:
                group.add(slot)
            self._by_member.setdefault(member.id, {})[slot.id] = slot
            self._count(slot, 1)
            self._view.come(slot.targets)
            self._show(slot)
            made.append(slot)
        return made

    def came_in(self, slot: Slot) -> None:
        """No `join` waits for the slot any more."""
        slot.joining = False

    def joined(self, slot: Slot, ref: ActorRef[Any], born: int = 1) -> None:
        """The slot is taken: it may get work. `born` is the incarnation of the supervisor that started its member."""
        slot.ref, slot.born, slot.joining = ref, born, False
        slot.up = self._is_up(ref)
        self._moved(slot)

    def vacated(self, slot: Slot) -> None:
        """The place of the member has ended; its supervisor may start it anew."""
        slot.ref, slot.up = None, False
        self._moved(slot)

    def came_up(self, slot: Slot) -> None:
        """The member of the slot is up again."""
        if not slot.up and slot.ref is not None:
            slot.up = True
            self._moved(slot)

    def leave(self, slot: Slot) -> None:
        """The slot gets no new work from now on."""
        if not slot.leaving:
            for group in slot.groups:
                group.leave(slot)
            slot.leaving = True
            self._view.leave(slot.targets)

    def remove(self, slot: Slot) -> None:
        """The member has left, or has terminated."""
        if self.slots.get(slot.id) is not slot:
            return
        del self.slots[slot.id]
        for target, group in zip(slot.targets, slot.groups, strict=True):
            group.remove(slot)
            if not group.slots and self._groups.get(target) is group:
                del self._groups[target]
        same = self._by_member[slot.member.id]
        del same[slot.id]
        if not same:
            del self._by_member[slot.member.id]
        self._count(slot, -1)
        self._view.go(slot.id, () if slot.leaving else slot.targets)

    def _count(self, slot: Slot, step: int) -> None:
        if slot.role is not None:
            count_one(self._played, slot.role, step)
        if slot.role != slot.member.id:
            count_one(self._otherwise, slot.member.id, step)

    def reserve(self, slot: Slot, began: float | None) -> None:
        """One more piece of work for the slot; `began` is when it begins that, None: it is an offer."""
        self._numbers += 1
        slot.reserved += 1
        slot.used = self._numbers
        if began is not None:
            slot.working += 1
            slot.since += began
        self._loaded(slot)

    def release(self, slot: Slot, began: float | None) -> None:
        """One piece of work less; `began` is the same as when it was reserved."""
        slot.reserved -= 1
        if began is not None:
            slot.working -= 1
            slot.since = slot.since - began if slot.working else 0.0
        self._loaded(slot)

    def _loaded(self, slot: Slot) -> None:
        for group in slot.groups:
            if len(group.slots) > 1:  # alone, it is looked for in no heap
                group.loaded(slot)
        self._show(slot)

    def _moved(self, slot: Slot) -> None:
        for group in slot.groups:
            group.moved(slot)
        self._show(slot)

    def _show(self, slot: Slot) -> None:
        if self.slots.get(slot.id) is slot:
            values = (slot.ref, slot.capacity, slot.reserved, slot.working, slot.since)
            # A third of the time of SlotView(*values), twice for each piece of work.
            self._view.show(slot.id, tuple.__new__(SlotView, values))

    def of_name(self, id: str) -> list[Slot]:
        """The slots of a member, or one slot, by id."""
        found = dict(self._by_member.get(id, {}))
        if id in self.slots:
            found[id] = self.slots[id]
        return list(found.values())

    def able(self, target: str | Can) -> Iterator[Slot]:
        """The slots of a target, free or not, and those about to join."""
        group = self._groups.get(target)
        return (slot for slot in group.slots.values() if not slot.leaving) if group is not None else iter(())

    def knows(self, target: str | Can) -> bool:
        """Whether the team has a member of this id, role or capability."""
        group = self._groups.get(target)
        return group is not None and group.staying > 0

    def ambiguous(self, member: Member) -> str | None:
        """The name that could mean a role or a single member once this member is here; None: no name could."""
        if member.id != member.role and (member.id in self.roles or self._played[member.id] > 0):
            return member.id
        return member.role if member.role is not None and self._otherwise[member.role] > 0 else None

    def full(self, name: str | None, more: int) -> int | None:
        """The limit of a role that has no room for so many more; None: there is room."""
        role = self.roles.get(name) if name is not None else None
        if role is None or role.max_members is None:
            return None
        return role.max_members if self._played[role.name] + more > role.max_members else None

    def free(self, target: str | Can, barred: Container[str] = ()) -> Slot | None:
        """The slot that gets work for a target: free, up and not `barred`; the least loaded of these."""
        group = self._groups.get(target)
        return None if group is None else group.least_loaded(barred, self.runs)

    def runs(self, slot: Slot) -> bool:
        """Whether the member of the slot is up. A member that proves to be down gets nothing until `came_up`."""
        if slot.ref is not None and self._is_up(slot.ref):
            return True
        if slot.up:
            slot.up = False
            self._moved(slot)
        return False

    def routed(self, pool: Pool, value: object, random: Random) -> str | Can:
        """The target of work for a pool: one slot of it, chosen now; or the whole pool, if it looks at the load or no
        slot is up. Then the first slot that is free, or up again, takes the work.
        """
        group = self._groups.get(pool.target)
        if group is None or pool.route == "least_loaded":
            return pool.target
        if pool.route == "consistent_hash":
            slot = group.by_key(value if pool.key is None else pool.key(value))
        else:
            slot = group.next_in_turn() if pool.route == "round_robin" else group.any(random)
            while slot is not None and not self.runs(slot):
                slot = group.next_in_turn() if pool.route == "round_robin" else group.any(random)
        return pool.target if slot is None else slot.id


def count_one(counts: Counter[str], name: str, step: int) -> None:
    """Counts one more or one less. A name that is counted down to 0 is forgotten."""
    counts[name] += step
    if not counts[name]:
        del counts[name]
