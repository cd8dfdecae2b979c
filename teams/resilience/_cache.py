"""Remembering answers, and asking only once at a time.

| the key of a call is | then |
|----------------------|------|
| remembered           | the answer is the one remembered |
| not known            | the call is made: it is the flight of its key |
| in flight            | the call waits for the flight, and its answer is the flight's |
| that of the flight the call is inside of | it is an error: the call would wait for itself |

A flight that fails or is cancelled concerns only the one whose call it was: the first who waits makes the next one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple

from actors.spi import Clock
from supervisors.spi import Positive, Seconds, builder, checked
from teams.resilience._fields import ResultFunction
from teams.resilience._policy import Call, Local, Policy, PolicyOptions
from teams.resilience.errors import CallsItself, WrongCall

_NOTHING = object()


class CacheOptions(PolicyOptions):
    """The options of `cache`."""

    ttl: Seconds
    max_size: Positive
    key: ResultFunction | None


class Answers:
    """Answers, each for a time, the least recently used forgotten first. Times are seconds, passed in."""

    def __init__(self, ttl: float, max_size: int) -> None:
        self._ttl = ttl
        self._max_size = max_size
        self._answers: OrderedDict[Hashable, tuple[float, object]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, key: Hashable, now: float, default: object) -> object:
        """The answer, or `default`."""
        found = self._answers.get(key)
        if found is None:
            return default
        until, answer = found
        if now >= until:
            del self._answers[key]
            return default
        self._answers.move_to_end(key)
        return answer

    def keep(self, key: Hashable, answer: object, now: float) -> None:
        """Remembers an answer from now on."""
        if key not in self._answers and len(self._answers) >= self._max_size:
            self._answers.popitem(last=False)
        self._answers[key] = (now + self._ttl, answer)
        self._answers.move_to_end(key)

    def clear(self) -> None:
        """Forgets all."""
        self._answers.clear()


class Flight:
    """A call under way, and the callers that wait for it."""

    def __init__(self) -> None:
        self.task = asyncio.current_task()
        self.landed = asyncio.Event()
        self.answer: object = _NOTHING


class CacheStatistics(NamedTuple):
    """Counters of a cache, which only grow, and its size."""

    hits: int
    """Calls answered by a remembered answer, or by the flight of another call."""
    misses: int
    """Calls that were made."""
    size: int


class _Memory:
    """The answers of a cache."""

    def __init__(self, options: CacheOptions, clock: Clock) -> None:
        self.answers = Answers(options.ttl, options.max_size)
        self.flights: dict[Hashable, Flight] = {}
        self.clock = clock
        self.hits = 0
        self.misses = 0


class Cache(Policy):
    """Made by `cache`."""

    once = True

    def __init__(self, options: CacheOptions) -> None:
        self.options: CacheOptions = options
        self._local = Local(repr(self), lambda clock: _Memory(options, clock))

    @property
    def statistics(self) -> CacheStatistics:
        """The counters of its calls so far."""
        memory = self._local.state
        return CacheStatistics(0, 0, 0) if memory is None else _statistics(memory)

    def clear(self) -> None:
        """Forgets every answer. Calls under way are not remembered, and no further call joins them."""
        memory = self._local.state
        if memory is not None:
            memory.answers.clear()
            memory.flights.clear()

    async def through(self, call: Call) -> object:
        memory = self._local.get()
        key = self._key(call)
        while True:
            answer = memory.answers.find(key, memory.clock.now(), _NOTHING)
            if answer is _NOTHING:
                flight = memory.flights.get(key)
                if flight is None:
                    return await self._fly(memory, key, call)
                if flight.task is not None and flight.task is asyncio.current_task():
                    raise CallsItself(call.label, repr(self))
                await flight.landed.wait()
                answer = flight.answer
            if answer is not _NOTHING:
                memory.hits += 1
                return answer

    async def _fly(self, memory: _Memory, key: Hashable, call: Call) -> object:
        flight = memory.flights[key] = Flight()
        memory.misses += 1
        try:
            answer = flight.answer = await call.proceed()
            if memory.flights.get(key) is flight:  # the cache was not cleared meanwhile
                memory.answers.keep(key, answer, memory.clock.now())
            return answer
        finally:
            if memory.flights.get(key) is flight:
                del memory.flights[key]
            flight.landed.set()

    def _key(self, call: Call) -> Hashable:
        """Of the function and its arguments; 1, 1.0 and True are different arguments."""
        if self.options.key is not None:
            key = (call.function, self.options.key(*call.args, **call.kwargs))
        else:
            named = tuple(sorted(call.kwargs.items()))
            kinds = tuple(type(each) for each in (*call.args, *(value for _, value in named)))
            key = (call.function, (*call.args, *named, kinds))
        try:
            hash(key)
        except TypeError as error:
            raise WrongCall(
                call.label, f"cache() cannot tell its calls apart ({error}); give it a `key` function"
            ) from None
        return key


def _statistics(memory: _Memory) -> CacheStatistics:
    return CacheStatistics(memory.hits, memory.misses, len(memory.answers))


@builder("cache()")
def cache(ttl: float, *, max_size: int = 1024, key: Callable[..., Hashable] | None = None) -> Cache:
    """Remembers the answer of each call for `ttl` seconds, and makes no two calls with one key at the same time.

    Failures are not remembered, and reach only the caller that made the call.

    A call inside another one with the same key would wait for itself: an error at once, but only in one task. One that
    the outer call waits for in a further task (`asyncio.gather`, `wait_for`), or in another actor, is not seen, and
    waits until it is cancelled.

    Args:
        ttl: seconds an answer is good for, from when it came
        max_size: how many answers are remembered at most; the least recently used goes first
        key: gets the arguments of a call and returns what tells it from others, something hashable; the default takes
            all arguments. Calls of different functions are different in any case

    Raises:
        SpecError: at once, with everything that is wrong with the arguments
        WrongCall: from the call, the key is not hashable
        CallsItself: from the call, it is made inside the call that its answer would come from
    """
    return Cache(checked(CacheOptions, "cache()", {"ttl": ttl, "max_size": max_size, "key": key}))
