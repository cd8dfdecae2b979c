"""`letitcrash workflow`: what each command reads from the store, writes to it and says, without an engine."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from teams._journal.codec import decode, encode
from teams._journal.process import own_name
from teams._journal.sql import SqlStore
from teams.cli._app import app
from teams.patterns import Rejected
from teams.workflows import Scores
from teams.workflows._run.values import write
from tests.teams.cli.workflows import (
    INPUT,
    STORE,
    Letitcrash,
    asks,
    folder,
    inbox,
    letitcrash,
    no_store,
    played,
    run_with,
    store,
    waiting,
)

__all__ = ["folder", "letitcrash", "no_store"]


# start


def test_start_writes_a_run_and_says_its_id_alone_on_stdout(letitcrash: Letitcrash) -> None:
    said = letitcrash("start", "support.toml", "--input", INPUT, "--priority", "3")
    assert said.code == 0
    with store() as found:
        row = found.run(said.out.strip())
        assert row is not None
        assert (row.workflow, row.state, row.priority, row.owner) == ("support", "created", 3, None)
        assert json.loads(row.input) == json.loads(INPUT)
        assert found.definition("support", row.version) is not None
    assert "no engine has the store now" in said.err


def test_a_second_start_with_a_key_is_the_same_run(letitcrash: Letitcrash) -> None:
    run = run_with(letitcrash, "--key", "mail")
    assert run_with(letitcrash, "--key", "mail") == run
    said = letitcrash("start", "support.toml", "--input", '{"message": "other"}', "--key", "mail")
    assert said.code == 1
    assert run in said.err


def test_start_takes_the_name_of_a_workflow_the_store_has(letitcrash: Letitcrash) -> None:
    first = run_with(letitcrash)
    said = letitcrash("start", "support", "--input", INPUT)
    assert said.code == 0
    with store() as found:
        rows = {each.id: each.version for each in found.runs()}
    assert rows[said.out.strip()] == rows[first]
    assert letitcrash("start", "sport").code == 3


def test_the_input_comes_from_a_file_or_from_stdin(letitcrash: Letitcrash, folder: Path) -> None:
    (folder / "input.json").write_text(INPUT)
    for option, stdin in (("@input.json", None), ("-", INPUT)):
        said = letitcrash("start", "support.toml", "--input", option, stdin=stdin)
        with store() as found:
            row = found.run(said.out.strip())
            assert row is not None
            assert json.loads(row.input) == json.loads(INPUT)


def test_start_takes_an_engine_of_a_module(letitcrash: Letitcrash, folder: Path) -> None:
    (folder / "desk_engine.py").write_text(
        "from teams.workflows import do, engine, workflow\n"
        "def work(value): return value\n"
        "spec = engine('engine', workflow('w', do('a', work)), store='sqlite:///support.db')\n"
    )
    said = letitcrash("start", "desk_engine:spec", "--input", "1", "--json")
    assert (said.code, json.loads(said.out)["workflow"]) == (0, "w")


def test_the_store_is_that_of_the_option_then_the_variable_then_the_file(
    letitcrash: Letitcrash, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LETITCRASH_STORE", "sqlite:///variable.db")
    run_with(letitcrash)
    run_with(letitcrash, "--store", "sqlite:///option.db")
    monkeypatch.delenv("LETITCRASH_STORE")
    run_with(letitcrash)
    (folder / "support.toml").write_text((folder / "support.toml").read_text().replace(f'store = "{STORE}"', ""))
    run_with(letitcrash)
    for name in ("variable", "option", "support", "runs"):
        assert len(letitcrash("list", "--store", f"sqlite:///{name}.db").out.splitlines()) == 1


# status, list, history


def test_status_tells_progress_questions_and_unread_signals(letitcrash: Letitcrash) -> None:
    run = run_with(letitcrash)
    waiting(run)
    letitcrash("signal", run, "unread-one", "1")
    said = letitcrash("status", run)
    assert said.code == 5
    for text in (run, "waiting, for a person", "2 of 4 done", "approve: Send it?", "unread    unread-one"):
        assert text in said.out
    found = json.loads(letitcrash("status", run, "--json").out)
    assert (found["state"], found["questions"], found["percentage"]) == ("waiting", {"approve": "Send it?"}, 50.0)


def test_status_tells_which_process_has_a_run_and_whether_it_is_there(letitcrash: Letitcrash, folder: Path) -> None:
    run = run_with(letitcrash)
    assert "engine  " not in letitcrash("status", run).out
    own, unknown = own_name(), "process 7 on here; whether it is there is not known here"
    next_one = "the next engine that serves the store goes on with it"
    cases = [("another-boot pid:[1] 7 7", 60.0, unknown), (None, 60.0, unknown)]
    cases += [(None, 0.0, f"the lease of its process is over; {next_one}")]
    if own is not None:
        where, started = own.rsplit(" ", 1)
        cases += [(own, 60.0, "process 7 on here")]
        cases += [(f"{where} {int(started) - 1}", 60.0, f"its process is gone; {next_one}")]
    for process, lease, said in cases:
        with store() as found:
            for each in found.engines():
                found.release(each.epoch)
            epoch = found.register("here", 7, 60.0)
            assert [each.id for each in found.claim(epoch, 1)] == [run]
            found.renew(epoch, lease)
        with contextlib.closing(sqlite3.connect(folder / "support.db")) as file, file:
            file.execute("UPDATE engine SET process = ? WHERE epoch = ?", (process, epoch))
        assert f"engine    {said}\n" in letitcrash("status", run).out
        none = "no engine has the store now" in letitcrash("signal", run, "news", "1").err
        assert none == (next_one in said)
    with store() as found:
        found.release(epoch)
    assert "engine  " not in letitcrash("status", run).out


def test_status_and_history_tell_what_auto_chose_and_why(letitcrash: Letitcrash) -> None:
    run = run_with(letitcrash)
    chosen = {
        "execution": "sequential",
        "reason": "high_system_load",
        "detail": "90% of the capacity is in use, 1 free",
    }
    played(run, ("routed", "(execution)", chosen), state="waiting")
    said = letitcrash("status", run).out
    assert "execution sequential, high_system_load: 90% of the capacity is in use, 1 free\n" in said
    assert json.loads(letitcrash("status", run, "--json").out)["execution"] == chosen
    assert '(execution)  {"execution":"sequential","reason":"high_system_load"' in letitcrash("history", run).out


def test_status_tells_the_scores_of_results(letitcrash: Letitcrash) -> None:
    run = run_with(letitcrash)
    scores = Scores("GENERIC", 0.45, {"accuracy": 0.9}, 0.85, ("accuracy",), ("completeness",))
    played(run, ("done", "classify/.quality", decode(write(Rejected(scores)))))
    said = letitcrash("status", run).out
    assert "quality   classify: 0.45 too low (GENERIC: accuracy 0.9, completeness missing)" in said
    found = json.loads(letitcrash("status", run, "--json").out)["quality"]["classify"]
    assert (found["score"], found["scores"], found["missing"]) == (0.45, {"accuracy": 0.9}, ["completeness"])


@pytest.mark.parametrize(
    ("state", "code"), [("done", 0), ("failed", 1), ("cancelled", 6), ("blocked", 5), ("paused", 5), ("running", 0)]
)
def test_the_exit_code_of_status_says_how_the_run_is(letitcrash: Letitcrash, state: str, code: int) -> None:
    run = run_with(letitcrash)
    error = encode({"type": "RunFailed", "text": "no luck", "step": None, "cause": None})
    ended = state in ("done", "failed", "cancelled")
    played(
        run,
        ("began", "classify", "classifier"),
        state=state,
        ended_at=1 if ended else None,
        result=encode({"a": 1}) if state == "done" else None,
        error=error if state in ("failed", "cancelled") else None,
    )
    said = letitcrash("status", run)
    assert said.code == code
    assert ('{"a":1}' in said.out) is (state == "done")
    assert ("no luck" in said.out) is (state in ("failed", "cancelled"))


def test_list_shows_the_newest_runs_first_by_state_and_workflow(letitcrash: Letitcrash) -> None:
    runs = [run_with(letitcrash) for _ in range(3)]
    waiting(runs[0])
    lines = letitcrash("list").out.splitlines()
    assert [line.split()[0] for line in lines] == runs[::-1]
    assert [line.split()[0] for line in letitcrash("list", "--state", "waiting").out.splitlines()] == runs[:1]
    assert letitcrash("list", "--workflow", "other").out == ""
    assert len(letitcrash("list", "--since", "1h", "--limit", "2").out.splitlines()) == 2
    assert letitcrash("list", "--since", "2126-01-01T00:00:00Z").out == ""
    assert {json.loads(line)["id"] for line in letitcrash("list", "--json").out.splitlines()} == set(runs)


def test_history_shows_every_entry_in_order(letitcrash: Letitcrash) -> None:
    run = run_with(letitcrash)
    waiting(run)
    rows = [json.loads(line) for line in letitcrash("history", run, "--json").out.splitlines()]
    assert [(each["seq"], each["kind"], each["step"]) for each in rows] == [
        (1, "began", "classify"),
        (2, "done", "classify"),
        (3, "began", "process"),
        (4, "done", "process"),
        (5, "asked", "approve"),
    ]
    assert len(letitcrash("history", run).out.splitlines()) == 5


def test_history_hides_what_a_step_redacts(letitcrash: Letitcrash, folder: Path) -> None:
    text = (folder / "support.toml").read_text()
    (folder / "support.toml").write_text(text.replace('id = "classify"\n', 'id = "classify"\nredact = ["card"]\n'))
    run = run_with(letitcrash)
    undo = {"undo": "support/classify", "step": "classify", "value": {"input": {"card": "4711"}, "result": None}}
    played(run, ("began", "classify", "x"), ("done", "classify", {"card": "4711"}), ("kept", "classify (undo)", undo))
    for form in ((), ("--json",)):
        said = letitcrash("history", run, *form)
        assert "4711" not in said.out
        assert said.out.count("[redacted]") == 2


def test_texts_of_users_cannot_steer_the_terminal(letitcrash: Letitcrash) -> None:
    run = run_with(letitcrash, "--key", "\x1b[31mred")
    played(run, ("asked", "approve", asks("\x1b[2J clear\nline")), state="waiting", waiting_for="\x1b[2J" * 500)
    letitcrash("signal", run, "\x1b[1m")
    for command in (("status", run), ("list",), ("history", run), ("graph", run), ("status", run, "--json")):
        said = letitcrash(*command)
        assert "\x1b" not in said.out + said.err
        assert "--json" in command or max(map(len, said.out.splitlines())) < 1000


# What is said to runs


@pytest.mark.parametrize(
    ("command", "kind", "name", "body"),
    [
        (("pause",), "pause", "", None),
        (("cancel", "--reason", "enough"), "cancel", "", "enough"),
        (("cancel", "--now"), "cancel", "now", "cancelled by the command line"),
        (("signal", "paid", "[12]"), "signal", "paid", [12]),
        (("signal", "paid"), "signal", "paid", None),
        (("answer", "approve", "yes", "--by", "ann"), "answer", "approve", "yes"),
    ],
)
def test_what_is_said_waits_in_the_store(
    letitcrash: Letitcrash, command: tuple[str, ...], kind: str, name: str, body: Any
) -> None:
    run = run_with(letitcrash)
    waiting(run)
    said = letitcrash(command[0], run, *command[1:])
    assert said.code == 0, said.err
    (row,) = inbox(run)
    assert (row.kind, row.name) == (kind, name)
    assert (None if row.body is None else json.loads(row.body)) == body
    assert "no engine has the store now" in said.err


@pytest.mark.parametrize("command", ["pause", "cancel", "resume", "signal", "answer"])
def test_nothing_is_said_to_a_run_that_has_ended_or_is_missing(letitcrash: Letitcrash, command: str) -> None:
    run = run_with(letitcrash)
    played(run, ("ended", "", "done"), state="done", ended_at=1)
    more = {"signal": ("paid",), "answer": ("approve", "yes")}.get(command, ())
    said = letitcrash(command, run, *more)
    assert said.code == (3 if command == "answer" else 1)
    assert letitcrash(command, "missing", *more).code == 3
    assert inbox(run) == []


def test_resume_writes_only_what_a_run_needs(letitcrash: Letitcrash) -> None:
    run = run_with(letitcrash)
    assert "neither paused nor blocked" in letitcrash("resume", run).err
    assert inbox(run) == []
    letitcrash("pause", run)
    letitcrash("resume", run)
    assert [each.kind for each in inbox(run)] == ["pause", "resume"]
    played(run, ("began", "classify", "x"), state="blocked", waiting_for="a person to look")
    letitcrash("resume", run, "--accept-changes")
    assert inbox(run)[-1].name == "accept_changes"


def test_an_answer_counts_once_and_must_be_an_option(letitcrash: Letitcrash) -> None:
    run = run_with(letitcrash)
    waiting(run)
    assert letitcrash("answer", run, "approve", "perhaps").code == 2
    assert letitcrash("answer", run, "process", "yes").code == 3
    assert letitcrash("answer", run, "approve", "yes", "--by", "ann").code == 0
    again = letitcrash("answer", run, "approve", "no")
    assert again.code == 1
    assert "answered by ann" in again.err
    assert len(inbox(run)) == 1
    assert json.loads(letitcrash("status", run, "--json").out)["questions"] == {}


def test_retry_goes_on_with_a_run_that_failed(letitcrash: Letitcrash) -> None:
    run = run_with(letitcrash)
    assert letitcrash("retry", run).code == 1
    played(run, ("began", "classify", "x"), ("failed", "classify", {}), ("ended", "", ""), state="failed", ended_at=1)
    assert letitcrash("retry", run, "--from", "nowhere").code == 3
    assert letitcrash("retry", run, "--from", "classify").code == 0
    with store() as found:
        row = found.run(run)
        assert row is not None
        assert (row.state, row.owner, row.ended_at) == ("created", None, None)
        assert found.entries(run)[-1].kind == "retried"
    assert letitcrash("retry", "missing").code == 3


# move


def test_move_takes_a_run_to_a_version_with_the_same_past(letitcrash: Letitcrash, folder: Path) -> None:
    run = run_with(letitcrash)
    waiting(run)
    text = (folder / "support.toml").read_text()
    (folder / "next.toml").write_text(text.replace('id = "respond"', 'id = "reply"'))
    assert letitcrash("move", run, "--to", "next.toml").code == 0
    with store() as found:
        row = found.run(run)
        assert row is not None
        definition = found.definition("support", row.version)
        assert definition is not None
        assert b'"reply"' in definition.body
        assert found.entries(run)[-1].kind == "edited"
    back = letitcrash("move", run, "--to", row.version[:8])
    assert "has this version already" in back.err
    with store() as found:
        (first,) = {each.version for each in found.definitions("support")} - {row.version}
    assert letitcrash("move", run, "--to", first[:8]).code == 0


def test_move_names_each_step_that_is_another_one_there(letitcrash: Letitcrash, folder: Path) -> None:
    run = run_with(letitcrash)
    before = waiting(run)
    text = (folder / "support.toml").read_text()
    changed = text.replace('id = "process"', 'id = "handle"').replace("$process", "$handle").replace("Send", "Post")
    (folder / "next.toml").write_text(changed)
    said = letitcrash("move", run, "--to", "next.toml")
    assert said.code == 1
    assert "step 'process' is missing there; step 'approve' is another one there" in said.err
    with store() as found:
        assert found.run(run) == before
        assert len(found.definitions("support")) == 1


def test_a_run_that_an_engine_takes_up_meanwhile_is_moved_by_that(
    letitcrash: Letitcrash, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the time between a look at the run and the commit: its engine must not lose it."""
    run = run_with(letitcrash)
    (folder / "next.toml").write_text((folder / "support.toml").read_text().replace('id = "respond"', 'id = "reply"'))
    commit = SqlStore.commit

    def late(self: SqlStore, units: Any) -> Any:
        monkeypatch.setattr(SqlStore, "commit", commit)
        with store() as engine:
            (row,) = engine.claim(engine.register("host", 1, 60.0), 10)
            claimed.append(row)
        return commit(self, units)

    claimed: list[Any] = []
    monkeypatch.setattr(SqlStore, "commit", late)
    assert letitcrash("move", run, "--to", "next.toml").code == 0
    with store() as found:
        assert found.run(run) == claimed[0]
        assert [each.kind for each in found.inbox(run)] == ["move"]


