"""Interrupts: what is thrown into code to end it, told apart from what the code raised."""

from __future__ import annotations

import asyncio
from typing import Any


def is_interrupt(error: BaseException, task: asyncio.Task[Any] | None) -> bool:
    """Whether `error` was thrown into the code of `task` from outside: by its cancellation, or by closing it.

    Anything else was raised by what the code called, and is a failure of that, were it a `KeyboardInterrupt`: past the
    task it would end the event loop, and with it everybody on it.
    """
    if isinstance(error, asyncio.CancelledError):
        return task is None or task.cancelling() > 0
    return isinstance(error, GeneratorExit) and (task is None or asyncio.current_task(task.get_loop()) is not task)
