"""`letitcrash check` and `letitcrash tree`, and how a target is found."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from actors._user_code.text import printable
from supervisors import SpecError
from teams.cli._app import app
from teams.cli._target import TargetError, load_target

SCRIPT = """
from actors import Actor
from supervisors import child, dynamic_supervisor, supervisor

class Worker(Actor):
    pass

tree = supervisor(
    "root",
    child("a", Worker, host="thread", restart="transient"),
    supervisor("b", child("c", Worker), max_restarts=3, period=60),
    dynamic_supervisor("pool", child("w", Worker, on_limit="drop"), max_restarts=5),
    max_restarts=1,
    period=60,
)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder of the test's own; modules and paths that a target brings along are taken back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def letitcrash(folder: Path) -> Callable[..., tuple[int, str]]:
    """Runs a command in this process: its exit code and output."""

    def invoke(*args: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, args)
        return result.exit_code, result.output

    return invoke


LetItCrash = Callable[..., tuple[int, str]]


def test_tree_shows_every_child_and_the_policy_it_lives_by(folder: Path, letitcrash: LetItCrash) -> None:
    """Guards `letitcrash tree`: one line a child, with the most restarts it can see."""
    (folder / "job.py").write_text(SCRIPT)
    code, output = letitcrash("tree", "job.py")
    assert code == 0
    assert output.splitlines() == [
        "root  one_for_one, 1 restart in 60 s",
        "├─ a  Worker, on a thread, transient, restarted at most 1 time",
        "├─ b  one_for_one, 3 restarts in 60 s, permanent",
        "│  └─ c  Worker, permanent, restarted at most 7 times",
        "└─ pool  dynamic, any number of, 5 restarts in a row, permanent",
        "   └─ w  Worker, permanent, dropped at the limit, restarted at most 5 times",
    ]


def test_tree_names_the_function_that_an_actor_was_given(folder: Path, letitcrash: LetItCrash) -> None:
    """Guards `letitcrash tree` of teams: a class that plays any function says nothing of what a child does."""
    (folder / "job.py").write_text(
        "from actors import Actor\nfrom supervisors import child, supervisor\n"
        "class Player(Actor):\n    def __init__(self, play, times=1): pass\n"
        "def chess(board): pass\n"
        "tree = supervisor('root', child('a', Player, args={'play': chess}), child('b', Player, args=(chess, 1)))"
    )
    code, output = letitcrash("tree", "job.py")
    assert code == 0
    assert output.count("Player(chess), permanent") == 2


def test_check_says_what_the_arithmetic_comes_to(folder: Path, letitcrash: LetItCrash) -> None:
    """Guards `letitcrash check` of a sound tree: exit 0, with the two figures."""
    (folder / "job.py").write_text(SCRIPT)
    code, output = letitcrash("check", "job.py")
    assert code == 0
    assert "root: nothing to remark" in output
    assert "most restarts of one worker in one burst: 7 (root/b/c)" in output
    assert "longest shutdown: 18 s" in output


def test_check_exits_with_2_for_a_tree_that_cannot_work(folder: Path, letitcrash: LetItCrash) -> None:
    """Guards the exit code, and that the place stands with each fault."""
    (folder / "tree.toml").write_text('id = "root"\n[[children]]\nid = "a"\nstart = "nosuchmodule:A"\n')
    code, output = letitcrash("check", "tree.toml")
    assert code == 2
    assert "error: root/a: start: importing 'nosuchmodule' failed" in output


def test_check_of_a_warning_exits_with_0(folder: Path, letitcrash: LetItCrash) -> None:
    """Guards that a surprise is told and refuses nothing."""
    (folder / "job.py").write_text(SCRIPT.replace("max_restarts=1", "auto_shutdown='any_significant'"))
    code, output = letitcrash("check", "job.py")
    assert code == 0
    assert "warning: root: auto_shutdown" in output


def test_version_is_shown(letitcrash: LetItCrash) -> None:
    """Guards --version."""
    code, output = letitcrash("--version")
    assert code == 0
    assert output.startswith("letitcrash ")