def test_a_run_that_is_awake_is_moved_by_its_engine(letitcrash: Letitcrash, folder: Path) -> None:
    run = run_with(letitcrash)
    (folder / "next.toml").write_text((folder / "support.toml").read_text().replace('id = "respond"', 'id = "reply"'))
    with store() as found:
        epoch = found.register("host", 1, 60.0)
        (row,) = found.claim(epoch, 10)
        assert letitcrash("move", run, "--to", "next.toml").code == 0
        assert found.run(run) == row
        (message,) = found.inbox(run)
        assert message.kind == "move"
        assert found.definition("support", message.name) is not None
        found.release(epoch)


@pytest.mark.parametrize("to", ["", "0", "ffffffffffff", "no.toml", "other.toml"])
def test_move_refuses_what_is_no_version(letitcrash: Letitcrash, folder: Path, to: str) -> None:
    run = run_with(letitcrash)
    text = (folder / "support.toml").read_text()
    (folder / "other.toml").write_text(text.replace('workflow = "support"', 'workflow = "other"'))
    with store() as found:
        (only,) = found.definitions("support")
    if only.version.startswith(to or "x"):
        to = "g"
    assert letitcrash("move", run, "--to", to).code == (3 if to == "other.toml" else 2)


# graph, check


@pytest.mark.parametrize(
    ("format", "first"), [("text", "support (chain"), ("mermaid", "flowchart"), ("dot", "digraph")]
)
def test_graph_draws_a_file_and_a_run(letitcrash: Letitcrash, format: str, first: str) -> None:
    drawn = letitcrash("graph", "support.toml", "--format", format)
    assert (drawn.code, drawn.out[: len(first)]) == (0, first)
    run = run_with(letitcrash)
    waiting(run)
    said = letitcrash("graph", run, "--format", format)
    assert (said.code, said.out[: len(first)]) == (0, first)
    assert ("done" in said.out, "waiting" in said.out, "done" in drawn.out) == (True, True, False)


