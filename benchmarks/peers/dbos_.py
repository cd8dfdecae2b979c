"""DBOS: a workflow of ten steps on its SQLite or Postgres system database.

A step writes once, a workflow twice. What one process leaves begun, another process of the same executor id and version
goes on with when it is launched.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dbos import DBOS, DBOSConfig

from benchmarks._durable import STEPS, Place, Sizes, percentiles, rates


@DBOS.step()  # type: ignore[untyped-decorator]
def step(value: int) -> int:
    """One step."""
    return value


@DBOS.workflow()  # type: ignore[untyped-decorator]
def chain(value: int) -> int:
    """Ten steps."""
    for _ in range(STEPS):
        value = step(value)
    return value


def _launched(place: Place) -> None:
    config: DBOSConfig = {"name": "benchmark", "log_level": "CRITICAL", "run_admin_server": False}
    if place.schema is None:
        config["system_database_url"] = f"sqlite:///{place.folder}/dbos.db"
    else:
        config["system_database_url"] = place.address.replace("postgresql:", "postgresql+psycopg:", 1)
        config["dbos_system_schema"] = place.schema
    DBOS(config=config)
    DBOS.launch()


def one(place: Place, sizes: Sizes) -> dict[str, float]:
    """One workflow after the other."""
    _launched(place)
    chain(0)
    try:
        return rates(sizes.seconds, chain)
    finally:
        DBOS.destroy()


def many(place: Place, sizes: Sizes) -> dict[str, float]:
    """All at once, in the threads of DBOS."""
    _launched(place)
    chain(0)
    before, cpu, began = place.stored(), time.process_time(), time.perf_counter()
    handles = [DBOS.start_workflow(chain, number) for number in range(sizes.peer_runs)]
    for each in handles:
        each.get_result()
    wall, used = time.perf_counter() - began, time.process_time() - cpu
    DBOS.destroy()
    steps = sizes.peer_runs * STEPS
    return {
        "runs": sizes.peer_runs,
        "rate": steps / wall,
        "cpu": used / steps * 1e6,
        "bytes": (place.stored() - before) / sizes.peer_runs,
    }


def acknowledged(place: Place, sizes: Sizes) -> dict[str, float]:
    """From the call until the workflow is stored."""
    _launched(place)
    chain(0)
    spans = []
    for number in range(sizes.starts):
        began = time.perf_counter()
        handle = DBOS.start_workflow(chain, number)
        spans.append(time.perf_counter() - began)
        handle.get_result()
    DBOS.destroy()
    return percentiles(spans)


WORKS: dict[str, Callable[[Place, Sizes], dict[str, float]]] = {"one": one, "many": many, "start": acknowledged}
