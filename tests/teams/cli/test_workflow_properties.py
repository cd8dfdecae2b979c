"""Whatever is typed, and whatever is in the store, the command line ends in a typed outcome."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from supervisors import SpecError
from teams._journal.codec import encode
from teams._journal.rows import KINDS, STATES, JournalEntry, RunRow
from teams.cli._workflow_target import read_value, since
from teams.cli._workflow_text import entry_json, entry_line, run_json, run_lines, step_states
from teams.workflows._run.hidden import Hidden

TEXTS = st.text(max_size=20) | st.sampled_from(["\x1b[2J", "a/b", "a#2", "a[3]", "a/undo", "a/pause", "(message x)"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
ENTRIES = st.builds(
    JournalEntry,
    run=st.just("r"),
    seq=st.integers(1, 100),
    kind=st.sampled_from(KINDS),
    step=TEXTS,
    attempt=st.integers(1, 3),
    at=st.integers(0, 2**52),
    seconds=st.none() | st.floats(0, 1e6),
    body=st.none() | JSON.map(encode) | st.binary(max_size=10),
)
ROWS = st.builds(
    RunRow, id=TEXTS, workflow=TEXTS, version=TEXTS, key=st.none() | TEXTS, parent=st.none(), parent_step=st.none(),
    state=st.sampled_from(STATES), waiting_for=st.none() | TEXTS, priority=st.integers(), input=st.just(b"null"),
    result=st.none(), error=st.none(), attributes=st.none(), created_at=st.integers(0, 2**52), started_at=st.none(),
    ended_at=st.none() | st.integers(0, 2**52), deadline=st.none(), wake_at=st.none(), retain_until=st.none(),
    owner=st.none(), epoch=st.just(0), seq=st.just(0), total=st.none(), trace=st.none(),
)  # fmt: skip


@given(st.text())
def test_any_text_is_a_value_or_is_refused(text: str) -> None:
    if text != "-" and not text.startswith("@"):
        try:
            found = read_value("--input", text)
        except SpecError:
            return
        assert json.loads(encode(found)) == found


@given(JSON)
def test_json_is_read_as_the_value_it_is(value: object) -> None:
    assert read_value("--input", encode(value).decode()) == value


@given(st.text() | st.from_regex(r"\d{1,400}(\.\d+)?(ms|s|m|h)", fullmatch=True) | st.datetimes().map(str))
def test_any_time_is_one_the_store_can_hold_or_is_refused(text: str) -> None:
    try:
        found = since(text, 1_800_000_000_000_000)
    except SpecError:
        return
    assert found is not None
    assert -(2**63) <= found < 2**63


@given(ENTRIES, st.dictionaries(TEXTS, st.just(("a", "$.b[0]")), max_size=2))
def test_any_entry_is_one_printable_line(entry: JournalEntry, hidden: dict[str, tuple[str, ...]]) -> None:
    steps = [{"id": step, "redact": paths, "wait": step} for step, paths in hidden.items()]
    shown = Hidden(json.dumps({"steps": steps}).encode()).entry(entry)
    for line in (entry_line(shown), entry_json(shown)):
        assert line.isprintable()
    assert len(entry_line(shown)) < 500


@given(ROWS)
def test_any_run_is_one_printable_line(row: RunRow) -> None:
    (line,) = run_lines([row])
    assert line.isprintable()
    assert run_json(row).isprintable()


@given(ROWS, st.lists(ENTRIES, max_size=8))
def test_any_history_has_a_picture(row: RunRow, entries: list[JournalEntry]) -> None:
    states = step_states(row, entries)
    assert "" not in states
    if row.ended_at is not None:
        assert not {"running", "waiting"} & set(states.values()) - {row.state}
