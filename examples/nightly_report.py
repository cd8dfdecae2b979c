"""A nightly report as a durable workflow with a schedule, and the nights that were missed filled in.

Run it with: python examples/nightly_report.py
It fills in four nights, in one of which the clocks go forward, and prints when the next one is due. Run it again after
it was killed: each night has one report. Runs and reports are in the current folder: nightly.db, reports/.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from supervisors import SupervisorSpec, start
from teams import member
from teams.workflows import EngineRef, do, engine, schedule, workflow

ZONE = "Europe/Berlin"
SINCE, UNTIL = datetime(2025, 3, 28, tzinfo=UTC), datetime(2025, 3, 31, 12, tzinfo=UTC)
REPORTS = Path("reports")


def collect(night: str) -> dict[str, Any]:
    """What came in during a night; `night` is the key of its run, such as nightly/2025-03-28T01:30:00Z."""
    slot = night.partition("/")[2]
    say(f"collected {slot}")
    return {"slot": slot, "mails": int(slot[8:10]) * 3}  # offline: as many as the day says


def write(found: dict[str, Any]) -> str:
    """The report, under a name that is the same each time."""
    REPORTS.mkdir(exist_ok=True)
    file = REPORTS / f"{found['slot'][:10]}.txt"
    file.write_text(f"{found['mails']} mails\n", encoding="utf-8")
    say(f"wrote {file}")
    return str(file)


def say(line: str) -> None:
    """Prints a line at once: a process that is killed flushes nothing."""
    print(line, flush=True)


report = workflow("report", do("collect", "collector", input="$run.key"), do("write", "writer", retry=3))


def engine_on(store: str) -> SupervisorSpec:
    """The engine that makes reports, with its runs in this store."""
    return engine(
        "engine",
        member("collector", collect),
        member("writer", write),
        report,
        schedule("nightly", report, cron="30 2 * * *", tz=ZONE, overlap="queue", catch_up=7),
        store=store,
    )


tree = engine_on("sqlite:///nightly.db")


def main() -> int:
    with start(tree, log=False) as eng:
        assert isinstance(eng, EngineRef)
        for slot in eng.backfill_schedule("nightly", SINCE, UNTIL, dry=False).get(timeout=10):
            assert slot.run is not None
            file = eng.workflow_run(slot.run).get(timeout=60)
            say(f"night of {datetime.fromtimestamp(slot.slot, UTC):%Y-%m-%d %H:%M} UTC: {file}")
        (nightly,) = eng.schedules().get(timeout=10)
        assert nightly.next_at is not None
        say(f"next at {datetime.fromtimestamp(nightly.next_at, UTC):%H:%M} UTC")
    return 0


if __name__ == "__main__":
    sys.exit(main())
