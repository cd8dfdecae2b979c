"""Bad input of `letitcrash workflow`, line by line (engine.md 2.16): each fault is told with its place, exit code 2, 3
or 4, and nothing is started or stored.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from supervisors import SpecError
from teams.cli._workflow_target import read_value
from tests.teams.cli.workflows import FILE, INPUT, Letitcrash, folder, letitcrash, no_store, run_with, store

__all__ = ["folder", "letitcrash", "no_store"]

STEP = '[[steps]]\nid = "classify"\nagent = "classifier"\n'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('workflow = "support"', 'workflow = "support"\nworkfow = 1', "workfow: unknown key; did you mean 'workflow'?"),
        ("[engine]", "[engine]\nstor = 1", "engine: stor: unknown key; did you mean 'store'?"),
        ("sqlite:///support.db", 'sqlite:///support.db"\ndefault_timeout = "-1s', "default_timeout: must be seconds"),
        (
            "sqlite:///support.db",
            'sqlite:///support.db"\ndurability = "dsk',
            "durability: must be one of disk, process, got 'dsk'",
        ),
        ("[engine]", "[engine]\nmax_concurrent_workflows = 0", "max_concurrent_workflows: must be an integer >= 1"),
        ("[engine]", '[engine]\nretain = { done = "soon" }', "retain: done: must be seconds"),
        ("[engine]", "[engine]\nretain = { gone = 1 }", "'gone' is not a state"),
        ("[engine]", '[engine]\nrestart = "ever"', "restart"),
        ("desk_agents:classify", "desk_agents:clasify", "clasify"),
        ("desk_agents:classify", "no_such_module:f", "No module named 'no_such_module'"),
        ('agent = "classifier"', 'agent = "clasifier"', "no member or role 'clasifier'; did you mean 'classifier'?"),
        ('agent = "classifier"', 'agnt = "classifier"', "'agnt': did you mean 'agent'?"),
        ('agent = "classifier"', 'agent = "classifier"\nsleep = 1', "got agent and sleep"),
        ('id = "process"', 'id = "classify"', "2 steps have it"),
        ('id = "process"', 'id = "a/b"', "id"),
        ("$input.message", "$inputs.message", "$inputs"),
        ("'spam'\"", "'spam\"", "^"),
        ("$process.result", "$respond.result", "respond"),
        ("options = [", "timeout = -1\noptions = [", "timeout"),
    ],
)
@pytest.mark.usefixtures("no_store")
def test_a_fault_in_a_file_is_told_with_its_place(
    letitcrash: Letitcrash, folder: Path, old: str, new: str, said: str
) -> None:
    assert old in FILE
    (folder / "support.toml").write_text(FILE.replace(old, new, 1))
    for command in (("check",), ("start", "--input", INPUT), ("serve",), ("dry-run",), ("graph",)):
        found = letitcrash(command[0], "support.toml", *command[1:])
        assert (found.code, found.out) == (2, "")
        assert said in found.err
    assert not (folder / "support.db").exists()


def test_all_faults_of_a_file_are_told_at_once(letitcrash: Letitcrash, folder: Path) -> None:
    (folder / "support.toml").write_text(
        'workflow = "a"\nfoo = 1\n[engine]\nstore = 3\nbar = 2\n[agents]\nb = "no_such_module:f"\n'
        '[[steps]]\nid = "x"\nagnt = "b"\n[[steps]]\nid = "y"\nagent = "b"\ntimeout = -1\n'
    )
    said = letitcrash("check", "support.toml")
    assert said.code == 2
    for text in ("foo: unknown", "bar: unknown", "store: must be", "no_such_module", "'agnt'", "timeout"):
        assert text in said.err
    assert said.err.startswith("letitcrash: 6 faults in support.toml")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.toml", b"workflow = \xff", "UTF-8"),
        ("a.toml", b"workflow = ", "a.toml"),
        ("a.yaml", b"- a\n- b\n", "holds a list"),
        ("a.yaml", b"workflow: [", "a.yaml"),
        ("a.yaml", b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n".encode() for n in range(8)
        ), "aliases"),
        ("a.json", b"{}", "does not import"),
        ("a.toml", b"", "has no workflows"),
        ("a.toml", b"[engine]\n", "has no workflows"),
        ("a.toml", b'workflow = "a"\nsteps = []\n', "has no steps"),
        ("a.toml", b'workflow = "a"\nsteps = []\ntasks = []\n', "steps and tasks"),
        ("a.toml", b'workflow = "a"\nagents = 3\nsteps = [{id = "a", sleep = 1}]\n', "agents: must be a mapping"),
        ("a.toml", b'workflow = "a"\nengine = 3\nsteps = [{id = "a", sleep = 1}]\n', "engine: must be a mapping"),
        ("a.toml", b'workflow = "a"\nteams = [3]\nsteps = [{id = "a", sleep = 1}]\n', "must be a mapping with"),
        ("a.toml", b'workflow = "a"\nmembers = 3\nsteps = [{id = "a", sleep = 1}]\n', "members: must be a list"),
        ("a.toml", b'workflows = 3\n', "workflows: must be a list"),
        ("a.toml", b'workflow = "a"\nsteps = [{id = "x", workflow = "a"}]\n', "a/x: workflow: a -> a: 'a' is a step"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused(
    letitcrash: Letitcrash, folder: Path, name: str, content: bytes, said: str
) -> None:
    (folder / name).write_bytes(content)
    found = letitcrash("check", name)
    assert (found.code, found.out) == (2, "")
    assert said in found.err


def test_what_is_no_engine_is_refused(letitcrash: Letitcrash, folder: Path) -> None:
    (folder / "tree.toml").write_text('id = "root"\n[[children]]\nid = "a"\nstart = "desk_agents:classify"\n')
    (folder / "team.toml").write_text('team = "desk"\n[[members]]\nid = "a"\nwork = "desk_agents:classify"\n')
    (folder / "nothing.py").write_text("x = 1\n")
    for target in ("team.toml", "nothing.py", "nothing.py:x", "no_such_module:x", "missing.toml", "json:loads"):
        assert letitcrash("check", target).code == 2
        assert letitcrash("serve", target).code == 2


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{", "EOF"),
        ("hello", "quote texts for the shell"),
        ("NaN", "not JSON"),
        ("@missing.json", "cannot be read"),
        ("@.", "cannot be read"),
        ("@latin1.json", "not UTF-8"),
        ("[" * 200 + "]" * 200, "nested"),
        ('"' + "x" * 1_100_000 + '"', "bytes once it is encoded"),
        ('"\\ud800"', "not JSON"),
    ],
)
def test_an_input_that_is_not_json_is_refused(letitcrash: Letitcrash, folder: Path, value: str, said: str) -> None:
    (folder / "latin1.json").write_bytes('"ä"'.encode("latin-1"))
    found = letitcrash("start", "support.toml", "--input", value)
    assert (found.code, found.out) == (2, "")
    assert said in found.err
    if (folder / "support.db").exists():
        assert letitcrash("list").out == ""


def test_an_input_that_the_workflow_does_not_take_is_refused(letitcrash: Letitcrash, folder: Path) -> None:
    (folder / "desk_agents.py").write_text(
        (folder / "desk_agents.py").read_text()
        + "\nfrom pydantic import BaseModel\nclass Message(BaseModel):\n    message: str\n    urgent: bool\n"
    )
    (folder / "support.toml").write_text(f'input = "desk_agents:Message"\n{FILE}')
    found = letitcrash("start", "support.toml", "--input", '{"message": 3}')
    assert found.code == 2
    assert "message: " in found.err
    assert "urgent: " in found.err
    assert letitcrash("list").out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "--state", "dnoe"),
        ("list", "--since", "yesterday"),
        ("list", "--since", "2026-01-01"),
        ("list", "--limit", "0"),
        ("list", "--limit", "x"),
        ("list", "--workflow", "\udcff"),
        ("status", "\udcff"),
        ("answer", "\udcff", "step", "yes"),
        ("start", "support.toml", "--key", "\udcff", "--input", "{}"),
        ("start", "\udcff"),
        ("start", "support.toml", "--priority", "9" * 30),
        ("history", "run", "--timeout", "-1"),
        ("history", "run", "--follow", "--timeout", "nan"),
        ("status", "run", "--wait", "--timeout", "inf"),
        ("start", "support.toml", "--timeout", "soon"),
        ("graph", "support.toml", "--format", "svg"),
        ("signal", "run", "name", "{"),
        ("dry-run", "support.toml", "--input", "{"),
        ("store", "export", "--since", "x"),
        ("start",),
        ("answer", "run"),
        ("nothing",),
    ],
)
def test_a_wrong_option_is_refused(letitcrash: Letitcrash, arguments: tuple[str, ...]) -> None:
    run_with(letitcrash)
    said = letitcrash(*arguments)
    assert (said.code, said.out) == (2, "")


def test_several_workflows_need_a_name(letitcrash: Letitcrash, folder: Path) -> None:
    (folder / "two.toml").write_text(
        '[[workflows]]\nworkflow = "a"\nsteps = [{id = "s", sleep = 1}]\n'
        '[[workflows]]\nworkflow = "b"\nsteps = [{id = "s", wait = "x"}]\n'
    )
    said = letitcrash("start", "two.toml")
    assert said.code == 2
    assert "a, b: say which, with --workflow" in said.err
    assert letitcrash("start", "two.toml", "--workflow", "c", "--store", "sqlite:///support.db").code == 3
    assert letitcrash("graph", "two.toml", "--workflow", "b").out.startswith("b (chain")
    assert letitcrash("check", "two.toml").code == 0


# Stores


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nothing", "not an address"),
        ("foo://bar", "not an address"),
        ("sqlite://", "needs a file"),
        ("memory:", "ends with its process"),
        ("sqlite:///missing.db", "there is no such file"),
        ("sqlite:///foreign.db", "foreign.db"),
        ("sqlite:///text.db", "text.db"),
        ("sqlite:///folder.db", "folder.db"),
        ("postgresql://user:secret@127.0.0.1:1/none", "127.0.0.1"),
    ],
)
def test_a_store_that_cannot_be_used_exits_with_4(letitcrash: Letitcrash, folder: Path, url: str, said: str) -> None:
    import sqlite3

    with sqlite3.connect(folder / "foreign.db") as foreign:
        foreign.execute("CREATE TABLE mine (x)")
    foreign.close()
    (folder / "text.db").write_text("this is no database, and longer than the header of one" * 100)
    (folder / "folder.db").mkdir()
    for command in (("list",), ("status", "run"), ("purge",), ("store", "check"), ("pause", "run")):
        found = letitcrash(*command, "--store", url)
        assert (found.code, found.out) == (4, "")
        assert said in found.err
        assert "secret" not in found.err


def test_a_store_of_a_newer_version_exits_with_4(letitcrash: Letitcrash) -> None:
    from teams._journal.sql import SqlStore

    run_with(letitcrash)
    with store() as found:
        assert isinstance(found, SqlStore)
        found._connected().exec_driver_sql("UPDATE letitcrash_version SET version_num = 'r9999'")
    said = letitcrash("list")
    assert said.code == 4
    assert "newer version" in said.err


def test_serve_refuses_a_store_that_another_engine_has(letitcrash: Letitcrash) -> None:
    run_with(letitcrash)
    with store() as found:
        epoch = found.register("host", 1, 60.0)
        said = letitcrash("serve", "support.toml")
        assert said.code == 4
        assert "it is locked by another engine (pid 1 on host)" in said.err
        found.release(epoch)


@pytest.mark.parametrize(
    ("stubs", "said"),
    [
        ("[]", "must be a mapping"),
        ('{"clasify": 1}', "'clasify' is not a step; did you mean 'classify'?"),
        ("{", "not JSON"),
    ],
)
def test_stubs_that_fit_no_step_are_refused(letitcrash: Letitcrash, folder: Path, stubs: str, said: str) -> None:
    (folder / "stubs.json").write_text(stubs)
    found = letitcrash("dry-run", "support.toml", "--input", INPUT, "--stub", "stubs.json")
    assert (found.code, found.out) == (2, "")
    assert said in found.err


def test_a_file_of_stubs_that_is_not_there_is_named_as_it_was_given(letitcrash: Letitcrash) -> None:
    found = letitcrash("dry-run", "support.toml", "--input", INPUT, "--stub", "nope.json")
    assert (found.code, found.out) == (2, "")
    assert "--stub: nope.json cannot be read" in found.err


def test_a_value_from_a_closed_stdin_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)  # what Python has after `<&-`
    with pytest.raises(SpecError, match="--input: cannot be read: the standard input is closed"):
        read_value("--input", "-")
