"""Replay blobs: one run as a line of text. It holds plain values only, so that reading one runs nothing."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from actors.testing._faults.plan import FaultPlan
from actors.testing._faults.schedule import Schedule
from actors.testing.errors import SimulationError, StaleReplay

if TYPE_CHECKING:
    from actors.testing._simulation import Simulation

VERSION = 1


def pack(version: int, *values: object) -> str:
    """A blob of plain values: what JSON can hold."""
    return base64.urlsafe_b64encode(zlib.compress(json.dumps([version, *values]).encode(), 9)).decode()


def unpack(version: int, blob: str) -> Sequence[Any]:
    """The values in a blob of this version. Raises `StaleReplay` for one of another version, and for other text."""
    try:
        found, *values = cast("list[Any]", json.loads(zlib.decompress(base64.urlsafe_b64decode(blob))))
    except (ValueError, binascii.Error, zlib.error, TypeError):
        raise StaleReplay(f"this is not a replay blob: {str(blob)[:40]!r}") from None
    if found != version:
        raise StaleReplay(f"stale: the blob is of version {found!r}, this is version {version}")
    return values


class Replay(NamedTuple):
    """The values with which a run can be repeated."""

    plan: FaultPlan
    schedule: Schedule
    seed: int
    failure: str
    """The type of the failure that was found."""
    trace_hash: str
    """The fingerprint of the run."""

    def encode(self) -> str:
        """The blob: one line of text."""
        return pack(VERSION, self.plan.as_json(), self.schedule.as_json(), self.seed, self.failure, self.trace_hash)

    @classmethod
    def decode(cls, blob: str) -> Replay:
        """Reads a blob. Raises `StaleReplay` for another version, or for a name that does not exist any more."""
        values = unpack(VERSION, blob)
        try:
            plan, schedule, seed, failure, trace_hash = values
            if not (isinstance(seed, int) and isinstance(failure, str) and isinstance(trace_hash, str)):
                raise ValueError(f"a seed {seed!r}, a failure {failure!r} and a fingerprint {trace_hash!r}")
            return cls(FaultPlan.from_json(plan), Schedule.from_json(schedule), seed, failure, trace_hash)
        except (SimulationError, ValueError, TypeError, AttributeError) as error:
            raise StaleReplay(f"stale: the blob names something that is not there any more: {error}") from error

    def judge(self, sim: Simulation, error: BaseException | None) -> None:
        """Says what came of a run of this blob, whose error is `error`.

        A failure of the same type gets a note when the run is another one. Raises `StaleReplay` when the blob shows
        nothing any more.
        """
        failure = type(error).__name__ if error is not None else None
        self.check(sim.trace_hash, failure, sim.nameless)
        if error is not None and sim.trace_hash != self.trace_hash:
            why = sim.nameless or "the code under test has changed"
            error.add_note(f"the replay blob showed {self.failure} in another run: {why}")

    def check(self, trace_hash: str, failure: str | None, nameless: str = "") -> None:
        """Raises `StaleReplay` unless the failure is that of the blob. `nameless`: faults and moves with no actor."""
        if failure == self.failure:
            return
        now = f"it now ends with {failure}" if failure else "the run passes now"
        if nameless:
            raise StaleReplay(
                f"stale: this blob showed {self.failure} in another test, or before names changed: {nameless}; {now}"
            )
        same = "the run is the same to the last step" if trace_hash == self.trace_hash else "the run has changed"
        raise StaleReplay(f"stale: this blob showed {self.failure}; {now}, and {same}")
