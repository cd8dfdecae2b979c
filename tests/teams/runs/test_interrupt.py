"""What is thrown into code to end it, and what the code raised itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from teams._runs.interrupt import is_interrupt
from tests.support import in_loop


async def _waits(task: asyncio.Task[Any] | None, seen: list[bool]) -> None:
    try:
        await asyncio.Event().wait()
    except BaseException as error:
        seen.append(is_interrupt(error, task))
        raise


@in_loop
async def test_code_that_is_closed_or_cancelled_is_interrupted() -> None:
    """Guards the end of a run: code that went on after it was closed or cancelled would never end."""
    seen: list[bool] = []
    closed = _waits(asyncio.ensure_future(asyncio.sleep(0)), seen)
    closed.send(None)
    closed.close()
    cancelled = asyncio.ensure_future(_cancelled(seen))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert seen == [True, True]


async def _cancelled(seen: list[bool]) -> None:
    await _waits(asyncio.current_task(), seen)


@pytest.mark.parametrize("kind", [GeneratorExit, asyncio.CancelledError, KeyboardInterrupt, SystemExit, ValueError])
@in_loop
async def test_what_code_raises_itself_is_not_an_interrupt(kind: type[BaseException]) -> None:
    """Guards the loop: what a step raises is the failure of that step, whatever it is."""
    with pytest.raises(kind) as raised:
        raise kind
    assert not is_interrupt(raised.value, asyncio.current_task())
