"""Plain language: the words of product, benchmarks, examples and documentation tools, and the names of all tests
(CONTRIBUTING.md, "Language").
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.test_docs import BANNED

TESTS = Path(__file__).parent
PRODUCT = [
    path
    for package in ("letitcrash", "actors", "supervisors", "teams")
    for path in (TESTS.parent / package).rglob("*.py")
]
BESIDE = [path for folder in ("benchmarks", "docs", "examples") for path in (TESTS.parent / folder).rglob("*.py")]
BESIDE = [path for path in BESIDE if "_build" not in path.parts]
BAD = re.compile(
    rf"(?<![a-z])(?<!there )({'|'.join(each.strip() for each in BANNED)}|are no)(?! longer)(?![a-z0-9])", re.IGNORECASE
)
"""An underscore ends a word, too. Right are "there is no actor" and "is no longer"."""
MARKS = re.compile(r"^(#|[a-z]{0,2}['\"]+)|['\"]+$", re.IGNORECASE)
"""What begins or ends a comment or a string."""
RIGHT = {"answered_to_nobody", "_NOBODY"}
"""Identifiers that may stay."""
TYPE = re.compile(r"[A-Z]\w*[a-z]\w*")
"""The name of a class or a type alias."""
DEFINED = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)
"""The definition of a test. To parse every file takes two seconds."""
LONGEST = 70
"""Characters of a test's name."""
OF_EVENTS = {"Abandoned", "Exited", "Redelivered", "StartFailed", "Started"}
"""Names with two definitions: an event, and what a simulation notes when that event happens."""
WORDS = {"whoever", "whom", "somebody", "somebodys", "nobody", "nobodys"}
"""What has no place in a name: say caller, sender, actor."""


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Each name, comment and string of a file, with its line. Comments and strings that follow each other are one."""
    kind, line, parts = 0, 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NL or (token.type == tokenize.NAME and token.string in RIGHT):
            continue
        if token.type != kind or kind == tokenize.NAME:
            yield line, " ".join(" ".join(parts).split())
            kind, line, parts = token.type, token.start[0], []
        if kind in (tokenize.NAME, tokenize.COMMENT, tokenize.STRING):
            parts.append(MARKS.sub("", token.string))
    yield line, " ".join(" ".join(parts).split())


def bad_words(source: str) -> list[str]:
    """The banned words of a file, each with its line and what stands around it."""
    return [
        f"{line}: ...{text[max(0, found.start() - 30) : found.end() + 30]}..."
        for line, text in texts(source)
        for found in BAD.finditer(text)
    ]


@pytest.mark.parametrize("file", [*PRODUCT, *BESIDE], ids=lambda file: str(file.relative_to(TESTS.parent)))
def test_no_name_comment_or_string_uses_the_words_the_style_bans(file: Path) -> None:
    """Guards docstrings and messages, too."""
    assert bad_words(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    ["def ask_nobody(): ...", "# one that is\n# no actor", 'f(\n    "it is "\n    "to stop"\n)', '"""Whoever asks."""'],
)
def test_a_banned_word_is_found_across_lines(source: str) -> None:
    assert bad_words(source + "\n")


@pytest.mark.parametrize("source", ["# there is no actor", "# it is no longer there", "class NobodyTook: ..."])
def test_plain_english_is_not_found(source: str) -> None:
    assert not bad_words(source + "\n")


def names() -> Iterator[tuple[str, str]]:
    """File and name of every test, those in the texts of tests, too."""
    for path in sorted(TESTS.rglob("*.py")):
        for found in DEFINED.finditer(path.read_text(encoding="utf-8")):
            yield str(path.relative_to(TESTS)), found[1]


def faults(name: str) -> list[str]:
    """What is wrong with the name of a test."""
    long = [f"{len(name)} characters"] if len(name) > LONGEST else []
    return long + sorted(WORDS.intersection(name.split("_")))


def test_the_name_of_a_test_has_at_most_70_characters_and_plain_words() -> None:
    assert [f"{path}::{name}: {', '.join(found)}" for path, name in names() if (found := faults(name))] == []


@pytest.mark.parametrize("name", ["test_" + "x" * 66, "test_nobody_answers"])
def test_a_long_name_and_a_word_of_no_use_are_found(name: str) -> None:
    assert faults(name)


def defined(body: Sequence[ast.stmt]) -> Iterator[str]:
    """The classes and type aliases that these statements of a module define. Neither a constant in capitals nor a type
    variable is one, and what begins with an underscore is private to its file.
    """
    for node in body:
        match node:
            case ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not isinstance(value, ast.Call):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id="TypeAlias")):
                yield name
            case ast.If() | ast.Try():
                yield from defined(node.body)
                yield from defined(node.orelse)


def of_types(source: str) -> set[str]:
    return {name for name in defined(ast.parse(source).body) if TYPE.fullmatch(name)}


def homes() -> dict[str, list[str]]:
    """The files in which each class or type alias of the product is defined."""
    found: dict[str, list[str]] = {}
    for file in PRODUCT:
        for name in of_types(file.read_text(encoding="utf-8")):
            found.setdefault(name, []).append(str(file.relative_to(TESTS.parent)))
    return found


def test_one_word_has_one_meaning_a_type_is_defined_in_one_module() -> None:
    """A second meaning needs a second name; the same meaning, an import."""
    several = {name: sorted(files) for name, files in homes().items() if len(files) > 1}
    assert {name: files for name, files in several.items() if name not in OF_EVENTS} == {}
    assert several.keys() >= OF_EVENTS


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("class Host: ...", "Host"),
        ("Host = Literal['loop']", "Host"),
        ("Host: TypeAlias = 'str'", "Host"),
        ("if True:\n    class Host: ...", "Host"),
        ("Hosts = TypeVar('Hosts')", None),
        ("HOST = 'loop'", None),
        ("class _Host: ...", None),
        ("def f():\n    class Host: ...", None),
    ],
)
def test_the_definition_of_a_type_is_found(source: str, name: str | None) -> None:
    assert of_types(source) == ({name} if name is not None else set())


METAPHORS = re.compile(r"(?:bench|book|charter|course|errand|guest|puppet|seat)(?:e?s)?|lobby|lobbies")
"""Words for which this code has the standard ones: slot, capacity, scripted actor, execution, request."""
AFTER_A_SMALL_LETTER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
LINE = re.compile(r"^class Line\b", re.MULTILINE)
FOLDERS = ("letitcrash", "actors", "supervisors", "teams", "benchmarks", "examples", "docs")
WRITTEN = [
    path
    for pattern in (*(f"{folder}/**/*.{ending}" for folder in FOLDERS for ending in ("py", "md")), "*.md")
    for path in TESTS.parent.glob(pattern)
    if "_build" not in path.parts
]
"""Product, benchmarks, examples and documentation, with the pages beside them."""
ORDINARY = {
    "CHANGELOG.md": {"seats": "a name of an earlier version", "seat": "as that", "puppet": "as that"},
    "CONTRIBUTING.md": {"bench": "a target of make"},
    "README.md": {"seat": "one of a theatre, which is sold", "seats": "as that", "book": "what is ordered"},
    "benchmarks/workflows.py": {"bench": "in the name of a dependency group"},
    "docs/explanation/durable-runs.md": {"book": "what is sold, and to write a sale down"},
    "docs/how-to/deploy-workflows.md": {"book": "to book a flight", "seat": "one of a flight", "seats": "as that"},
    "docs/how-to/types.md": {"guests": "people who are greeted"},
    "docs/reference/benchmarks.md": {"bench": "a target of make"},
    "docs/reference/workflows.md": {"book": "what is ordered"},
    "docs/tutorial/6-find-a-race.md": {"seat": "one of a theatre, which is sold", "seats": "as that"},
    "examples/order_choreography.py": {"books": "the accounts of a shop"},
}
"""Where such a word has its ordinary meaning, and which one."""


def metaphors(text: str) -> set[str]:
    """The words of a text, and of the names in it, that are private metaphors."""
    words = re.findall(r"[a-z]+", AFTER_A_SMALL_LETTER.sub(" ", text).lower())
    return {each for each in words if METAPHORS.fullmatch(each)}


def test_private_metaphors_stand_only_where_they_are_ordinary_words() -> None:
    """In names, comments, docstrings, messages and pages. An exception that is not needed any more fails, too."""
    found = {path.relative_to(TESTS.parent).as_posix(): metaphors(path.read_text(encoding="utf-8")) for path in WRITTEN}
    assert {file: words for file, words in found.items() if words} == {
        file: set(reasons) for file, reasons in ORDINARY.items()
    }


@pytest.mark.parametrize(
    "text", ["FREE_SEATS = 2", "class GraphCourse: ...", "self._be_guest()", "# an Errand", "oneSeat"]
)
def test_a_metaphor_is_found_in_names_and_texts(text: str) -> None:
    assert metaphors(text)


@pytest.mark.parametrize("text", ["benchmarks", "recourse", "bookkeeping", "chartered", "facebook"])
def test_a_longer_word_that_holds_a_metaphor_is_not_one(text: str) -> None:
    assert not metaphors(text)


def test_no_class_is_a_line() -> None:
    """A line is one of a text, and its class says of which: `TraceLine`. A queue and an action of a script are none."""
    assert not [path for path in PRODUCT if LINE.search(path.read_text(encoding="utf-8"))]
