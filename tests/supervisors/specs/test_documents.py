"""Files that hold no tree: each is told with faults and places, by `check` with exit code 2, without a traceback."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from supervisors import SpecError, SupervisorSpec, check, load_tree, parse_tree
from supervisors.spi import read_document
from teams.cli._app import app
from tests.documents import as_yaml, changed, damaged

TREE: dict[str, Any] = {
    "id": "root",
    "strategy": "one_for_all",
    "max_restarts": 3,
    "children": [
        {"id": "a", "start": "actors:Actor", "restart": "transient", "args": [1], "mailbox": "keep"},
        {
            "id": "b",
            "auto_shutdown": "any_significant",
            "own_budget": {"max_restarts": 1},
            "children": [{"id": "c", "start": "actors:Actor", "significant": True, "restart": "temporary"}],
        },
        {"id": "d", "template": {"start": "actors:Actor", "args": {"a": 1}}, "max_children": 3},
        {"id": "e", "kind": "tasks", "task_restart": "transient"},
        {"id": "f", "partitions": 3, "template": {"start": "actors:Actor", "backoff": {"kind": "constant"}}},
    ],
}
KEYS = sorted({*SupervisorSpec.model_fields, "start", "args", "host", "mailbox", "redeliver", "members", "initial"})
TOML = (Path(__file__).parents[3] / "examples" / "tree_file.toml").read_text()
YAML = """
defaults: &defaults {restart: transient, shutdown: 3}
id: root
children:
  - {<<: *defaults, id: a, start: "actors:Actor"}
  - id: "b"
    start: actors:Actor
    args: {text: "a\\x41", when: 2020-01-01, more: |
      text
    }
