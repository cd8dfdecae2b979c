"""`letitcrash workflow start --wait`: the run is played in this process, and the exit code says how it ended. What was
said to the run before an engine had it is heard.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from teams._journal.errors import StoreAway
from teams._journal.rows import Result, Unit
from teams._journal.sql import SqlStore
from tests.teams.cli.workflows import FILE, INPUT, Letitcrash, folder, inbox, letitcrash, run_with, store

__all__ = ["folder", "letitcrash"]

SPAM = '{"message": "winner"}'
"""The input of a run that asks no person."""


def play(letitcrash: Letitcrash, *arguments: str) -> tuple[int, str, str]:
    return letitcrash("start", "support.toml", "--wait", "--timeout", "60", *arguments)


def test_a_run_that_is_done_gives_its_result(letitcrash: Letitcrash) -> None:
    code, out, err = play(letitcrash, "--input", SPAM)
    assert (code, out) == (0, "thank you\n")
    assert err.startswith("letitcrash: run ")
    found = json.loads(play(letitcrash, "--input", SPAM, "--json").out)  # type: ignore[attr-defined]
    assert (found["state"], found["result"], found["percentage"]) == ("done", "thank you", 100.0)


def test_a_run_that_fails_says_why_and_cannot_steer_the_terminal(letitcrash: Letitcrash, folder: Path) -> None:
    (folder / "support.toml").write_text(FILE.replace('"$classify.category" }', '"broken" }'))
    code, out, err = play(letitcrash, "--input", INPUT, "--key", "k")
    assert code == 1
    assert "no [bold]luck\\x1b[31m" in out
    assert "\x1b" not in out + err
    run = letitcrash("list").out.split()[0]
    assert "2  process   failed" in letitcrash("graph", run).out
    (folder / "support.toml").write_text(FILE)
    assert letitcrash("retry", run, "--from", "classify").code == 0
    assert letitcrash("status", run).code == 0
    assert play(letitcrash, "--input", INPUT, "--key", "k")[0] == 1
    assert letitcrash("status", run, "--wait").code == 1  # in the version it began with


def test_a_run_that_asks_exits_with_5_and_goes_on_with_the_answer(letitcrash: Letitcrash) -> None:
    code, out, _ = play(letitcrash, "--input", INPUT, "--key", "k")
    assert code == 5
    assert "question  approve: Send it?" in out
    run = out.split()[1]
    assert letitcrash("answer", run, "approve", "yes").code == 0
    assert play(letitcrash, "--input", INPUT, "--key", "k")[:2] == (0, "billing desk\n")
    assert inbox(run) == []


@pytest.mark.parametrize("now", [(), ("--now",)])
def test_a_cancellation_is_heard_by_the_engine_that_comes(letitcrash: Letitcrash, now: tuple[str, ...]) -> None:
    run = run_with(letitcrash, "--key", "k")
    assert letitcrash("cancel", run, "--reason", "not needed", *now).code == 0
    code, out, _ = play(letitcrash, "--input", INPUT, "--key", "k")
    assert code == 6
    assert "not needed" in out
    assert letitcrash("cancel", run).code == 1
    assert letitcrash("retry", run).code == 0
    assert play(letitcrash, "--input", INPUT, "--key", "k")[0] == 5


def test_a_pause_is_heard_by_the_engine_that_comes_and_a_resume(letitcrash: Letitcrash) -> None:
    run = run_with(letitcrash, "--key", "k")
    letitcrash("pause", run)
    code, out, _ = play(letitcrash, "--input", INPUT, "--key", "k")
    assert (code, "state     paused" in out) == (5, True)
    letitcrash("signal", run, "early", "1")
    assert play(letitcrash, "--input", INPUT, "--key", "k")[0] == 5
    status = letitcrash("status", run, "--json")
    assert (status.code, json.loads(status.out)["unread"]) == (5, ["early"])
    letitcrash("resume", run)
    code, out, _ = play(letitcrash, "--input", INPUT, "--key", "k")
    assert (code, "question  approve" in out) == (5, True)


def test_a_signal_waits_for_the_step_that_takes_it(letitcrash: Letitcrash, folder: Path) -> None:
    (folder / "support.toml").write_text('workflow = "w"\n[[steps]]\nid = "paid"\nwait = "paid"\n')
    run = letitcrash("start", "support.toml", "--key", "k", "--store", "sqlite:///support.db").out.strip()
    assert letitcrash("signal", run, "paid", '{"amount": 12}').code == 0
    said = letitcrash("start", "support.toml", "--key", "k", "--store", "sqlite:///support.db", "--wait")
    assert (said.code, said.out) == (0, '{"amount":12}\n')


def test_a_wait_that_runs_out_exits_with_124_and_the_run_goes_on(letitcrash: Letitcrash, folder: Path) -> None:
    (folder / "support.toml").write_text('workflow = "w"\n[[steps]]\nid = "nap"\nsleep = "1h"\n')
    said = play(letitcrash, "--store", "sqlite:///support.db", "--key", "k", "--timeout", "0.3")
    assert said[:2] == (124, "")
    assert "has not ended in time" in said[2]
    run = letitcrash("list").out.split()[0]
    assert letitcrash("history", run, "--follow", "--timeout", "0.2").code == 124
    assert letitcrash("status", run, "--wait", "--timeout", "0.2").code == 124
    assert json.loads(letitcrash("status", run, "--json").out)["ended_at"] is None


def test_a_moved_run_is_played_in_its_new_version(letitcrash: Letitcrash, folder: Path) -> None:
    run = run_with(letitcrash, "--key", "k")
    (folder / "support.toml").write_text(FILE.replace('agent = "responder"', 'agent = "classifier"'))
    assert letitcrash("move", run, "--to", "support.toml").code == 0
    assert play(letitcrash, "--input", INPUT, "--key", "k")[0] == 5
    text = FILE.replace('agent = "responder"', 'agent = "processor"').replace('processed = "$', 'category = "$')
    (folder / "support.toml").write_text(text)
    assert letitcrash("move", run, "--to", "support.toml").code == 0
    letitcrash("answer", run, "approve", "yes")
    assert play(letitcrash, "--input", INPUT, "--key", "k")[:2] == (0, '{"result":"billing desk desk"}\n')


def test_a_run_whose_code_is_gone_is_blocked_and_goes_on_when_it_is_back(letitcrash: Letitcrash, folder: Path) -> None:
    old = 'workflow = "w"\n[[steps]]\nid = "ok"\nask = "Fine?"\n[[steps]]\nid = "a"\nrun = "old_agents:work"\n'
    (folder / "old_agents.py").write_text("def work(value): return [value]\n")
    (folder / "support.toml").write_text(old)
    arguments = ("--store", "sqlite:///support.db", "--key", "k")
    assert play(letitcrash, *arguments)[0] == 5
    run = letitcrash("list").out.split()[0]
    letitcrash("answer", run, "ok", "yes")
    (folder / "old_agents.py").rename(folder / "kept_agents.txt")
    (folder / "support.toml").write_text(old.replace("old_agents:work", "desk_agents:respond"))
    del sys.modules["old_agents"]
    code, out, _ = play(letitcrash, *arguments)
    assert code == 5
    assert "state     blocked" in out
    assert "old_agents" in out
    (folder / "kept_agents.txt").rename(folder / "old_agents.py")
    letitcrash("resume", run)
    assert play(letitcrash, *arguments)[:2] == (0, '["yes"]\n')


def test_an_sql_store_without_its_extra_names_the_extra(
    letitcrash: Letitcrash, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("teams._journal.sql", "teams._journal.sql_dialects", "teams._journal.sql_tables"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    said = letitcrash("start", "support.toml", "--input", INPUT)
    assert said.code == 4
    assert "pip install 'letitcrash[workflows]'" in said.err


def test_the_engine_leaves_no_lease_and_no_lock(letitcrash: Letitcrash) -> None:
    play(letitcrash, "--input", SPAM)
    with store() as found:
        epoch = found.register("host", 1, 60.0)
        assert [each.epoch for each in found.engines() if each.lease_until > found.now()] == [epoch]
        found.release(epoch)


def test_no_command_shows_what_a_step_redacts(letitcrash: Letitcrash, folder: Path) -> None:
    text = FILE.replace('id = "respond"\n', 'id = "respond"\nredact = "$"\n').replace(
        'id = "classify"\n', 'id = "classify"\nredact = "category"\n'
    )
    (folder / "support.toml").write_text(text)
    run = play(letitcrash, "--input", SPAM, "--json")
    assert json.loads(run.out)["result"] == "[redacted]"  # type: ignore[attr-defined]
    id = letitcrash("list").out.split()[0]
    for command in (("status", id), ("status", id, "--json"), ("history", id), ("history", id, "--json")):
        said = letitcrash(*command).out
        assert "[redacted]" in said
        assert "thank you" not in said
        assert "spam" not in said.replace("'spam'", "")
    dry = letitcrash("dry-run", "support.toml", "--input", SPAM).out
    assert 'classify  classifier  {"message":"winner"} -> ' in dry
    assert "respond  responder  [redacted] -> [redacted]" in dry
    assert "result  [redacted]" in dry


def test_a_store_that_is_full_is_told_while_the_run_waits(
    letitcrash: Letitcrash, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards --wait: it ended with 124 after its time, and without a word about the store."""
    commit, left = SqlStore.commit, [2]

    def full(self: SqlStore, units: Sequence[Unit]) -> list[Result]:
        if any(unit.entries for unit in units) and left[0]:
            left[0] -= 1
            raise StoreAway(self.url, "the disk is full (x). Free\nsome space", True)
        return commit(self, units)

    monkeypatch.setattr(SqlStore, "commit", full)
    code, out, err = play(letitcrash, "--input", SPAM)
    assert (code, out) == (0, "thank you\n")
    _, lost, *more, back = err.splitlines()
    assert lost.startswith("letitcrash: the run waits: store sqlite:///support.db: the disk is full (x). Free")
    assert back == "letitcrash: the store answers again"
    assert not any(each.startswith("letitcrash") for each in more)
