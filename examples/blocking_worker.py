"""Blocking work on threads of its own, while the event loop goes on.

    python examples/blocking_worker.py [FILE ...]

Hashing a file blocks, so the hashers say `host = "thread"`. The pulse lives on the event loop and counts
meanwhile: it would stand still if anything blocked the loop. A file that cannot be read crashes its hasher;
who asked gets the error, and the next file a new hasher.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from actors import Actor, Future, Message, handles
from supervisors import child, constant, partition_supervisor, start, supervisor


class Hash(Message):
    """Asks for the SHA-256 of a file."""

    file: Path


class Hasher(Actor):
    """Reads whole files."""

    host = "thread"

    @handles
    def hash(self, message: Hash) -> str:
        with message.file.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


class Beat(Message):
    """One beat of the pulse."""


class GetBeats(Message):
    """How many beats there were."""


class Pulse(Actor):
    """Counts turns of the event loop: each beat asks for the next."""

    def on_start(self) -> None:
        self.beats = 0
        self.tell_every(0.001, Beat())

    @handles
    def beat(self, _: Beat) -> None:
        self.beats += 1

    @handles
    def get_beats(self, _: GetBeats) -> int:
        return self.beats


tree = supervisor(
    "root",
    child("pulse", Pulse),
    partition_supervisor("hashers", child("hasher", Hasher, backoff=constant(0.01)), partitions=2, max_restarts=100),
)


def main() -> None:
    """Hashes the given files, or the examples and one file that is not there."""
    here = Path(__file__)
    files = [Path(name) for name in sys.argv[1:]] or [*sorted(here.parent.glob("*.py")), here / "missing.bin"]
    with start(tree, log=False) as root:
        hashers = root.supervisor("hashers")
        answers: list[Future[str]] = [
            hashers.partition(number).ask(Hash(file=file), block=False) for number, file in enumerate(files)
        ]
        for file, answer in zip(files, answers, strict=True):
            try:
                print(answer.get(timeout=60), file.name)
            except OSError as error:
                print(f"{type(error).__name__}: its hasher crashed".ljust(64), file.name)
        print(f"the event loop beat {root.child('pulse').ask(GetBeats(), timeout=5)} times meanwhile")


if __name__ == "__main__":
    main()
