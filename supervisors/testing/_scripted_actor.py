"""An actor that behaves as its script says: the workers of generated trees."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal, NamedTuple

from actors.spi import Actor, handles
from actors.testing.spi import IgnoreStart

Act = Literal["work", "nap", "crash", "finish", "healthy"]
StartBehavior = Literal["up", "fail", "decline", "slow"]
StopBehavior = Literal["prompt", "slow", "fail", "never"]

NAP = 0.5
"""Seconds that `nap`, a slow start and a slow stop take."""


class Perform(NamedTuple):
    """Asks a scripted actor to do something."""

    act: Act


class ScriptedFailure(Exception):
    """The exception of a scripted actor that is told to fail."""


class ScriptedActor(Actor):
    """Crashes, naps, ends, declines and fails to start or stop as it is told."""

    def __init__(self, starts: Sequence[StartBehavior] = (), stop: StopBehavior = "prompt") -> None:
        """`starts`: how the first incarnations start, those after them come up; `stop`: how every incarnation ends."""
        super().__init__()
        self.starts = starts
        self.ending = stop

    async def on_start(self) -> None:  # type: ignore[override]  # pykka declares it plain
        number = self.incarnation - 1
        match self.starts[number] if number < len(self.starts) else "up":
            case "fail":
                raise ScriptedFailure(f"{self.path} was told to fail in start {number + 1}")
            case "decline":
                raise IgnoreStart
            case "slow":
                await asyncio.sleep(NAP)

    async def on_stop(self) -> None:  # type: ignore[override]
        match self.ending:
            case "slow":
                await asyncio.sleep(NAP)
            case "fail":
                raise ScriptedFailure(f"{self.path} was told to fail when it stops")
            case "never":
                await asyncio.get_running_loop().create_future()

    @handles
    async def perform(self, message: Perform) -> str:
        match message.act:
            case "nap":
                await asyncio.sleep(NAP)
            case "crash":
                raise ScriptedFailure(f"{self.path} was told to crash")
            case "finish":
                self.stop()
            case "healthy":
                self.healthy()
        return message.act