def test_graph_draws_a_run_whose_modules_cannot_be_imported(letitcrash: Letitcrash, folder: Path) -> None:
    (folder / "gone.toml").write_text(
        'workflow = "gone"\ninput = "gone_agents:Value"\n'
        '[[steps]]\nid = "a"\nrun = "gone_agents:work"\nundo = "gone_agents:work"\nreturns = "gone_agents:Value"\n'
        '[[steps]]\nid = "b"\nworkflow = { workflow = "inner", steps = [{ id = "c", run = "gone_agents:work" }] }\n'
        '[[steps]]\nid = "d"\npattern = { steps = ["gone_agents:work"] }\n'
        '[[steps]]\nid = "e"\nrun = "gone_agents:work"\nretry = { on = "gone_agents:Fault" }\n'
    )
    code = "class Fault(Exception): pass\ndef work(value): return value\nclass Value(__import__('enum').Enum): a = 1\n"
    (folder / "gone_agents.py").write_text(code)
    run = letitcrash("start", "gone.toml", "--input", "1", "--store", STORE).out.strip()
    (folder / "gone_agents.py").unlink()
    del sys.modules["gone_agents"]
    said = letitcrash("graph", run)
    assert said.code == 0, said.err
    assert said.out.splitlines() == [
        "gone (chain, 4 steps)",
        "  1  a  work",
        "  2  b  workflow inner  after a",
        "  3  d  Sequential      after b",
        "  4  e  work            after d",
    ]


