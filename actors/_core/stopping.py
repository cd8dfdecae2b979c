"""The order to stop, as code asks for it that no cancellation can reach: a plain function in a thread."""

from __future__ import annotations

from queue import Full

from actors._core.clock import check_timeout
from actors._core.current import current_cell
from actors._core.future import Future, refuse_on_loop
from actors._core.possessions import is_ending
from actors.errors import NotInRuntime


def stop_requested() -> bool:
    """Whether the actor whose code this is was told to stop, ends or has ended. False outside of actors.

    In any thread. A handler, hook or function that takes long asks it now and then, and returns when it is True: after
    the `shutdown` of the spec its thread is left behind.
    """
    cell = current_cell()
    return cell is not None and is_ending(cell)


def wait_for_stop(seconds: float | None = None) -> bool:
    """Blocks the thread for so many seconds, or until the actor whose code this is was told to stop, ends or has ended.
    Returns whether it was: `while not wait_for_stop(5): poll()`.

    None: without a limit. A simulation decides how long the seconds are. In `async` code use `await sleep(seconds)`,
    which the stop cancels.

    Raises:
        NotInRuntime: outside of actors, where no order to stop can come
        BlockingCallError: on a thread that runs an event loop
        ValueError: `seconds` is neither None nor a number >= 0
    """
    check_timeout(seconds, "wait_for_stop()")
    cell = current_cell()
    if cell is None:
        raise NotInRuntime("wait_for_stop()", "call it in code of an actor, such as a function that is a child")
    refuse_on_loop("wait_for_stop()", "`await actors.sleep(seconds)`")
    if is_ending(cell):
        return True
    told: Future[None] = Future(cell.runtime.park)

    def tell() -> None:
        if not told.done():
            try:
                told.set(None)
            except Full:
                return  # it was told in another thread meanwhile

    forget = cell.possess().when_told(tell)
    try:
        return cell.runtime.park(told, seconds) or is_ending(cell)
    finally:
        forget()