"""


def is_told(error: SpecError) -> bool:
    """Whether there are faults, each with a place, that can be shown."""
    return bool(error.faults) and all(
        fault.path and fault.message and str(fault).replace("\n", "").isprintable() for fault in error.faults
    )


def faults(path: Path) -> list[str]:
    """What is wrong with the file. Each fault is a line that can be shown, with a place."""
    with pytest.raises(SpecError) as caught:
        load_tree(path)
    assert is_told(caught.value)
    return [str(fault).replace(str(path), "FILE") for fault in caught.value.faults]


def is_tree_or_told(path: Path) -> bool:
    """Whether a file is a tree, or else is told with faults."""
    try:
        check(load_tree(path))
    except SpecError as error:
        return is_told(error)
    return True


quick = settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@quick
@given(document=changed(TREE, KEYS))
def test_every_document_is_a_tree_or_told_with_faults(tmp_path: Path, document: dict[Any, Any]) -> None:
    """Guards what YAML accepts: keys that are no strings, dates, numbers without an end, values of every kind."""
    file = tmp_path / "tree.yaml"
    file.write_bytes(as_yaml(document))
    assert is_tree_or_told(file)


@quick
@given(text=damaged(YAML) | damaged(TOML), suffix=st.sampled_from([".yaml", ".toml"]))
def test_every_text_is_a_tree_or_told_with_faults(tmp_path: Path, text: bytes, suffix: str) -> None:
    """Guards what YAML and TOML refuse, and what their parsers raise besides."""
    file = tmp_path / f"tree{suffix}"
    file.write_bytes(text)
    assert is_tree_or_told(file)


def laughs(line: str) -> str:
    """Lines that each multiply the one before by nine."""
    return "".join(
        line.format(new=new, old=", ".join([f"*{old}"] * 9)) for old, new in itertools.pairwise("abcdefghij")
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id: root\nchildren: []\nid: other\n", ["FILE:3:1: duplicate key 'id', first at line 1"]),
        (
            "id: root\nchildren:\n  - id: a\n    start: x:A\n    id: b\n    args: {k: 1, k: 2}\n",
            [
                "FILE:5:5: duplicate key 'id', first at line 3",
                "FILE:6:18: duplicate key 'k', first at line 6",
            ],
        ),
        (
            "d: &d {a: 1}\nid: root\n<<: *d\n<<: *d\n",
            ["FILE:4:1: duplicate key '<<', first at line 3"],
        ),
        ("id: root\n<<: 3\n", ["FILE:2:5: << must be followed by an alias of a mapping, or a list of these"]),
        (
            "a: &a [x, x]\n" + laughs("{new}: &{new} [{old}]\n"),
            ["FILE:1:8: the document has more than 100000 values, aliases counted each time"],
        ),
        (
            "a: &a {x: 1}\n" + laughs("{new}: &{new} {{<<: [{old}]}}\n"),
            ["FILE:1:11: the document has more than 100000 values, aliases counted each time"],
        ),
        ("&a\nid: root\nchildren: [*a]\n", ["FILE:1:1: an alias that contains itself"]),
        ("? [a]\n: 1\n", ["FILE:1:3: a key must be a string, got a sequence"]),
        ("id: !!set {a, b}\n", ["FILE:1:5: the tag !!set is not allowed in a tree"]),
        ("id: !foo a\n", ["FILE:1:5: could not determine a constructor for the tag '!foo'"]),
        ("id: !!int abc\n", ["FILE:1:5: 'abc' is not a valid !!int"]),
        ("id: 2024-99-99\n", ["FILE:1:5: '2024-99-99' is not a valid !!timestamp"]),
        (f"id: {'9' * 5000}\n", [f"FILE:1:5: '{'9' * 59}... (5000 characters) is not a valid !!int"]),
        (f"id: {'9:' * 5000}9\n", ["FILE:1:5: '9:9:9:9:9:9:9:9:9:9:9:9:9:9:9:9:9:9:9:9:9:9:9:9:9:9:9:9:9:9"]),
        ("{a: " * 150 + "1" + "}" * 150, ["FILE:1:405: is nested deeper than 100 levels"]),
        ("[" * 3000, ["FILE: is nested deeper than 100 levels"]),
        ("a: 1\n---\nb: 1\n", ["FILE: is not YAML: expected a single document in the stream, but found another"]),
        ("a: [\n", ["FILE: is not YAML: while parsing a flow node, expected the node content"]),
        ("a: \0\n", ["FILE: is not YAML: a character that YAML forbids, '\\x00' (at line 1, column 4)"]),
        ('a: "\\UFFFFFFFF"\n', ["FILE: is not YAML: OverflowError: "]),
        ("", ["FILE: is empty, expected the keys of a supervisor"]),
        ("# nothing\n", ["FILE: is empty, expected the keys of a supervisor"]),
        ("[]\n", ["FILE: holds a list, expected the keys of a supervisor"]),
        ("{}\n", ["FILE: is empty, expected the keys of a supervisor"]),
        ("- a\n", ["FILE: holds a list, expected the keys of a supervisor"]),
        ("a word\n", ["FILE: holds a string, expected the keys of a supervisor"]),
        (
            "id: root\nchildren: [{id: a, start: 'actors:Actor', on: 1}]\n",
            ["root/a: the key True must be a string: quote it"],
        ),
    ],
)
def test_what_is_no_tree_is_told_with_line_and_column(tmp_path: Path, text: str, told: list[str]) -> None:
    """Guards YAML documents one by one."""
    file = tmp_path / "tree.yaml"
    file.write_text(text)
    found = faults(file)
    assert len(found) == len(told)
    for one, expected in zip(found, told, strict=True):
        assert one.startswith(expected)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "FILE: is empty, expected the keys of a supervisor"),
        ("# nothing\n", "FILE: is empty, expected the keys of a supervisor"),
        ("a = 1\na = 2\n", "FILE: is not TOML: Cannot overwrite a value (at "),
        (f"a = {'9' * 5000}\n", "FILE: is not TOML: Exceeds the limit (4300 digits)"),
        ("a = " + "[" * 5000, "FILE: is nested deeper than 100 levels"),
        (".".join("a" * 300) + " = 1\n", "FILE: is nested deeper than 100 levels, below a"),
        ("id = 2020-01-01\nchildren = []\n", "root: id: must be a string, got datetime.date(2020, 1, 1)"),
        (
            'id = "root"\npartitions = 1000000000\ntemplate = {start = "actors:Actor"}\n',
            "root: partitions: must be <= 100000, got 1000000000",
        ),
    ],
)
def test_toml_that_is_no_tree_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    """Guards TOML documents one by one."""
    file = tmp_path / "tree.toml"
    file.write_text(text)
    (found,) = faults(file)
    assert found.startswith(told)


def test_merge_keys_and_aliases_of_a_sound_file_are_read(tmp_path: Path) -> None:
    """Guards what people use YAML for: what a mapping says itself counts more than what it merges, the first of several
    more than the next, and what stands for two children is not shared by them.
    """
    file = tmp_path / "tree.yaml"
    file.write_text(
        "id: root\n"
        "children:\n"
        "  - &a {id: a, start: 'actors:Actor', restart: transient, args: &args [[1]]}\n"
        "  - {<<: [{shutdown: 3}, *a], id: b, restart: temporary, args: *args}\n"
    )
    first, second = load_tree(file).children
    assert (second.id, second.restart, second.shutdown) == ("b", "temporary", 3.0)
    assert (first.restart, first.args, second.args) == ("transient", ([1],), ([1],))  # type: ignore[union-attr]
    assert first.args[0] is not second.args[0]  # type: ignore[union-attr, index]


def test_a_file_that_is_none_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    """Guards a pipe, which would block, a folder, a file that fills the memory, and bytes that are not UTF-8."""
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    assert faults(pipe) == ["FILE: cannot be read: it is not a regular file"]
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    assert faults(folder) == ["FILE: cannot be read: it is a folder"]
    long = tmp_path / "long.yaml"
    with long.open("wb") as stream:
        stream.truncate(100 << 20)
    assert faults(long) == ["FILE: cannot be read: it is longer than 1 MiB"]
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"a = 1\nb = '\xe4'\n")
    assert faults(latin) == ["FILE: cannot be read: it is not UTF-8 (at line 2, byte 0xe4)"]
    (marked := tmp_path / "marked.toml").write_bytes(b'\xef\xbb\xbfid = "root"\r\nchildren = []\r\n')
    assert load_tree(marked).id == "root"


def test_what_is_no_mapping_is_no_tree() -> None:
    """Guards `parse_tree` in a program."""
    with pytest.raises(SpecError, match="root: must be a mapping with the keys of a supervisor, got 'text'"):
        parse_tree("text")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["id: root\nchildren: []\nchildren: []\n", "a: &a [*a]\n", "1: 2\n", "", "[" * 3000, "x: !!set {a}\n"]
)
@pytest.mark.parametrize("command", ["check", "tree", "run"])
def test_the_command_line_exits_with_2_and_without_a_traceback(tmp_path: Path, text: str, command: str) -> None:
    """Guards `check`, which said that there is nothing to remark on half of a tree."""
    file = tmp_path / "tree.yaml"
    file.write_text(text)
    said = CliRunner().invoke(app, [command, str(file)])
    assert said.exit_code == 2
    assert "fault" in said.output
    assert "Traceback" not in said.output


LONG = 1 << 19


@pytest.mark.parametrize(
    ("suffix", "text", "problem"),
    [
        (".toml", "a" + ".a" * (LONG - 10) + " = 1", "nested deeper than 100 levels, below a"),
        (".toml", "[" + "a." * (LONG - 10) + "b]", "nested deeper than 100 levels, below a"),
        (".toml", "x = {" + "a." * (LONG - 10) + "b = 1}", "nested deeper than 100 levels, below a"),
        (".yaml", "a: [" + "1," * (LONG - 10) + "]", "more than 100000 values"),
        (".yaml", "a: [" + "[]," * (LONG // 2) + "]", "more than 100000 values"),
    ],
    ids=["key", "table", "inline table", "flow list", "empty lists"],
)
def test_a_mebibyte_is_refused_before_it_costs_minutes(tmp_path: Path, suffix: str, text: str, problem: str) -> None:
    """Tomllib needs minutes for the first three, PyYAML's own scanner 20 s for the others."""
    file = tmp_path / f"tree{suffix}"
    file.write_text(text)
    with pytest.raises(SpecError, match=problem):
        read_document(file)


