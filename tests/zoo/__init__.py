"""The bug zoo: known bugs of actor programs, each with a fixed twin.

The simulation must find every bug and never accuse a twin.

Each program is small and real. Its docstrings say what goes wrong; the docstring of its play says what to look for.
"""

from tests.zoo import asks, keepers, lives, on_pykka, owners, places
from tests.zoo._entry import Entry
from tests.zoo._hunt import Found, accuse, hunt, run
from tests.zoo._shrink import shrink

ZOO: tuple[Entry, ...] = (
    *asks.ENTRIES,
    *owners.ENTRIES,
    *keepers.ENTRIES,
    *lives.ENTRIES,
    *on_pykka.ENTRIES,
    *places.ENTRIES,
)
"""All of it."""

__all__ = ["ZOO", "Entry", "Found", "accuse", "hunt", "run", "shrink"]
