"""The items of a pipeline: the state that outlives crashes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from teams._dispatch.gather import Failed
from teams._runs.context import RunContext
from teams._runs.interrupt import is_interrupt
from teams.errors import SourceFailed, SourceLost

END = object()
"""Comes after the last item."""


class FlowItem:
    """One item on its way: the stage it is before or in, and what it is by now."""

    __slots__ = ("index", "stage", "value")

    def __init__(self, index: int, value: object) -> None:
        self.index = index
        self.stage = 0
        self.value = value


class Flow:
    """Items that were read, are on their way, and have come out."""

    def __init__(self, source: object) -> None:
        self.single = is_single(source)
        self._source: Any = [source] if self.single else source
        self._iterator: Iterator[object] | AsyncIterator[object] | None = None
        self._reading = False
        self.read = 0
        self.items: dict[int, FlowItem] = {}
        """Those on their way, by their number."""
        self.results: dict[int, object] = {}

    def partial(self) -> Mapping[str, object]:
        """The results there are, by the number of their item."""
        return {str(index): each for index, each in self.results.items() if not isinstance(each, Failed)}

    def waiting(self, stage: int) -> list[FlowItem]:
        """The items that are before this stage, or were in it, in order."""
        return sorted((each for each in self.items.values() if each.stage == stage), key=lambda each: each.index)

    def finished(self, item: FlowItem, result: object) -> None:
        """The item has come out."""
        del self.items[item.index]
        self.results[item.index] = result

    def result(self) -> object:
        """The results so far, in the order of the items."""
        if self.single:
            return self.results[0]
        return [self.results[index] for index in range(self.read)]

    async def next(self, run: RunContext) -> FlowItem | None:
        """Reads an item; None: that was all. Raises SourceLost, SourceFailed."""
        if self._iterator is None or self._reading:
            await self._begin(run)
        iterator, task = self._iterator, asyncio.current_task()
        self._reading = True
        try:
            if isinstance(iterator, AsyncIterator):
                value = await anext(iterator, END)
            else:
                assert iterator is not None
                value = next(iterator, END)
        except BaseException as error:
            if is_interrupt(error, task):
                raise
            raise SourceFailed(run.run, run.path, self.read, error) from error
        self._reading = False
        if value is END:
            return None
        item = self.items[self.read] = FlowItem(self.read, value)
        self.read += 1
        return item

    async def _begin(self, run: RunContext) -> None:
        """Begins to read, for the first time, or anew when the last reading was cut off."""
        again, task = self._iterator is not None, asyncio.current_task()
        try:
            iterator = iter(self._source) if isinstance(self._source, Iterable) else aiter(self._source)
            if again and iterator is self._source:
                raise SourceLost(run.run, run.path, self.read)
            if isinstance(iterator, AsyncIterator):
                for _ in range(self.read):
                    await anext(iterator, END)
            else:
                for _ in range(self.read):
                    next(iterator, END)
        except SourceLost:
            raise
        except BaseException as error:
            if is_interrupt(error, task):
                raise
            raise SourceFailed(run.run, run.path, self.read, error) from error
        self._iterator, self._reading = iterator, False


def is_single(value: object) -> bool:
    """Whether this is one item and not a collection: a string, bytes, a mapping and a record are one."""
    if isinstance(value, str | bytes | bytearray | Mapping | BaseModel) or hasattr(value, "_fields"):
        return True
    return not isinstance(value, Iterable | AsyncIterable)
