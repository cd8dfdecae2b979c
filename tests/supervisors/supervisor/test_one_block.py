"""What `start()` returns, and a `Runtime`, is for one block: a second one is an error at once, and not a wait."""

from __future__ import annotations

from typing import Any

import pytest

from actors import AlreadyEntered, Runtime
from supervisors import start
from tests.supervisors.cast import Play, worker
from tests.support import in_loop

SILENT: dict[str, Any] = {"log": False, "watchdog": None}


def a_start(runtime: Runtime | None = None) -> Any:
    """A start of one worker."""
    return start(worker(Play(), "a"), runtime, **({} if runtime else SILENT))


def test_a_start_is_refused_a_second_with_block() -> None:
    """After the first, and within it; the error says what to do."""
    with Runtime(**SILENT) as runtime:
        for again in (a_start(), a_start(runtime)):
            with again as root:
                with pytest.raises(AlreadyEntered), again:
                    pass
                assert root.is_alive()
            assert not root.is_alive()
            with pytest.raises(AlreadyEntered, match=r"start\(\) of 'root' .* call start\(\) again"), again:
                pass


@in_loop
async def test_a_start_is_refused_a_second_async_with_block() -> None:
    """The same on the running loop."""
    async with Runtime(**SILENT) as runtime:
        for again in (a_start(), a_start(runtime)):
            async with again as root:
                with pytest.raises(AlreadyEntered):
                    await again.__aenter__()
                assert root.is_alive()
            assert not root.is_alive()
            with pytest.raises(RuntimeError, match=r"call start\(\) again"):
                await again.__aenter__()


def test_a_runtime_is_refused_a_second_with_block() -> None:
    """After the first, and within it."""
    runtime = Runtime("mine", **SILENT)
    with runtime:
        with pytest.raises(AlreadyEntered), runtime:
            pass
        assert runtime.running
    with pytest.raises(AlreadyEntered, match=r"runtime 'mine' .* call Runtime\(\) again"), runtime:
        pass
    with pytest.raises(AlreadyEntered):
        a_start(runtime).runtime.__enter__()


@in_loop
async def test_a_runtime_is_refused_a_second_async_with_block() -> None:
    """The same on the running loop."""
    runtime = Runtime(**SILENT)
    async with runtime:
        with pytest.raises(AlreadyEntered):
            await runtime.__aenter__()
        assert runtime.running
    with pytest.raises(AlreadyEntered):
        await runtime.__aenter__()
    assert not runtime.running
