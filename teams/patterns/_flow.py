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
        task = asyncio.current_task()
        try:
            if self._iterator is None or self._reading:
                self._iterator = await self._begun(run)
            self._reading = True
            value = await _next(self._iterator)
        except SourceLost:
            raise
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

    async def _begun(self, run: RunContext) -> Iterator[object] | AsyncIterator[object]:
        """The source, to be read for the first time, or anew when the last reading was cut off."""
        iterator = iter(self._source) if isinstance(self._source, Iterable) else aiter(self._source)
        if self._iterator is not None and iterator is self._source:
            raise SourceLost(run.run, run.path, self.read)
        for _ in range(self.read):
            await _next(iterator)
        return iterator


async def _next(iterator: Iterator[object] | AsyncIterator[object]) -> object:
    """The next item of the source, or END."""
    return await anext(iterator, END) if isinstance(iterator, AsyncIterator) else next(iterator, END)


def is_single(value: object) -> bool:
    """Whether this is one item and not a collection: a string, bytes, a mapping and a record are one."""
    if isinstance(value, str | bytes | bytearray | Mapping | BaseModel) or hasattr(value, "_fields"):
        return True
    return not isinstance(value, Iterable | AsyncIterable)
