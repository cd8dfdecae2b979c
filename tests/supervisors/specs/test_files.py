"""Trees in files: every fault at once, each with its place (rule 24)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from supervisors import SpecError, load_tree, start
from supervisors._specs.tree import unresolved

BAD_TOML = """
id = "root"
stratgy = "one_for_one"
max_restarts = -1

[[children]]
id = "a"
start = "app:A"
restart = "sometimes"

[[children]]
id = "a"
start = "app A"

[[children]]
id = "deep"
children = [
    { id = "x", start = "app:X", shutdown = 0 },
    { id = "y", start = "app:Y", backoff = { kind = "exponential", initial = 5, cap = 1 } },
    { id = "z" },
]

[[children]]
id = "pool"
max_children = "many"
template = { start = "app:T", colour = "red" }

[[children]]
id = "goal"
start = "app:G"
restart = "permanent"
significant = true
"""

BAD_YAML = """
id: root
stratgy: one_for_one
max_restarts: -1
children:
  - {id: a, start: "app:A", restart: sometimes}
  - {id: a, start: "app A"}
  - id: deep
    children:
      - {id: x, start: "app:X", shutdown: 0}
      - {id: y, start: "app:Y", backoff: {kind: exponential, initial: 5, cap: 1}}
      - {id: z}
  - id: pool
    max_children: many
    template: {start: "app:T", colour: red}
  - {id: goal, start: "app:G", restart: permanent, significant: true}
"""


@pytest.mark.parametrize(("name", "text"), [("tree.toml", BAD_TOML), ("tree.yaml", BAD_YAML)])
def test_rule_24_all_faults_of_a_file_come_at_once_each_with_its_place(tmp_path: Path, name: str, text: str) -> None:
    """Rule 24: an author does not repair a file one fault at a time."""
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(SpecError) as caught:
        load_tree(file)
    places = {fault.path for fault in caught.value.faults}
    assert places >= {
        "root",
        "root/a",
        "root/deep/x",
        "root/deep/y",
        "root/deep/z",
        "root/pool",
        "root/pool/template",
        "root/goal",
    }
    told = str(caught.value)
    for word in (
        "stratgy",
        "max_restarts",
        "sometimes",
        "app A",
        "brutal_kill",
        "cap",
        "many",
        "colour",
        "significant",
    ):
        assert word in told, word


def test_the_same_faults_are_told_in_both_languages(tmp_path: Path) -> None:
    """What is wrong does not depend on how it was written."""
    found = []
    for name, text in (("tree.toml", BAD_TOML), ("tree.yaml", BAD_YAML)):
        (tmp_path / name).write_text(text)
        with pytest.raises(SpecError) as caught:
            load_tree(tmp_path / name)
        found.append(caught.value.faults)
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tree.toml", b"id = ", "is not TOML"),
        ("tree.toml", b"\xff\xfe", "cannot be read"),
        ("tree.yaml", b"a: [", "is not YAML"),
        ("tree.yaml", b"- 1\n- 2\n", "expected the keys of a supervisor"),
        ("tree.yaml", b"", "expected the keys of a supervisor"),
        ("tree.yaml", b"!!python/object/apply:os.getcwd []", "the tag !!python/object/apply:os.getcwd"),
        ("tree.json", b"{}", "not '.json'"),
        ("tree", b"id = 'root'", ".toml, .yaml or .yml"),
    ],
)
def test_a_file_that_is_no_tree_says_what_is_wrong_with_it(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    """A typed error with the name of the file, never a traceback; YAML runs no code."""
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        load_tree(file)
    assert message in str(caught.value)
    assert name in str(caught.value)


def test_a_folder_is_no_tree(tmp_path: Path) -> None:
    """Nor is what does not exist."""
    for path in (tmp_path, tmp_path / "no.toml", tmp_path / "x.toml" / "y.toml"):
        with pytest.raises(SpecError, match="cannot be read"):
            load_tree(path)


def test_loading_a_file_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it names is looked for when the tree starts, or is checked: all of it at once."""
    (tmp_path / "lazy_app.py").write_text("from actors import Actor\n\n\nclass Known(Actor):\n    pass\n")
    file = tmp_path / "tree.toml"
    file.write_text(
        'id = "root"\n'
        'children = [{ id = "a", start = "lazy_app:Known" }, { id = "b", start = "lazy_app:Unknown" },'
        ' { id = "c", start = "no_such_app:C" }]\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    tree = load_tree(file)
    assert "lazy_app" not in sys.modules
    assert [fault.path for fault in unresolved(tree)] == ["root/b", "root/c"]
    with pytest.raises(Exception, match="root/b"), start(tree, log=False):
        pass
