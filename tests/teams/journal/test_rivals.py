"""Several writers on one store at the same time, each with a connection and a thread of its own."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

from teams._journal.rows import Fenced, Known, Unit, Written
from teams._journal.store import Store
from tests.teams.journal.cast import LEASE, begin, entry, message, place

T = TypeVar("T")
WRITERS = 4
ROUNDS = 15


def together(stores: list[Store], work: Callable[[int, Store], T]) -> list[T]:
    """What each of the stores answers; all begin at once."""
    barrier = threading.Barrier(len(stores))

    def one(number: int) -> T:
        barrier.wait()
        return work(number, stores[number])

    with ThreadPoolExecutor(len(stores)) as pool:
        return list(pool.map(one, range(len(stores))))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_one_key_is_one_run_however_many_start_it_at_once(kind: str, tmp_path: Path) -> None:
    with place(kind, tmp_path) as there:
        stores = [there.open() for _ in range(WRITERS)]

        def start(number: int, store: Store) -> list[list[Any]]:
            """Half of the writers take the keys in the opposite order: their locks cross."""
            answers = []
            for round_ in range(ROUNDS):
                keys = [f"{round_}-{key}" for key in range(5)]
                units = [begin(f"{key}-{number}", key=key) for key in (keys if number % 2 else keys[::-1])]
                answers.append(store.commit(units))
            return answers

        answers = [answer for each in together(stores, start) for batch in each for answer in batch]
        assert Counter(map(type, answers)) == {Written: ROUNDS * 5, Known: ROUNDS * 5 * (WRITERS - 1)}
        assert len(stores[0].runs(limit=1000)) == ROUNDS * 5


def test_engines_that_claim_at_once_share_the_runs_without_overlap(tmp_path: Path) -> None:
    with place("postgres", tmp_path) as there:
        stores = [there.open() for _ in range(WRITERS)]
        stores[0].commit([begin(f"{number:03}") for number in range(100)])
        epochs = together(stores, lambda number, store: store.register("host", number, LEASE))
        assert len(set(epochs)) == WRITERS

        def claim(number: int, store: Store) -> list[str]:
            found: list[str] = []
            while batch := store.claim(epochs[number], 7):
                found += [run.id for run in batch]
            return found

        claimed = together(stores, claim)
        left = {run.id for run in stores[0].runs(limit=1000) if run.owner is None}
        assert sorted([id for each in claimed for id in each] + sorted(left)) == [f"{n:03}" for n in range(100)]
        owners = {run.id: run.owner for run in stores[0].runs(limit=1000)}
        assert all(owners[id] == epochs[number] for number, each in enumerate(claimed) for id in each)


def test_of_two_engines_only_the_owner_of_the_epoch_writes(tmp_path: Path) -> None:
    """The run goes to and fro while both write: each entry is of its owner then, and no number is double."""
    with place("postgres", tmp_path) as there:
        stores = [there.open() for _ in range(2)]
        stores[0].commit([begin()])

        def write(number: int, store: Store) -> dict[int, bytes]:
            mine: dict[int, bytes] = {}
            for _ in range(ROUNDS):
                epoch = store.register("host", number, LEASE)
                for run in store.claim(epoch, 1):
                    for seq in range(run.seq + 1, run.seq + 4):
                        body = f"{epoch}".encode()
                        (answer,) = store.commit([Unit("run", epoch, entries=(entry(seq, body=body),))])
                        if isinstance(answer, Fenced):
                            break
                        assert answer == Written()
                        mine[seq] = body
                store.release(epoch)
            return mine

        one, other = together(stores, write)
        assert not one.keys() & other.keys()
        found = stores[0].entries("run", after=1)
        assert {each.seq: each.body for each in found} == one | other
        assert [each.seq for each in found] == list(range(2, len(found) + 2))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_messages_from_many_writers_all_arrive_once(kind: str, tmp_path: Path) -> None:
    with place(kind, tmp_path) as there:
        stores = [there.open() for _ in range(WRITERS)]
        stores[0].commit([begin()])

        def send(number: int, store: Store) -> None:
            for round_ in range(ROUNDS):
                unit = Unit("run", inbox=(message(f"{number}-{round_}"), message(f"shared-{round_}")))
                assert store.commit([unit]) == [Written()]

        together(stores, send)
        ids = [each.id for each in stores[0].inbox("run")]
        assert len(ids) == len(set(ids)) == ROUNDS * (WRITERS + 1)


def test_a_purge_never_takes_a_blob_that_a_commit_refers_to(tmp_path: Path) -> None:
    with place("postgres", tmp_path) as there:
        stores = [there.open() for _ in range(2)]
        body = b"x" * 20_000

        def work(number: int, store: Store) -> None:
            for round_ in range(ROUNDS * 3):
                if number:
                    store.purge(1, 100)
                else:
                    end = {"state": "done", "retain_until": round_ % 2}
                    store.commit([begin(str(round_), result=body, **end)])
                    store.runs()

        together(stores, work)
        stores[0].purge(0, 100)
        stores[0].commit([begin("last", result=body)])
        stores[1].purge(1, 100)
        assert [run.result for run in stores[0].runs()] == [body]