@pytest.mark.usefixtures("no_store")
def test_check_shows_what_would_run_and_touches_no_store(letitcrash: Letitcrash, folder: Path) -> None:
    said = letitcrash("check", "support.toml")
    assert said.code == 0
    assert "support (chain, 4 steps)" in said.out
    found = json.loads(letitcrash("check", "support.toml", "--json").out)
    assert [each["id"] for each in found["workflows"]["support"]["steps"]] == [
        "classify",
        "process",
        "approve",
        "respond",
    ]
    assert not (folder / "support.db").exists()


# The store


def test_purge_deletes_runs_whose_time_is_over(letitcrash: Letitcrash) -> None:
    run, kept = run_with(letitcrash), run_with(letitcrash)
    played(run, ("ended", "", ""), state="done", ended_at=1, retain_until=2)
    assert letitcrash("purge").out == "1 run deleted\n"
    assert letitcrash("status", run).code == 3
    assert letitcrash("status", kept).code == 0
    assert json.loads(letitcrash("purge", "--json").out) == {"deleted": 0}


@pytest.mark.usefixtures("no_store")
def test_store_migrate_makes_the_tables(letitcrash: Letitcrash, folder: Path) -> None:
    assert letitcrash("list").code == 4
    assert letitcrash("store", "migrate").code == 0
    assert letitcrash("list").code == 0


