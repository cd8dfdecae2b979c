"""Interrupts: exceptions that are thrown into code to end it, as against those that it raises."""

from __future__ import annotations

import asyncio
from typing import Any


def is_interrupt(error: BaseException, task: asyncio.Task[Any] | None) -> bool:
    """Whether `error` was thrown into the code of `task` from outside: by its cancellation, or by closing it.

    Everything else, `KeyboardInterrupt` included, was raised by the code and is its failure. If it left the task, it
    would end the event loop with all actors on it.
    """
    if isinstance(error, asyncio.CancelledError):
        return task is None or task.cancelling() > 0
    return isinstance(error, GeneratorExit) and (task is None or asyncio.current_task(task.get_loop()) is not task)
