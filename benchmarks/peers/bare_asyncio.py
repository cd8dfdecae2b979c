"""Bare asyncio: what a queue and a task cost by themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping

from benchmarks import _measure
from benchmarks._works import AUDIENCE, BREATH, CHAIN, RING_SIZE, SENDERS, SIBLINGS, STAGES, Figures, Measure

Question = tuple[object, asyncio.Future[object]]
Box = asyncio.Queue[object]


def _blocking(work: Callable[[int], Coroutine[object, object, Figures]]) -> Measure:
    return lambda size: asyncio.run(work(size))


async def _count(box: Box, expected: int, done: asyncio.Event) -> None:
    for _ in range(expected):
        await box.get()
    done.set()


async def _echo(box: asyncio.Queue[Question | None]) -> None:
    """Answer until crashed, which is what None asks for."""
    while True:
        question = await box.get()
        if question is None:
            raise ValueError("crash")
        value, answer = question
        answer.set_result(value)


async def _call_one(box: asyncio.Queue[Question | None], value: object) -> object:
    answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    box.put_nowait((value, answer))
    return await answer


async def _supervise(run: Callable[[], Awaitable[None]], decided: Callable[[], None]) -> None:
    """A supervisor as it is written by hand: start again whatever crashed, at once and for ever."""
    while True:
        try:
            await asyncio.ensure_future(run())
        except ValueError:
            decided()


async def _tell(size: int) -> Figures:
    box: Box = asyncio.Queue()
    done = asyncio.Event()
    task = asyncio.create_task(_count(box, size, done))
    started = time.perf_counter()
    for number in range(size):
        box.put_nowait(number)
        if not number % BREATH:
            await asyncio.sleep(0)
    await done.wait()
    figures = _measure.rate(size, started)
    await task
    return figures


async def _call(size: int) -> Figures:
    box: asyncio.Queue[Question | None] = asyncio.Queue()
    task = asyncio.create_task(_echo(box))
    started = time.perf_counter()
    for number in range(size):
        await _call_one(box, number)
    figures = _measure.rate(size, started)
    task.cancel()
    return figures


async def _ask(size: int) -> Figures:
    box: asyncio.Queue[Question | None] = asyncio.Queue()
    task = asyncio.create_task(_echo(box))
    loop = asyncio.get_running_loop()

    def run() -> Figures:
        started = time.perf_counter()
        for number in range(size):
            asyncio.run_coroutine_threadsafe(_call_one(box, number), loop).result()
        return _measure.rate(size, started)

    figures = await asyncio.to_thread(run)
    task.cancel()
    return figures


async def _hop(box: asyncio.Queue[int], following: asyncio.Queue[int], done: asyncio.Event) -> None:
    while True:
        token = await box.get()
        if not token:
            done.set()
        else:
            following.put_nowait(token - 1)


async def _ring(size: int) -> Figures:
    boxes: list[asyncio.Queue[int]] = [asyncio.Queue() for _ in range(RING_SIZE)]
    done = asyncio.Event()
    pairs = zip(boxes, boxes[1:] + boxes[:1], strict=True)
    tasks = [asyncio.create_task(_hop(box, following, done)) for box, following in pairs]
    started = time.perf_counter()
    boxes[0].put_nowait(size)
    await done.wait()
    figures = _measure.rate(size, started)
    for task in tasks:
        task.cancel()
    return figures


async def _fan_in(size: int) -> Figures:
    box: Box = asyncio.Queue()
    done = asyncio.Event()
    each = size // SENDERS

    async def send() -> None:
        for number in range(each):
            box.put_nowait(number)

    task = asyncio.create_task(_count(box, each * SENDERS, done))
    started = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(SENDERS)))
    await done.wait()
    figures = _measure.rate(each * SENDERS, started)
    await task
    return figures


async def _spawn(size: int) -> Figures:
    memory = _measure.growth()
    started = time.perf_counter()
    boxes: list[asyncio.Queue[Question | None]] = [asyncio.Queue() for _ in range(size)]
    tasks = [asyncio.create_task(_echo(box)) for box in boxes]
    for box in boxes:
        await _call_one(box, 0)
    figures = _measure.spawned(size, started, memory)
    for task in tasks:
        task.cancel()
    return figures


async def _cycles(size: int, siblings: int) -> Figures:
    others: list[asyncio.Task[None]] = [asyncio.create_task(_echo(asyncio.Queue())) for _ in range(siblings)]
    box: asyncio.Queue[Question | None] = asyncio.Queue()
    supervisor = asyncio.create_task(_supervise(lambda: _echo(box), lambda: None))
    await _call_one(box, 0)
    spans = []
    for _ in range(size):
        started = time.perf_counter()
        box.put_nowait(None)
        await _call_one(box, 0)
        spans.append(time.perf_counter() - started)
    for task in (supervisor, *others):
        task.cancel()
    return _measure.cycle(spans)


async def _restart(size: int) -> Figures:
    return await _cycles(size, 0)


async def _restart_crowd(size: int) -> Figures:
    return await _cycles(size, SIBLINGS)


async def _stop(size: int) -> Figures:
    tasks: list[asyncio.Task[None]] = [asyncio.create_task(_echo(asyncio.Queue())) for _ in range(size)]
    await asyncio.sleep(0)
    started = time.perf_counter()
    for task in reversed(tasks):
        task.cancel()
        await asyncio.wait([task])
    return _measure.rate(size, started)


async def _detection(size: int) -> Figures:
    raised = 0.0
    spans: list[float] = []
    box: Box = asyncio.Queue()

    async def crash() -> None:
        nonlocal raised
        await box.get()
        raised = time.perf_counter()
        raise ValueError("crash")

    heard = asyncio.Event()

    def decided() -> None:
        spans.append(time.perf_counter() - raised)
        heard.set()

    supervisor = asyncio.create_task(_supervise(crash, decided))
    for _ in range(size):
        box.put_nowait(None)
        await heard.wait()
        heard.clear()
    supervisor.cancel()
    return _measure.detection(spans)


async def _work_on(boxes: list[Box], place: int, left: list[int], done: asyncio.Event) -> None:
    """Takes what comes, and puts it into the next box; behind the last, counts it."""
    while True:
        item = await boxes[place].get()
        if place + 1 < len(boxes):
            boxes[place + 1].put_nowait(item)
        else:
            left[0] -= 1
            if not left[0]:
                done.set()


async def _through(places: int, size: int, *, one_by_one: bool) -> float:
    """When it began with `size` items through `places` boxes in turn, each with a task of its own. All are through."""
    boxes: list[Box] = [asyncio.Queue() for _ in range(places)]
    left, done = [0], asyncio.Event()
    tasks = [asyncio.create_task(_work_on(boxes, place, left, done)) for place in range(places)]
    started = time.perf_counter()
    for batch in [1] * size if one_by_one else [size]:
        left[0] = batch
        for number in range(batch):
            boxes[0].put_nowait(number)
        await done.wait()
        done.clear()
    for task in tasks:
        task.cancel()
    return started


async def _handoffs(size: int) -> Figures:
    return _measure.rate(size * CHAIN, await _through(CHAIN + 1, size, one_by_one=True))


async def _pipeline(size: int) -> Figures:
    return _measure.rate(size, await _through(STAGES, size, one_by_one=False))


async def _broadcasts(size: int) -> Figures:
    boxes: list[asyncio.Queue[Question | None]] = [asyncio.Queue() for _ in range(AUDIENCE)]
    tasks = [asyncio.create_task(_echo(box)) for box in boxes]
    started = time.perf_counter()
    for number in range(size):
        await asyncio.gather(*(_call_one(box, number) for box in boxes))
    for task in tasks:
        task.cancel()
    return _measure.rate(size * AUDIENCE, started)


async def _fanout(size: int) -> Figures:
    boxes: list[Box] = [asyncio.Queue() for _ in range(AUDIENCE)]
    heard = [asyncio.create_task(_count(box, size, asyncio.Event())) for box in boxes]
    started = time.perf_counter()
    for number in range(size):
        for box in boxes:
            box.put_nowait(number)
    await asyncio.gather(*heard)
    return _measure.rate(size * AUDIENCE, started)


WORKS: Mapping[str, Measure] = {
    "tell": _blocking(_tell),
    "call": _blocking(_call),
    "ask": _blocking(_ask),
    "ring": _blocking(_ring),
    "fan-in": _blocking(_fan_in),
    "spawn": _blocking(_spawn),
    "start": _blocking(_spawn),
    "crowd": _blocking(_spawn),
    "restart": _blocking(_restart),
    "restart-crowd": _blocking(_restart_crowd),
    "stop": _blocking(_stop),
    "detection": _blocking(_detection),
    "team-handoff": _blocking(_handoffs),
    "team-broadcast": _blocking(_broadcasts),
    "team-fanout": _blocking(_fanout),
    "team-pipeline": _blocking(_pipeline),
}