def test_store_check_finds_a_gap_in_the_entries(letitcrash: Letitcrash, folder: Path) -> None:
    run = run_with(letitcrash)
    waiting(run)
    assert letitcrash("store", "check").code == 0
    with store() as found:
        assert isinstance(found, SqlStore)
        found._connected().exec_driver_sql("DELETE FROM entry WHERE seq = 3")
    said = letitcrash("store", "check")
    assert said.code == 4
    assert f"{run}: it has 4 entries, and its row says 5" in said.err


def test_store_export_writes_everything_as_json_lines(letitcrash: Letitcrash) -> None:
    run = run_with(letitcrash)
    waiting(run)
    letitcrash("signal", run, "paid", "[1]")
    rows = [json.loads(line) for line in letitcrash("store", "export").out.splitlines()]
    assert [each["kind"] for each in rows] == ["definition", "run", *["entry"] * 5, "message"]
    assert rows[1]["input"] == json.loads(INPUT)
    assert rows[-1]["body"] == [1]


# Interrupts


def test_ctrl_c_in_the_middle_of_a_commit_exits_with_130(
    letitcrash: Letitcrash, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is written, or it is not; a second start with the key is one run in either case."""
    commit = SqlStore.commit

    def interrupted(self: SqlStore, units: Any) -> Any:
        commit(self, units)
        raise KeyboardInterrupt

    monkeypatch.setattr(SqlStore, "commit", interrupted)
    said = letitcrash("start", "support.toml", "--input", INPUT, "--key", "k")
    assert said.code == 130
    assert said.out == ""
    assert "a --key makes a second start safe" in said.err
    monkeypatch.setattr(SqlStore, "commit", commit)
    run_with(letitcrash, "--key", "k")
    assert len(letitcrash("list").out.splitlines()) == 1


def test_every_command_about_runs_has_store_and_json() -> None:
    """Guards engine.md 2.12: all take `--json` and `--store`; `serve` writes log lines."""
    import typer.main

    group: Any = typer.main.get_command(app)
    workflow = group.commands["workflow"]
    commands: dict[str, Any] = {name: workflow.get_command(None, name) for name in workflow.list_commands(None)}
    for group_name in ("store", "schedule"):
        commands |= {f"{group_name} {name}": each for name, each in commands.pop(group_name).commands.items()}
    assert {"start", "serve", "plan", "store check", "schedule list"} <= commands.keys()
    for name, command in commands.items():
        options = {option for each in command.params for option in each.opts}
        assert "--store" in options
        assert "--json" in options or name == "serve"


def test_an_entry_of_another_run_is_not_shown(letitcrash: Letitcrash) -> None:
    """Guards `history` and `graph` against reading what is not theirs."""
    run, other = run_with(letitcrash), run_with(letitcrash)
    waiting(run)
    assert letitcrash("history", other).out == ""
    assert "waiting" not in letitcrash("graph", other).out


# edit

CHANGES = """
[[replace]]
id = "respond"
agent = "responder"
input = { processed = "$archive" }

[[add_node]]
id = "archive"
agent = "processor"
dependencies = ["approve"]
input = { category = "archive" }
"""


def test_edit_changes_the_graph_of_a_run_that_no_engine_has_awake(letitcrash: Letitcrash, folder: Path) -> None:
    run = run_with(letitcrash)
    waiting(run)
    with store() as found:
        first = found.runs()[0].version
    (folder / "changes.toml").write_text(CHANGES)
    assert letitcrash("edit", run, "changes.toml").code == 0
    with store() as found:
        row = found.run(run)
        assert row is not None
        assert row.total == 5
        last = found.entries(run)[-1]
        assert (last.kind, json.loads(last.body or b"")["added"]) == ("edited", ["archive"])
        now, was = (found.definition("support", each) for each in (row.version, first))
        assert now is not None
        assert was is not None
        kept = json.loads(now.body)["steps"]
        assert kept[:3] == json.loads(was.body)["steps"][:3]  # with all that its modules say
    assert "archive" in letitcrash("graph", run).out


def test_edit_says_which_steps_have_begun_and_changes_nothing(letitcrash: Letitcrash, folder: Path) -> None:
    run = run_with(letitcrash)
    before = waiting(run)
    (folder / "changes.toml").write_text('remove = ["classify"]\n[[replace]]\nid = "approve"\nask = "Really?"\n')
    said = letitcrash("edit", run, "changes.toml")
    assert said.code == 1
    assert "'classify'" in said.err
    assert "has begun" in said.err
    with store() as found:
        assert found.run(run) == before


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('remove = ["approve"]', "'approve'"),
        ("added = 3", "unknown key"),
        ("", "changes nothing"),
        ('[[add_node]]\nid = "x"\n', "a step needs one of"),
        ('remove = ["nowhere"]', "no such step"),
        ("remove = [", "changes.toml"),
    ],
)
def test_edit_refuses_changes_with_faults(letitcrash: Letitcrash, folder: Path, text: str, match: str) -> None:
    run = run_with(letitcrash)
    (folder / "changes.toml").write_text(text + "\n")
    said = letitcrash("edit", run, "changes.toml")
    assert said.code == (0 if match == "'approve'" else 2), said.err
    if said.code:
        assert match in said.err
    assert letitcrash("edit", "missing", "changes.toml").code in (2, 3)


def test_edit_of_a_run_that_an_engine_has_awake_waits_for_it(letitcrash: Letitcrash, folder: Path) -> None:
    run = run_with(letitcrash)
    (folder / "changes.toml").write_text(CHANGES)
    with store() as engine:
        engine.claim(engine.register("host", 1, 60.0), 10)
        said = letitcrash("edit", run, "changes.toml")
        assert said.code == 0
        assert "is told of the changes" in said.err
        assert [each.kind for each in engine.inbox(run)] == ["edit"]


def test_a_name_too_long_for_a_file_is_no_fault_of_the_output(letitcrash: Letitcrash) -> None:
    said = letitcrash("list", "--store", f"sqlite:///{'a' * 300}")
    assert (said.code, "there is no such file" in said.err) == (4, True)
    said = letitcrash("check", f"{'a' * 300}.toml")
    assert (said.code, "output" in said.err) == (2, False)


def test_store_check_finds_a_definition_that_is_another(letitcrash: Letitcrash, folder: Path) -> None:
    run = run_with(letitcrash)
    with contextlib.closing(sqlite3.connect(folder / "support.db")) as other, other:
        other.execute("UPDATE definition SET body = CAST('{}' AS BLOB)")
    said = letitcrash("store", "check")
    assert said.code == 4
    assert f"{run}: version" in said.err
    assert "is damaged" in said.err
