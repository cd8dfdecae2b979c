"""The store behind an address."""

from __future__ import annotations

from teams._journal.errors import StoreRefused, without_password
from teams._journal.memory import MemoryRunStore
from teams._journal.store import Durability, Store, WallClock

_EXTRAS = {"sqlalchemy": "workflows", "alembic": "workflows", "psycopg": "postgres"}
"""Each module that may be missing, with the extra that installs it."""


def open_store(url: str, *, durability: Durability = "disk", clock: WallClock | None = None) -> Store:
    """An open store: `memory:`, `sqlite:///path` (`sqlite:////path` from the root) or `postgresql://...`.

    With `durability="disk"` (default) what was acknowledged survives a power loss, with `"process"` the end of the
    process. `clock` takes the place of the clock of the machine (SQLite, memory) or of the database (Postgres).

    Raises `StoreRefused`: the address is not one, an extra is not installed, or what `Store.open` refuses.
    """
    if durability not in ("disk", "process"):
        raise ValueError(f"durability must be 'disk' or 'process', got {durability!r}")
    scheme = url.partition(":")[0]
    store: Store
    if url == "memory:":
        store = MemoryRunStore(clock=clock)
    elif scheme.partition("+")[0] in ("sqlite", "postgresql", "postgres"):
        try:
            from teams._journal.sql import sql_store
        except ModuleNotFoundError as error:
            raise _missing(url, error) from None
        store = sql_store(url, durability=durability, clock=clock)
    else:
        raise StoreRefused(
            without_password(url), "not an address of a store. Use memory:, sqlite:///runs.db or postgresql://host/name"
        )
    try:
        store.open()
    except ModuleNotFoundError as error:
        raise _missing(url, error) from None
    return store


def _missing(url: str, error: ModuleNotFoundError) -> StoreRefused:
    extra = _EXTRAS.get((error.name or "").partition(".")[0])
    if extra is None:
        raise error
    names = extra if extra == "workflows" else f"workflows,{extra}"
    why = f"the module {error.name} is not installed. Install it with: pip install 'letitcrash[{names}]'"
    return StoreRefused(without_password(url), why)