@pytest.mark.parametrize("libyaml", [True, False])
@pytest.mark.parametrize(
    "text", ["a: [1, {b: c}]\nd: &x {e: 2}\nf: *x\n", "a: [1\n", "a: {b: 1, b: 2}\n", "'a': !x 1\n"]
)
def test_yaml_is_read_alike_with_and_without_libyaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, libyaml: bool
) -> None:
    """The faults are the same too: a document that libyaml refuses is parsed again."""
    file = tmp_path / "tree.yaml"
    file.write_text(text)

    def outcome() -> object:
        try:
            return read_document(file)
        except SpecError as error:
            return error.faults

    meant = outcome()
    monkeypatch.setattr(yaml, "__with_libyaml__", libyaml and yaml.__with_libyaml__)
    assert outcome() == meant


@pytest.mark.parametrize("value", ["text", None, 3, [], b"x", [("id", "root")]])
def test_what_is_not_a_mapping_is_a_fault_of_the_root(value: Any) -> None:
    """Guards `parse_tree("tree.toml")`, which takes the content and not the path of a file."""
    with pytest.raises(SpecError) as caught:
        parse_tree(value)
    (fault,) = caught.value.faults
    assert str(fault) == f"root: must be a mapping with the keys of a supervisor, got {value!r}"


def test_an_empty_mapping_is_a_fault_of_the_root() -> None:
    """It says what is expected, not which key is missed first."""
    with pytest.raises(SpecError, match="root: is empty, expected the keys of a supervisor, such as id and children"):
        parse_tree({})
