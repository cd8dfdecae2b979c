"""`letitcrash quarantine`: what a running tree holds, asked for by another process of its user."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from actors import Runtime
from teams.cli import _control_socket as control
from teams.cli._answers import serve
from teams.cli._app import app
from teams.cli._control import NotOurs
from tests.actors.runtime.test_quarantine import Fragile, done

PID = str(os.getpid())


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    Fragile.healed = True
    done.clear()


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    """A runtime with three messages in quarantine, which answers."""
    with Runtime(log=False) as runtime:
        path = runtime.spawn(Fragile).get().path
        for number, error in enumerate((ValueError("one"), KeyError("two"), ValueError("\x1b[31mthree"))):
            runtime.quarantine.add(path, f"message {number}", 2, error, None)
        with control.answering(partial(serve, runtime), pytest.fail):
            yield runtime


def said(*arguments: str) -> tuple[int, str, str]:
    """What a command says."""
    found = CliRunner().invoke(app, ["quarantine", *arguments])
    return found.exit_code, found.stdout, found.stderr


def test_list_and_show_tell_what_is_held(runtime: Runtime) -> None:
    code, out, _ = said("list", PID)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["1", "2", "3"]
    assert "\x1b" not in out
    rows = [json.loads(line) for line in said("list", PID, "--cause", "ValueError", "--json")[1].splitlines()]
    assert [(each["id"], each["crashes"]) for each in rows] == [(1, 2), (3, 2)]
    assert said("list", PID, "--path", "nowhere")[2].endswith("nothing is in quarantine\n")
    code, out, _ = said("show", PID, "2")
    assert code == 0
    assert "'message 1'" in out


def test_retry_sends_again_and_discard_forgets(runtime: Runtime) -> None:
    assert said("retry", PID, "2")[:2] == (0, "1 message sent again\n")
    assert said("discard", PID, "--cause", "ValueError")[:2] == (0, "2 messages discarded\n")
    assert len(runtime.quarantine) == 0
    assert done == ["message 1"]


def test_what_an_actor_takes_no_more_stays_with_exit_code_1(runtime: Runtime) -> None:
    actor: Any = runtime.find(runtime.quarantine[1].path)
    actor.stop()
    code, out, err = said("retry", PID, "--all")
    assert (code, out) == (1, "0 messages sent again\n")
    assert err.count("stays") == 3
    assert len(runtime.quarantine) == 3


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("show", PID, "9"), "no message in quarantine has the number 9"),
        (("retry", PID), "say which messages"),
        (("discard", PID), "say which messages"),
        (("list", "999999999"), "is not a `letitcrash run` of this user"),
    ],
)
def test_what_cannot_be_done_is_refused_with_code_2(runtime: Runtime, arguments: tuple[str, ...], why: str) -> None:
    code, _, err = said(*arguments)
    assert code == 2
    assert why in err
    assert len(runtime.quarantine) == 3


def test_the_folder_is_of_the_user_alone_and_nothing_is_left(runtime: Runtime, tmp_path: Path) -> None:
    folder = control.folder()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with control.answering(lambda _: {}, pytest.fail):
        assert len(list(folder.iterdir())) == 1
    assert list(folder.iterdir()) == []
    assert not [each for each in threading.enumerate() if each.name == "letitcrash-control" and not each.daemon]


def test_a_folder_of_others_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / f"letitcrash-{os.getuid()}"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    told: list[str] = []
    with control.answering(lambda _: {}, told.append):
        assert "not a folder of this user alone" in told[0]
    with pytest.raises(NotOurs):
        control.asked(os.getpid(), {})


@pytest.mark.parametrize("line", [b"\n", b"[]\n", b"{\n", b"\xff\n", b"x" * 70_000, b'{"command": "explode"}\n'])
def test_a_bad_question_gets_an_error_and_the_next_an_answer(runtime: Runtime, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
        asker.settimeout(10)
        asker.connect(str(control.folder() / f"{PID}.sock"))
        asker.sendall(line)
        asker.shutdown(socket.SHUT_WR)
        found: Any = json.loads(asker.makefile().readline())
    assert found["error"]
    assert said("list", PID)[0] == 0


def test_a_process_that_goes_away_in_the_middle_harms_nothing(runtime: Runtime) -> None:
    for sent in (b"", b"{", b'{"command": "list"}\n'):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
            asker.connect(str(control.folder() / f"{PID}.sock"))
            asker.sendall(sent)
    assert said("list", PID)[0] == 0
