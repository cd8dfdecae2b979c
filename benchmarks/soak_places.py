"""Kills processes of actors and of tasks by `kill -9` at random moments under load, and accounts for every message.

    python -m benchmarks.soak_places --kills N [--seed N]

A tree of placed actors and a pool of processes are told, asked and given tasks all the time. A random process is
killed, over and over; now and then it is the one that forks the others. In the end

- each message that was told was handled once, as the program counts, or is a dead letter, or is in quarantine: none is
  lost in silence, and none has two fates;
- each question and each task has its answer or its error;
- at no time two incarnations of an actor lived: each holds a lock of the kernel for as long as its process lives;
- no process is left.

The seed that is printed repeats the choices, and not the moments.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import random
import signal
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path
from time import monotonic
from typing import Any

from actors import (
    Actor,
    ActorDeadError,
    ActorRef,
    DeadLetter,
    LifecycleEvent,
    MessageHandled,
    PlaceLost,
    Quarantined,
    Redelivered,
    Runtime,
    StartError,
    StartFailed,
)
from actors._place.process import ProcessCarrier, ProcessCarriers
from supervisors import SupervisorRef, child, process, start, supervisor, tasks

MARK = "LETITCRASH_SOAK_PLACES"
ACTORS = 3
BACKLOG = 300
"""How many messages, questions and tasks may be under way before the next kill."""
PATIENCE = 60.0
"""Seconds after the last kill in which something must have its end, until all has."""


class Keeper(Actor):
    """Holds a lock as long as its process lives, and computes a little."""

    def __init__(self, lock: str) -> None:
        self.file = Path(lock).open("w")  # noqa: SIM115 - until the process ends
        fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two incarnations at once: the start fails

    def on_receive(self, message: Any) -> Any:
        return compute(message)


def compute(number: int) -> int:
    """Something that takes some time, and its argument."""
    sum(range(number % 300_000))
    return number


class Account:
    """The messages that were sent, and their outcomes."""

    def __init__(self) -> None:
        self.told = 0
        self.fates: dict[int, list[str]] = {}
        self.answers: Counter[str] = Counter()
        self.restarts = self.redelivered = 0
        self.faults: list[str] = []
        self.unsettled = 0

    @property
    def open(self) -> int:
        """How many messages, questions and tasks have no end yet."""
        return self.unsettled + self.told - len(self.fates)

    def event(self, event: LifecycleEvent) -> None:
        """The fate of a message that was told. These are negative numbers."""
        match event:
            case MessageHandled(message=int() as number, outcome="done") if number < 0:
                self.fate(number, "handled")
            case DeadLetter(message=int() as number, reason=reason) if number < 0:
                self.fate(number, f"dead letter: {reason}")
            case Quarantined(message=int() as number) if number < 0:
                self.fate(number, "quarantined")
            case Redelivered():
                self.redelivered += 1
            case StartFailed(path=path, reason=reason) if "BlockingIOError" in str(reason):
                self.faults.append(f"{path}: two incarnations at once")
            case _:
                return

    def fate(self, number: int, what: str) -> None:
        """A message has its end."""
        fates = self.fates.setdefault(number, [])
        fates.append(what)
        if len(fates) > 1:
            self.faults.append(f"message {number} has two fates: {fates}")

    async def settled(self, what: str, question: Awaitable[Any], wanted: int) -> None:
        """Waits for the answer to a question, or for the result of a task."""
        self.unsettled += 1
        try:
            got = await question
            if got != wanted:
                self.faults.append(f"{what} {wanted} was answered with {got}")
            self.answers[f"{what}: answered"] += 1
        except (PlaceLost, ActorDeadError, StartError) as error:
            self.answers[f"{what}: {type(error).__name__}"] += 1
        except Exception as error:  # noqa: BLE001 - the campaign says what it found
            self.faults.append(f"{what} {wanted}: {error!r}")
        finally:
            self.unsettled -= 1


async def load(account: Account, root: SupervisorRef, chosen: random.Random, steps: int) -> None:
    """Some messages, questions and tasks."""
    actors: list[ActorRef[Any]] = [root.child(f"keeper-{number}") for number in range(ACTORS)]
    pool = root.supervisor("cpu")
    loop = asyncio.get_running_loop()
    for _ in range(steps):
        to, number = chosen.choice(actors), chosen.randrange(1, 1 << 40)
        match chosen.randrange(4):
            case 0 | 1:
                account.told += 1
                to.tell(-account.told)
            case 2:
                keep(loop.create_task(account.settled("question", to.call(number, timeout=None), number)))
            case _:
                keep(loop.create_task(account.settled("task", pool.run(compute, number), number)))
        if not chosen.randrange(8):
            await asyncio.sleep(0)


_kept: set[asyncio.Task[None]] = set()


def keep(task: asyncio.Task[None]) -> None:
    """Keeps a task until it has ended."""
    _kept.add(task)
    task.add_done_callback(_kept.discard)


def kill_one(runtime: Runtime, chosen: random.Random) -> bool:
    """Kills a process; now and then the one that forks the others. Returns whether there was one."""
    host = runtime.place_hosts["process"]
    assert isinstance(host.carriers, ProcessCarriers)
    pid = host.carriers.launcher.pid
    if pid is not None and not chosen.randrange(50):
        os.kill(pid, signal.SIGKILL)
        return True
    carriers = [place._carrier for place in host._places.values()]
    living = [each._process for each in carriers if isinstance(each, ProcessCarrier) and each._process >= 0]
    if not living:
        return False
    try:
        signal.pidfd_send_signal(chosen.choice(living), signal.SIGKILL)
    except ProcessLookupError:  # it has been killed before, and that was not told yet
        return False
    return True


async def campaign(kills: int, seed: int, folder: str) -> Account:
    """The whole campaign."""
    chosen, account = random.Random(seed), Account()
    host = process(prefetch=chosen.choice([1, 4, 32]))
    keepers = [
        child(f"keeper-{number}", Keeper, args=(f"{folder}/{number}",), host=host, redeliver=2, backoff=None)
        for number in range(ACTORS)
    ]
    spec = supervisor("root", *keepers, tasks("cpu", host=process(), pool=2), max_restarts=None)
    async with Runtime(log=False) as runtime:
        runtime.events.subscribe(account.event, MessageHandled, DeadLetter, Quarantined, Redelivered, StartFailed)
        async with start(spec, runtime=runtime) as root:
            done = 0
            while done < kills:
                await load(account, root, chosen, chosen.randrange(100))
                await asyncio.sleep(chosen.random() * 0.004)
                done += kill_one(runtime, chosen)
                while account.open > BACKLOG:
                    await asyncio.sleep(0.001)
            before, until = account.open, monotonic() + PATIENCE
            while account.open:
                if account.open < before:
                    before, until = account.open, monotonic() + PATIENCE
                if monotonic() > until:
                    lost = account.told - len(account.fates)
                    account.faults.append(f"{lost} messages have no end, {account.unsettled} questions no answer")
                    break
                await asyncio.sleep(0.01)
            account.restarts = sum(root.child(f"keeper-{number}").incarnation - 1 for number in range(ACTORS))
    return account


def left(mark: str) -> list[int]:
    """The processes of the campaign that run on."""
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit() and int(each.name) != os.getpid():
            try:
                if f"{MARK}={mark}".encode() in (each / "environ").read_bytes():
                    found.append(int(each.name))
            except OSError:
                continue
    return found


def main() -> None:
    """Runs the campaign, and prints what it found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000, help="how many processes are killed")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="repeats a campaign")
    given = parser.parse_args()
    mark = os.environ[MARK] = uuid.uuid4().hex
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        account = asyncio.run(campaign(given.kills, given.seed, folder))
    if orphans := left(mark):
        account.faults.append(f"processes run on: {orphans}")
    fates = Counter(fate for fates in account.fates.values() for fate in fates)
    print(
        f"{given.kills} processes killed; {account.restarts} restarts of actors, "
        f"{account.redelivered} messages delivered again"
    )
    print(f"{account.told} messages told: " + ", ".join(f"{number} {fate}" for fate, number in sorted(fates.items())))
    print(", ".join(f"{what} {number}" for what, number in sorted(account.answers.items())))
    for fault in account.faults[:20]:
        print("FAULT", fault)
    if account.faults:
        sys.exit(1)
    print("every message, question and task is accounted for; no process is left")


if __name__ == "__main__":
    main()
