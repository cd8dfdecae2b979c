"""Replay blobs: one run as a line of text. It holds plain values only, so that reading one runs nothing."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from actors.testing._errors import SimulationError, StaleReplay
from actors.testing._faults import FaultPlan
from actors.testing._schedule import Schedule

VERSION = 1


def pack(version: int, *values: object) -> str:
    """A blob of plain values: what JSON can hold."""
    return base64.urlsafe_b64encode(zlib.compress(json.dumps([version, *values]).encode(), 9)).decode()


def unpack(version: int, blob: str) -> Sequence[Any]:
    """The values in a blob of this version. Raises `StaleReplay` for one of another, and for what is none."""
    try:
        found, *values = cast("list[Any]", json.loads(zlib.decompress(base64.urlsafe_b64decode(blob))))
    except (ValueError, binascii.Error, zlib.error, TypeError):
        raise StaleReplay(f"this is no replay blob: {str(blob)[:40]!r}") from None
    if found != version:
        raise StaleReplay(f"stale: the blob is of version {found!r}, this is version {version}")
    return values


class Replay(NamedTuple):
    """What it takes to run something again."""

    plan: FaultPlan
    schedule: Schedule
    seed: int
    failure: str
    """The type of what was found."""
    trace_hash: str
    """The fingerprint of the run."""

    def encode(self) -> str:
        """The blob."""
        return pack(VERSION, self.plan.as_json(), self.schedule.as_json(), self.seed, self.failure, self.trace_hash)

    @classmethod
    def decode(cls, blob: str) -> Replay:
        """Reads a blob. Raises `StaleReplay` for one of another version or one that says nothing any more."""
        values = unpack(VERSION, blob)
        try:
            plan, schedule, seed, failure, trace_hash = values
            if not (isinstance(seed, int) and isinstance(failure, str) and isinstance(trace_hash, str)):
                raise ValueError(f"a seed {seed!r}, a failure {failure!r} and a fingerprint {trace_hash!r}")
            return cls(FaultPlan.from_json(plan), Schedule.from_json(schedule), seed, failure, trace_hash)
        except (SimulationError, ValueError, TypeError, AttributeError) as error:
            raise StaleReplay(f"stale: the blob names something that is not there any more: {error}") from error

    def check(self, trace_hash: str, failure: str | None) -> None:
        """Says whether the blob still does what it did. Raises `StaleReplay` when it shows nothing any more."""
        if failure == self.failure:
            return
        now = f"it now ends with {failure}" if failure else "the run passes now"
        same = "the run is the same to the last step" if trace_hash == self.trace_hash else "the run has changed"
        raise StaleReplay(f"stale: this blob showed {self.failure}; {now}, and {same}")
