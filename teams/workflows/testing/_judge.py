"""What holds of a disk when all is over, whatever went wrong meanwhile.

The numbers are those of the invariants in the pages about workflows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from teams._journal.codec import decode
from teams._journal.memory import Tables
from teams._journal.rows import ENDED, JournalEntry, Known, RunRow, Written
from teams.workflows._run.keeper import CONTINUED
from teams.workflows.testing._disk import Disk
from teams.workflows.testing._errors import PromiseBroken
from teams.workflows.testing._sketch import Ledger

Check = Callable[[RunRow, Sequence[JournalEntry]], Iterator[str]]
ENDS = ("done", "failed", "slept", "signalled", "answered", "expired", "skipped")


def judge(disk: Disk, tables: Tables, ledger: Ledger) -> None:
    """Raises PromiseBroken for the first promise that does not hold. `tables` is the durable half at the end."""
    now = disk.now() / 1e6
    for promise, found in (
        ("1 acknowledged and there", acknowledged(disk, tables)),
        ("4 one writer", one_writer(disk)),
        ("7 values as they were", values_as_they_were(ledger)),
        ("8 one key a step", one_key(ledger)),
        ("12 one run a key", one_run_a_key(tables)),
        ("14 signals once, in order", signals(tables)),
        ("12 one run goes on", goes_on(tables)),
    ):
        _raise(now, promise, found)
    for id, row in tables.runs.items():
        entries = tables.entries.get(id, [])
        for promise, check in RUNS.items():
            _raise(now, promise, (f"run {id}: {each}" for each in check(row, entries)))


def _raise(now: float, promise: str, found: Iterator[str]) -> None:
    for each in found:
        raise PromiseBroken(now, promise, each)


def acknowledged(disk: Disk, tables: Tables) -> Iterator[str]:
    """What was acknowledged is in the store."""
    for commit in disk.acknowledged:
        for unit, answer in commit.answers:
            if isinstance(answer, Known) and answer.run.id not in tables.runs:
                yield f"run {answer.run.id} was known to process {commit.process}"
            if not isinstance(answer, Written):
                continue
            if unit.start is not None and unit.run not in tables.runs:
                yield f"run {unit.run} was started by process {commit.process}"
            stored = {entry.seq: entry for entry in tables.entries.get(unit.run, ())}
            for entry in unit.entries:
                if stored.get(entry.seq) != entry:
                    yield f"{entry} was written by process {commit.process}, and there is {stored.get(entry.seq)}"
            for row in unit.inbox:
                if row.id not in tables.inbox:
                    yield f"{row} was written by process {commit.process}"


def one_writer(disk: Disk) -> Iterator[str]:
    """No entry was acknowledged to two processes."""
    writers: dict[tuple[str, int], int] = {}
    for commit in disk.acknowledged:
        for unit, answer in commit.answers:
            if isinstance(answer, Written):
                for entry in unit.entries:
                    first = writers.setdefault((entry.run, entry.seq), commit.process)
                    if first != commit.process:
                        yield f"{entry} was acknowledged to processes {first} and {commit.process}"


def values_as_they_were(ledger: Ledger) -> Iterator[str]:
    """A step that begins again gets what it got the first time."""
    for work, inputs in ledger.inputs.items():
        if any(each != inputs[0] for each in inputs):
            yield f"{work} got {inputs}"


def one_key(ledger: Ledger) -> Iterator[str]:
    """The key of a step stays the same, but for the number of the attempt, and no other step has it."""
    keys: dict[str, set[str]] = {}
    for work, inputs in ledger.inputs.items():
        for given in inputs:
            who = str([given["run"], given["step"], given.get("item"), (given.get("last") or {}).get("round")])
            keys.setdefault(who, set()).add(work.partition("~")[0])
    owners: dict[str, str] = {}
    for who, found in keys.items():
        if len(found) > 1:
            yield f"{who} has the keys {sorted(found)}"
        for key in found:
            if owners.setdefault(key, who) != who:
                yield f"{key} is the key of {owners[key]} and of {who}"


def released(disk: Disk) -> None:
    """An engine that was stopped in order has left no lease behind. Raises PromiseBroken."""
    left = [each for each in disk.durable.engines.values() if each.pid not in disk.dead]
    last = max(left, key=lambda each: each.epoch, default=None)
    if last is not None and last.lease_until > disk.now():
        raise PromiseBroken(disk.now() / 1e6, "21 nothing left", f"{last} has a lease")


def one_run_a_key(tables: Tables) -> Iterator[str]:
    """There is one run for a workflow and a key."""
    keys = Counter((row.workflow, row.key) for row in tables.runs.values() if row.key is not None)
    for (flow, key), count in keys.items():
        if count > 1:
            yield f"{flow} has {count} runs with the key {key!r}"


def goes_on(tables: Tables) -> Iterator[str]:
    """A run that another goes on for has just that one, and no other run has one."""
    found = {row.id: decode(row.result or b"null") for row in tables.runs.values() if row.state == "continued"}
    made = sorted((row.parent, row.id) for row in tables.runs.values() if row.parent_step == CONTINUED)
    if made != sorted(found.items()):
        yield f"{found} say that they are continued, and {made} go on"


def signals(tables: Tables) -> Iterator[str]:
    """A signal is taken once, and those of one name in the order in which they came."""
    arrived = {id: place for place, id in enumerate(tables.inbox)}
    for run, entries in tables.entries.items():
        taken = [decode(entry.body or b"{}")["id"] for entry in entries if entry.kind in ("signalled", "answered")]
        for id, count in Counter(taken).items():
            if count > 1:
                yield f"run {run}: {id} was taken {count} times"
            if id not in arrived:
                yield f"run {run}: {id} was taken, and there is no such message"
        names: dict[str, int] = {}
        for id in taken:
            row = tables.inbox[id]
            if arrived[id] < names.get(row.name, -1):
                yield f"run {run}: {id} was taken after a later one"
            names[row.name] = arrived[id]


# Of each run


def in_order(row: RunRow, entries: Sequence[JournalEntry]) -> Iterator[str]:
    """Entries are numbered without a gap, and nothing follows the end."""
    if [entry.seq for entry in entries] != list(range(1, len(entries) + 1)) or row.seq != len(entries):
        yield f"entries {[entry.seq for entry in entries]}, seq {row.seq}"
    last = None
    for entry in entries:
        if last is not None and last.kind == "ended" and entry.kind not in ("retried", "edited"):
            yield f"{entry} follows the end"
        last = entry
    if row.state in ENDED and (last is None or last.kind != "ended"):
        yield f"it is {row.state}, and its last entry is {last}"


def never_begun_again(row: RunRow, entries: Sequence[JournalEntry]) -> Iterator[str]:
    """A step that has ended does not begin again."""
    ended: set[tuple[str, int]] = set()
    for entry in entries:
        key = entry.step, entry.attempt
        if entry.kind == "retried":
            ended.clear()
        elif entry.kind in ENDS:
            ended.add(key)
        elif entry.kind in ("began", "asked") and key in ended:
            yield f"{entry} begins again"


def one_outcome(row: RunRow, entries: Sequence[JournalEntry]) -> Iterator[str]:
    """A step has one outcome an attempt. A failed step may be skipped after it."""
    ends: dict[tuple[str, int], JournalEntry] = {}
    for entry in entries:
        key = entry.step, entry.attempt
        if entry.kind == "retried":
            ends.clear()
        elif entry.kind in ENDS:
            before = ends.get(key)
            if before is not None and not (before.kind == "failed" and entry.kind == "skipped"):
                yield f"{before}, and then {entry}"
            ends[key] = entry


def begun_and_ended(row: RunRow, entries: Sequence[JournalEntry]) -> Iterator[str]:
    """Of a run that is done, every step that began has ended."""
    if row.state != "done":
        return
    began = {(entry.step, entry.attempt) for entry in entries if entry.kind in ("began", "asked")}
    passed = tuple(f"{entry.step}{mark}" for entry in entries if entry.kind == "skipped" for mark in "/[#")
    ended = {(entry.step, entry.attempt) for entry in entries if entry.kind in ENDS}
    parts = {step for step, _ in ended}
    for step, attempt in sorted(began - ended):
        # A pattern ends with its steps; what another item or step made needless was called off.
        if not any(each.startswith(f"{step}/") for each in parts) and not step.startswith(passed):
            yield f"{step} (attempt {attempt}) began and did not end"


def timers(row: RunRow, entries: Sequence[JournalEntry]) -> Iterator[str]:
    """A timer does not fire early."""
    until: dict[tuple[str, int], int | None] = {}
    for entry in entries:
        key = entry.step, entry.attempt
        said = None if entry.body is None else decode(entry.body)
        if entry.kind in ("began", "asked") and isinstance(said, dict):
            until[key] = said["until"]
        if entry.kind in ("slept", "expired"):
            due = until.get(key)
            if due is None or entry.at < due:
                yield f"{entry} was due at {due}"


def undone_in_reverse(row: RunRow, entries: Sequence[JournalEntry]) -> Iterator[str]:
    """Steps are undone last first, none twice, none that was not done."""
    done: dict[str, int] = {}
    undone: list[str] = []
    for entry in entries:
        if entry.kind != "done":
            continue
        step, _, last = entry.step.rpartition("/")
        if last == "undo":
            undone.append(step)
        else:
            done[entry.step] = entry.seq
    names = [each.partition("~")[0] for each in undone]
    for step in names:
        if step not in done:
            yield f"{step} was undone, and was not done"
    if len(set(undone)) != len(undone):
        yield f"undone twice: {undone}"
    places = [done[step] for step in names if step in done]
    if places != sorted(places, reverse=True):
        yield f"undone in the order {undone}"


def left_done(entries: Sequence[JournalEntry]) -> list[str]:
    """The steps that can be undone, are done, and are not undone."""
    left: dict[str, None] = {}
    for entry in entries:
        said = None if entry.body is None else decode(entry.body)
        if entry.kind == "kept" and isinstance(said, dict) and "undo" in said and "step" in said:
            left[said["step"]] = None
        elif entry.kind == "done" and entry.step.endswith("/undo"):
            left.pop(entry.step.removesuffix("/undo"), None)
    return [*left]


def undone_when_cancelled(row: RunRow, entries: Sequence[JournalEntry]) -> Iterator[str]:
    """Of a run that was cancelled, and not at once, nothing is left done that can be undone."""
    orders = [decode(entry.body or b"{}") for entry in entries if entry.step == "(cancel)"]
    if row.state == "cancelled" and orders and orders[-1]["undo"] and (left := left_done(entries)):
        yield f"it was cancelled, and is not undone: {left}"


def chosen_once(row: RunRow, entries: Sequence[JournalEntry]) -> Iterator[str]:
    """What was decided, a rule or how steps run, is not decided again."""
    decided: dict[str, JournalEntry] = {}
    for entry in entries:
        if entry.kind == "retried":
            decided.clear()
        elif entry.kind == "routed" and decided.setdefault(entry.step, entry) is not entry:
            yield f"{decided[entry.step]}, and then {entry}"


RUNS: dict[str, Check] = {
    "3 entries in order": in_order,
    "2 done and not begun again": never_begun_again,
    "3 one outcome": one_outcome,
    "3 decided once": chosen_once,
    "5 begun and ended": begun_and_ended,
    "13 timers": timers,
    "11 undone in reverse": undone_in_reverse,
    "11 undone when cancelled": undone_when_cancelled,
}
"""What holds of each run."""
