"""Randomness of the operating system, which comes from the seed inside a simulation.

The names of the `random` module's functions all lead to one generator, so that it is enough to seed it. `secrets`,
`random.SystemRandom` and `uuid` stand on `os.urandom`.
"""

from __future__ import annotations

import os
import random
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors.testing._sim.runtime import SimRuntime

_NODE = 0x02_00_00_00_00_00
"""The network address in `uuid.uuid1()`: one that no network card has."""
_LAST = [name for name in vars(uuid) if name.startswith("_last_timestamp")]
"""Where `uuid` keeps the time of its last identifier."""


class Randomness:
    """The replacements in `os`, `random` and `uuid`, and the state of the generator that they share."""

    def __init__(self, runtime: SimRuntime) -> None:
        self._runtime = runtime
        self._before: Any = None

    def begin(self) -> None:
        """Seeds the generator of the `random` module, for the test too."""
        self._before = random.getstate()
        random.seed(f"random {self._runtime.seed}")

    def end(self) -> None:
        """The generator goes on where it was."""
        random.setstate(self._before)

    def patches(self) -> list[tuple[Any, str, object]]:
        """The replacements while a simulation runs: owner, name, replacement."""
        runtime, inside, ids = self._runtime, self._runtime.loop.inside, self._runtime.ids
        real_urandom, real_uuid1, real_uuid4 = os.urandom, uuid.uuid1, uuid.uuid4
        real_seed, shared_seed = random.Random.seed, random.seed

        def urandom(size: int, /) -> bytes:
            return runtime.entropy.randbytes(size) if inside() else real_urandom(size)

        def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
            real_seed(self, runtime.entropy.getrandbits(256) if a is None and inside() else a, version)

        def seed_shared(a: Any = None, version: int = 2) -> None:
            shared_seed(runtime.entropy.getrandbits(256) if a is None and inside() else a, version)

        def uuid4() -> uuid.UUID:
            """Pykka names every actor by one."""
            return uuid.UUID(int=ids.getrandbits(128), version=4) if inside() else real_uuid4()

        def uuid1(node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
            if not inside():
                return real_uuid1(node, clock_seq)
            return real_uuid1(_NODE if node is None else node, ids.getrandbits(14) if clock_seq is None else clock_seq)

        found: list[tuple[Any, str, object]] = [
            (os, "urandom", urandom),
            (random, "_urandom", urandom),
            (random, "seed", seed_shared),
            (random.Random, "seed", seed),
            (uuid, "uuid1", uuid1),
            (uuid, "uuid4", uuid4),
        ]
        if hasattr(os, "getrandom"):
            real_getrandom = os.getrandom

            def getrandom(size: int, flags: int = 0) -> bytes:
                return runtime.entropy.randbytes(size) if inside() else real_getrandom(size, flags)

            found.append((os, "getrandom", getrandom))
        # Each identifier with a time in it is later than the last one of the process.
        found += [(uuid, name, None) for name in _LAST]
        return found
