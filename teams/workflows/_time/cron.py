"""The slots of a schedule: the instants at which it starts runs. Pure; times are UTC microseconds since the epoch.

A cron expression is read on the clock on the wall of its zone. Where that is set forward or back:

    minute and hour both named ("30 2 * * *")      a time that does not exist moves to the next instant that does, a
                                                   time that is there twice counts once, the first time
    one of them a star ("*/15 * * * *", "0 * ...") each time that the clock shows counts, so hours stay hours
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from actors.spi import needs_extra

if TYPE_CHECKING:
    from cronsim import CronSim

SECOND = 1_000_000
DAY = 86_400 * SECOND
FIELDS = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)
_WINDOW = 60 * SECOND
"""The first look back for the last slots before a time; each further one is twice as long."""


class Timing(Protocol):
    """Which instants are slots."""

    def after(self, at: int) -> Iterator[int]:
        """The slots after this time, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Interval:
    """A slot every so often, counted from the epoch, so that all processes agree."""

    interval: int
    """Microseconds."""

    def after(self, at: int) -> Iterator[int]:
        """The slots after this time, in order."""
        return itertools.count((at // self.interval + 1) * self.interval, self.interval)


@dataclass(frozen=True, slots=True)
class Cron:
    """The slots of a cron expression of five fields, in a zone. Made by `cron()`."""

    expression: str
    zone: ZoneInfo

    def after(self, at: int) -> Iterator[int]:
        """The slots after this time, in order."""
        minute, hour = self.expression.split()[:2]
        found = self._by_instant(at) if "*" in (minute[0], hour[0]) else self._by_name(at)
        try:
            yield from found
        except (OverflowError, ValueError):  # the last year of the calendar
            return

    def _by_name(self, at: int) -> Iterator[int]:
        """Each time that is named is one slot: the first instant at which the clock shows it or a later one."""
        last = at
        for wanted in _matches(self.expression, self._shown(at)):
            slot = self._first_instant(wanted)
            if slot > last:
                last = slot
                yield slot

    def _first_instant(self, wanted: datetime) -> int:
        moment = wanted.replace(tzinfo=self.zone, fold=0).astimezone(UTC)
        if moment.astimezone(self.zone).replace(tzinfo=None) == wanted:
            return _micros(moment)
        # The clock jumps over it: with the offset from before the jump it lies after it, with the other one before.
        later = wanted.replace(tzinfo=self.zone, fold=0).astimezone(UTC)
        earlier = wanted.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        return _micros(self._change(min(earlier, later), max(earlier, later)))

    def _by_instant(self, at: int) -> Iterator[int]:
        """Each instant at which the clock shows a time that fits is a slot. Between two changes of the clock, the
        times that it shows are as far apart as the instants.
        """
        moment = _EPOCH + timedelta(microseconds=at)
        while True:
            offset = self._offset(moment)
            change: datetime | None = None
            looked = moment
            for wanted in _matches(self.expression, (moment + offset).replace(tzinfo=None)):
                slot = wanted.replace(tzinfo=UTC) - offset
                change = self._next_change(looked, slot)
                if change is not None:
                    break
                looked = slot
                yield _micros(slot)
            if change is None:
                return
            shown = (change + self._offset(change)).replace(tzinfo=None)
            if next(_matches(self.expression, shown - _SECOND), None) == shown:
                yield _micros(change)
            moment = change

    def _shown(self, at: int) -> datetime:
        return (_EPOCH + timedelta(microseconds=at)).astimezone(self.zone).replace(tzinfo=None)

    def _offset(self, moment: datetime) -> timedelta:
        offset = moment.astimezone(self.zone).utcoffset()
        assert offset is not None
        return offset

    def _next_change(self, moment: datetime, until: datetime) -> datetime | None:
        """The first instant after `moment`, and not after `until`, at which the clock is set. None: it is not set."""
        before = self._offset(moment)
        while moment < until:
            step = min(moment + _DAY, until)
            if self._offset(step) != before:
                return self._change(moment, step)
            moment = step
        return None

    def _change(self, before: datetime, after: datetime) -> datetime:
        """The instant, to the second, at which the offset of `before` ends. It is over at `after`."""
        offset = self._offset(before)
        low, high = 0, int((after - before) / _SECOND) + 1
        while high - low > 1:
            middle = (low + high) // 2
            if self._offset(before + middle * _SECOND) == offset:
                low = middle
            else:
                high = middle
        return (before + high * _SECOND).replace(microsecond=0)


def cron(expression: str, zone: ZoneInfo) -> Cron:
    """The slots of an expression. Raises ValueError, whose text says what is wrong, and MissingExtra without
    the extra `workflows`.
    """
    if len(expression.split()) != FIELDS:
        raise ValueError("it must have five fields: minute, hour, day of the month, month, day of the week")
    with needs_extra():
        from cronsim import CronSimError

    found = Cron(" ".join(expression.split()), zone)
    try:
        first = next(_matches(found.expression, datetime(2000, 1, 1)), None)  # noqa: DTZ001 - a time on the wall
    except CronSimError as error:
        raise ValueError(str(error)) from None
    if first is None:
        raise ValueError("no day fits it")
    return found


def _matches(expression: str, after: datetime) -> Iterator[datetime]:
    """The times on a clock that is never set, after this one, that fit the expression."""
    with needs_extra():
        from cronsim import CronSim

    times: CronSim = CronSim(expression, after)
    return iter(times)


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def between(timing: Timing, after: int, until: int) -> Iterator[int]:
    """The slots after a time and not after another."""
    return itertools.takewhile(lambda slot: slot <= until, timing.after(after))


def last_between(timing: Timing, after: int, until: int, count: int) -> tuple[int, ...]:
    """The last `count` of them, in order. It takes as long as these do, however far back `after` is."""
    window = _WINDOW
    while True:
        begin = max(after, until - window)
        found = deque(between(timing, begin, until), maxlen=count)
        if len(found) == count or begin == after:
            return tuple(found)
        window *= 2


def iso(at: int) -> str:
    """A time in UTC, as ISO 8601 writes it: to the second, or with as many digits as it needs."""
    moment = _EPOCH + timedelta(microseconds=at)
    return moment.isoformat(timespec="auto").replace("+00:00", "Z")