def test_uvloop_that_is_not_installed_is_named(
    folder: Path, letitcrash: LetItCrash, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards --uvloop: what is asked for and cannot be had is refused, not passed over."""
    (folder / "job.py").write_text(SCRIPT)
    monkeypatch.setitem(sys.modules, "uvloop", None)
    code, output = letitcrash("run", "job.py", "--uvloop")
    assert code == 2
    assert "pip install 'letitcrash[uvloop]'" in output


# Targets


def test_a_module_and_its_attribute_are_found_from_the_current_folder(folder: Path) -> None:
    """Guards `module:attribute`, as `python -m` finds modules."""
    (folder / "target_module.py").write_text(SCRIPT.replace("tree =", "other ="))
    assert load_target("target_module:other").id == "root"


def test_the_only_spec_of_a_module_needs_no_name(folder: Path) -> None:
    """Guards the default attribute: `tree`, else the only spec."""
    (folder / "job.py").write_text(SCRIPT.replace("tree =", "other ="))
    assert load_target("job.py").id == "root"


def test_several_specs_and_no_tree_need_a_name(folder: Path) -> None:
    """Guards against guessing: the names are listed."""
    (folder / "job.py").write_text(SCRIPT.replace("tree =", "one =") + '\ntwo = supervisor("two")\n')
    with pytest.raises(TargetError, match=r"several specs \(one, two\)"):
        load_target("job.py")


def test_a_module_without_a_spec_says_what_to_bind(folder: Path) -> None:
    """Guards the message for a script that has no tree at all."""
    (folder / "job.py").write_text("")
    with pytest.raises(TargetError, match="bind one to 'tree'"):
        load_target("job.py")


def test_a_function_is_called_for_its_spec_with_the_arguments_as_argv(folder: Path) -> None:
    """Guards a callable attribute: it may parse its arguments as a script would."""
    (folder / "job.py").write_text(
        "import sys\nfrom supervisors import supervisor\ndef tree():\n    return supervisor(sys.argv[1])\n"
    )
    assert load_target("job.py", ["given"]).id == "given"


def test_a_worker_or_an_actor_class_gets_a_root(folder: Path) -> None:
    """Guards the bare forms that `start` takes, too."""
    (folder / "job.py").write_text(SCRIPT)
    assert [each.id for each in load_target("job.py:Worker").children] == ["worker"]


def test_a_coroutine_function_or_context_that_is_named_is_the_only_child(folder: Path) -> None:
    """`letitcrash run job.py:main`. The tree of a function ends when that returns."""
    (folder / "job.py").write_text(
        "import contextlib\nasync def main(): pass\n@contextlib.asynccontextmanager\nasync def pool(): yield 1\n"
    )
    (main,) = load_target("job.py:main").children
    assert (main.id, main.restart) == ("main", "transient")
    (pool,) = load_target("job.py:pool").children
    assert (pool.id, pool.restart) == ("pool", "permanent")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("tree = 3", "is int, expected a spec"),
        ("class tree: pass", "cannot be started as an actor"),
        ("async def tree(): pass", "is a coroutine function"),
        ("def tree(): return None", "is NoneType, expected a spec"),
        ("def tree(missing): pass", "missing 1 required positional argument"),
    ],
)
def test_a_value_that_is_not_a_tree_says_what_it_is(folder: Path, value: str, problem: str) -> None:
    """Guards the typed refusals of a target that imports, but leads to nothing that can be started."""
    (folder / "job.py").write_text(value)
    with pytest.raises(TargetError, match=problem):
        load_target("job.py")


def test_an_import_error_shows_the_users_frames_alone(folder: Path) -> None:
    """Guards the short traceback: where the user's code failed, without ours, the standard library's or importlib's."""
    (folder / "job.py").write_text("import helper_of_job\n")
    (folder / "helper_of_job.py").write_text("import json\njson.loads('{')\n")
    with pytest.raises(TargetError) as raised:
        load_target("job.py")
    text = str(raised.value)
    assert "job.py does not import" in text
    assert "helper_of_job.py" in text
    assert "JSONDecodeError" in text
    assert "decoder.py" not in text
    assert "_target.py" not in text
    assert "importlib" not in text


def test_a_syntax_error_shows_its_line(folder: Path) -> None:
    """Guards the traceback of a file that does not even compile."""
    (folder / "job.py").write_text("tree = (\n")
    with pytest.raises(TargetError, match=r"job\.py.*line 1"):
        load_target("job.py")


def test_faults_of_a_spec_built_at_import_come_as_faults(folder: Path) -> None:
    """Guards that a bad spec in a script is a bad tree, not an import error."""
    (folder / "job.py").write_text(SCRIPT.replace('"transient"', '"sometimes"'))
    with pytest.raises(SpecError, match="restart"):
        load_target("job.py")


def test_a_targets_own_exit_is_respected(folder: Path) -> None:
    """Guards argument parsers: their --help and their errors end the process as they say."""
    (folder / "job.py").write_text("raise SystemExit(7)\n")
    with pytest.raises(SystemExit, match="7"):
        load_target("job.py")


@pytest.mark.parametrize("target", ["nosuch.py", "deep/nosuch", "no such module", "nosuchmodule:tree", "tree.toml"])
def test_what_does_not_exist_is_a_typed_error(folder: Path, target: str) -> None:
    """Guards against a bare FileNotFoundError or ModuleNotFoundError."""
    with pytest.raises((TargetError, SpecError)):
        load_target(target)


def test_the_block_of_a_script_does_not_run(folder: Path) -> None:
    """Guards `if __name__ == "__main__"`: a script that starts its tree itself can be a target as well."""
    (folder / "job.py").write_text(SCRIPT + '\nif __name__ == "__main__":\n    raise SystemExit(1)\n')
    assert load_target("job.py").id == "root"


@pytest.mark.parametrize("shadow", ["actors.py", "supervisors/__init__.py", "teams.py"])
def test_a_module_that_bears_our_name_is_refused_with_its_path(folder: Path, shadow: str) -> None:
    """Guards the generic names of our packages; the error is an ImportError as well."""
    (folder / "job.py").write_text(SCRIPT)
    (folder / shadow).parent.mkdir(exist_ok=True)
    (folder / shadow).write_text("")
    with pytest.raises(ImportError, match="rename that file or folder"):
        load_target("job.py")


def test_a_folder_without_code_shadows_nothing(folder: Path) -> None:
    """Guards against refusing a folder `teams/` of data: a namespace package loses against ours."""
    (folder / "job.py").write_text(SCRIPT)
    (folder / "teams").mkdir()
    assert load_target("job.py").id == "root"


def test_a_script_named_like_a_loaded_module_does_not_replace_it(folder: Path) -> None:
    """Guards sys.modules: a target `json.py` must not become everybody's json."""
    import json

    (folder / "json.py").write_text(SCRIPT)
    assert load_target("json.py").id == "root"
    assert sys.modules["json"] is json


def test_text_of_the_users_cannot_steer_the_terminal() -> None:
    """Guards every text that is shown: escapes and line breaks are written out, other scripts stay as they are."""
    assert printable("a\x1b[31mb\r\n\x07é日") == "a\\x1b[31mb\\r\\n\\x07é日"
