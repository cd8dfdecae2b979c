"""The store behind an address."""

from __future__ import annotations

from actors.spi import MissingExtra, needs_extra
from teams._journal.errors import StoreRefused, without_password
from teams._journal.memory import MemoryRunStore
from teams._journal.store import Durability, Store, WallClock


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
            with needs_extra():
                from teams._journal.sql import sql_store
        except MissingExtra as error:
            raise StoreRefused(without_password(url), str(error)) from None
        store = sql_store(url, durability=durability, clock=clock)
    else:
        raise StoreRefused(
            without_password(url), "not an address of a store. Use memory:, sqlite:///runs.db or postgresql://host/name"
        )
    try:
        with needs_extra():
            store.open()
    except MissingExtra as error:
        raise StoreRefused(without_password(url), str(error)) from None
    return store
