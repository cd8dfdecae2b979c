"""What is given to a protocol: everything is looked at before any of it is kept, for what is kept comes again after a
crash.
"""

from __future__ import annotations

from collections.abc import Iterator

from actors.spi import ActorRef
from supervisors.spi import SpecFault


def ref_faults(place: str, name: str, ref: object) -> Iterator[SpecFault]:
    """What is wrong with a ref."""
    if not isinstance(ref, ActorRef):
        yield SpecFault(place, f"{name}: must be the ref of an actor, such as root.child('id'), got {ref!r}")


def id_faults(place: str, name: str, id: object) -> Iterator[SpecFault]:
    """What is wrong with an id that may be None."""
    if id is not None and not (isinstance(id, str) and id):
        yield SpecFault(place, f"{name}: must be a text, or None, got {id!r}")
