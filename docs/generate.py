"""Writes the parts of the pages that come from the code: `python docs/generate.py`, or `--check` to look only.

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`, and NAME is a key of `PARTS`, with a word after it
where a part is one of many. Pictures are files of their own. The tests fail while something is out of date.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.metadata
import inspect
import io
import itertools
import json
import re
import sys
import textwrap
import tokenize
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from actors._core import life

HERE = Path(__file__).parent
ROOT = HERE.parent
PACKAGES = ("actors", "supervisors", "teams")
FACADES = (
    "actors",
    "supervisors",
    "teams",
    "teams.orchestration",
    "teams.patterns",
    "teams.planning",
    "teams.protocols",
    "teams.recipes",
    "teams.resilience",
    "teams.workflows",
    "teams.workflows.testing",
    "actors.testing",
    "supervisors.testing",
)
PART = re.compile(r"(<!-- generated: ([\w-]+)(?: ([\w.-]+))? -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes the parts of the pages that come from the code.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if something is out of date")
    check = parser.parse_args().check
    sys.path.append(str(ROOT))  # for `benchmarks`, which is in no wheel
    stale = [path for path, text in wanted().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        sys.stdout.write(f"{'out of date' if check else 'written'}: {path.relative_to(ROOT)}\n")
        if not check:
            path.write_text(wanted()[path], encoding="utf-8")
    return int(check and bool(stale))


@cache
def wanted() -> dict[Path, str]:
    """Every page with generated parts, and every picture, as it must be."""
    pages = {}
    for path in sorted(HERE.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if "<!-- generated:" in text:
            pages[path] = PART.sub(lambda match: f"{match[1]}\n{made(match[2], match[3])}\n\n{match[4]}", text)
    pages |= {HERE / "explanation" / f"rooms-{graph.name}.svg": picture(graph) for graph in graphs()}
    return pages | {HERE / "explanation" / "life.svg": life_picture()}


def made(name: str, word: str | None) -> str:
    part = PARTS[name]
    return "\n".join(part() if word is None else part(word)).strip("\n")


def first_sentence(text: str | None) -> str:
    """The first sentence of a docstring, on one line. It ends at an empty line at the latest."""
    flat = " ".join((text or "").strip().partition("\n\n")[0].split())
    match = re.match(r"(.*?[^.\s]\.)(?=\s+[A-Z`]|$)", flat)
    return match[1] if match else flat


def cell(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


# Rules

RULES = range(1, 35)
QUOTE = re.compile(r"\brules? (\d+(?:(?:, and |, | and | to )\d+)*)")
WIDE = 4
"""A text that quotes so many rules at once is about all of them, and explains none."""


def quoted(text: str) -> set[int]:
    """The numbers of the rules that a text quotes: "rule 5", "rules 8 and 9", "rules 1 to 4"."""
    numbers: set[int] = set()
    for match in QUOTE.finditer(" ".join(text.replace("#", " ").split())):
        last, upto = 0, False
        for piece in re.findall(r"\d+|to", match[1]):
            if piece == "to":
                upto = True
                continue
            numbers |= set(range(last, int(piece) + 1)) if upto else {int(piece)}
            last, upto = int(piece), False
    return numbers


def definitions(tree: ast.AST, owner: str = "") -> Iterator[tuple[int, int, str]]:
    """First line, last line and qualified name of every class and function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{owner}.{node.name}" if owner else node.name
            yield node.lineno, node.end_lineno or node.lineno, name
            yield from definitions(node, name)


@cache
def quotes() -> dict[int, dict[str, list[str]]]:
    """Rule -> "code" and "tests" -> the places that quote it, as `file::name`."""
    table: dict[int, dict[str, list[str]]] = {number: {"code": [], "tests": []} for number in RULES}
    for top in (*PACKAGES, "tests"):
        for path in sorted((ROOT / top).rglob("*.py")):
            relative = path.relative_to(ROOT)
            if "testing" in relative.parts[:2] and top != "tests":
                continue
            for number, names in quotes_in(path).items():
                places = [f"{relative}::{name}" if name else str(relative) for name in dict.fromkeys(names)]
                if number in table:
                    table[number]["tests" if top == "tests" else "code"] += places
    return table


def quotes_in(path: Path) -> dict[int, list[str]]:
    """Rule -> the functions and classes of a file whose name, docstring or comment quotes it; "" is the file itself."""
    text = path.read_text(encoding="utf-8")
    found: dict[int, list[str]] = {}
    if not re.search(r"\brules?[\s_]", text) and "test_rule_" not in text:
        return found
    spans = list(definitions(ast.parse(text)))
    for _, _, name in spans:
        if match := re.fullmatch(r"(?:\w+\.)?test_rule_(\d+)_\w+", name):
            found.setdefault(int(match[1]), []).append(name)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in (tokenize.STRING, tokenize.COMMENT):
            continue
        numbers = quoted(token.string)
        if not 0 < len(numbers) < WIDE:
            continue
        inside = [span for span in spans if span[0] <= token.start[0] <= span[1]]
        name = max(inside)[2] if inside else ""
        name = re.sub(r"(\btest_\w+)\..*", r"\1", name)  # a function inside of a test is the test's
        for number in numbers:
            found.setdefault(number, []).append(name)
    return found


DECIDED: Mapping[int, tuple[str, ...]] = {
    1: ("supervisors/_engine/engine.py::Engine._advance", "supervisors/_engine/operation.py::Operation.next_to_start"),
    2: ("supervisors/_engine/engine.py::Engine._start_attempt_failed",),
    3: ("supervisors/_engine/engine.py::Engine.declined",),
    4: ("actors/_core/cell.py::Cell._time_start", "actors/_core/outcomes.py::start_overdue"),
    5: ("supervisors/_engine/engine.py::Engine._exited_by_itself",),
    6: ("supervisors/_engine/strategy.py::group",),
    7: ("supervisors/_engine/engine.py::Engine._join",),
    8: ("supervisors/_engine/budget.py::Window.grant",),
    9: ("supervisors/_engine/children.py::window_of", "supervisors/_engine/budget.py::Budget.grants"),
    10: ("supervisors/_engine/engine.py::Engine._give_up",),
    11: ("supervisors/_specs/backoff.py::_Backoff.delay",),
    12: ("supervisors/_engine/engine.py::Engine._wait_together",),
    13: ("supervisors/_engine/children.py::Children.enter",),
    14: ("supervisors/_engine/engine.py::Engine._retry",),
    15: ("supervisors/_engine/engine.py::Engine._retry",),
    16: (
        "supervisors/_engine/engine.py::Engine.terminate_child",
        "supervisors/_engine/engine.py::Engine._at_rest",
        "supervisors/_engine/engine.py::Engine.start_child",
    ),
    17: ("supervisors/_engine/operation.py::Operation.next_to_stop", "supervisors/_engine/engine.py::Engine._end"),
    18: ("actors/_core/cell.py::Cell._end_below",),
    19: ("actors/_core/cell.py::Cell.stop", "actors/_core/cell.py::Cell.put_urgent"),
    20: ("actors/_core/children.py::ChildCells.end",),
    21: ("supervisors/_engine/strategy.py::shuts_down",),
    22: (
        "supervisors/_specs/combinations.py::child_combinations",
        "supervisors/_specs/combinations.py::supervisor_combinations",
    ),
    23: ("supervisors/_engine/reconcile.py::reconcile",),
    24: ("supervisors/_specs/faults.py::checked",),
    25: ("supervisors/_engine/engine.py::Engine.start_child",),
    26: ("actors/_core/cell.py::Cell._tell_watchers", "actors/_core/children.py::ChildCells.claim"),
    27: ("actors/_core/outcomes.py::dispose_of",),
    28: ("actors/_core/outcomes.py::dispose_of",),
    29: ("actors/_core/actor_type.py::ActorType.construct", "actors/_core/hooks.py::restore"),
    30: ("supervisors/_supervisor/ledger.py::RestartLedger.note",),
    31: ("actors/_core/watchers.py::Watchers.tell",),
    32: ("actors/_core/cell.py::Cell._shut_down", "actors/_core/possessions.py::Possessions.release"),
    33: ("actors/_core/cell.py::Cell.put",),
    34: ("actors/_core/cell.py::Cell.put_urgent", "actors/_core/cell.py::Cell.turn"),
}
"""The functions that decide what a rule says, whether they quote it or not."""


def rule(number: str) -> Iterator[str]:
    places = quotes()[int(number)]
    decided = DECIDED[int(number)]
    code = [each for each in places["code"] if "::" in each and each not in decided]
    tests = [each for each in places["tests"] if "::" in each and ".test_" in f".{each.partition('::')[2]}"]
    named = [each for each in tests if f"::test_rule_{number}_" in each]
    others = [each for each in tests if each not in named]
    yield "Decided by " + ", ".join(f"`{each}`" for each in decided) + "."
    yield ""
    yield "<details><summary>Tests, and other code that quotes the rule</summary>"
    yield ""
    yield from (f"- `{each}`" for each in (*named, *others))
    if code:
        yield ""
        yield "Code: " + ", ".join(f"`{each}`" for each in code) + "."
    yield ""
    yield "</details>"


# Options


@cache
def attribute_docs(file: str) -> dict[str, dict[str, str]]:
    """Class -> attribute -> the string that follows it in the source."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(Path(file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            table = found.setdefault(node.name, {})
            for each, after in zip(node.body, node.body[1:], strict=False):
                doc = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and after.value.value
                target: ast.expr | None = each.targets[0] if isinstance(each, ast.Assign) else None
                if isinstance(each, ast.AnnAssign):
                    target = each.target
                if isinstance(target, ast.Name) and isinstance(doc, str):
                    table[target.id] = doc
    return found


def doc_of(model: type, name: str) -> str:
    """What the builder of the model says of a field; else its docstring, in the class or a base of it; else what stands
    in `MEANINGS`.
    """
    for builder in BUILDERS.get(model.__name__, ()):
        meaning = arguments(inspect.getdoc(getattr(importlib.import_module("supervisors"), builder)) or "").get(name)
        if meaning is not None:
            return meaning.partition(" Default: ")[0]
    for each in model.__mro__:
        file = getattr(sys.modules.get(each.__module__), "__file__", None)
        files = [file] if file else []
        files += [str(path) for path in source_files(each.__module__.partition(".")[0])]
        for one in files:
            if doc := attribute_docs(one).get(each.__name__, {}).get(name):
                return doc
    return MEANINGS[f"{model.__name__}.{name}"] if f"{model.__name__}.{name}" in MEANINGS else MEANINGS[name]


@cache
def source_files(top: str) -> tuple[Path, ...]:
    return tuple(sorted((ROOT / top).rglob("*.py"))) if top in PACKAGES else ()


MEANINGS: Mapping[str, str] = {
    "id": "One step of the path of the child; unique among its siblings.",
    "kind": "Set by the builder: `static`, `dynamic`, `partition` or `tasks`.",
    "jitter": "`none`, `full`, `equal` or `decorrelated`. No delay is longer than `cap`.",
    "factor": "By how much each delay is longer than the one before.",
    "capacity": "How many user messages may wait. None: no limit.",
    "policy": "What happens to a message that does not fit: `reject`, `drop_oldest`, `drop_newest` or `block`.",
    "priority": "A function of the message; the smallest value is handled first.",
    "on_restart": "`keep` or `drop` what waits ([rule 26](supervision-rules.md#rule-26)).",
    "name": "A name to register under, besides the path.",
    "teams.role.name": "What members name as their `role`.",
    "teams.role.description": "For people.",
    "teams.role.capabilities": "What every member of the role can do.",
    "teams.role.max_members": "How many members the role may have. None: no limit.",
}

HIDDEN = {
    "ChildSpec": {"start"},
    "SupervisorSpec": {"kind", "children", "template", "partitions"},
    "Constant": {"kind", "cap"},
    "Linear": {"kind"},
    "Exponential": {"kind"},
}
BUILDERS = {
    "ChildSpec": ("child",),
    "SupervisorSpec": ("supervisor", "dynamic_supervisor", "partition_supervisor", "tasks"),
    "OwnBudget": ("budget",),
}
MODELS = {
    "child": ("supervisors", "ChildSpec"),
    "supervisor": ("supervisors", "SupervisorSpec"),
    "budget": ("supervisors", "OwnBudget"),
    "constant": ("supervisors", "Constant"),
    "linear": ("supervisors", "Linear"),
    "exponential": ("supervisors", "Exponential"),
    "mailbox": ("actors", "MailboxSpec"),
}


def model_options(word: str) -> Iterator[str]:
    """The fields of a pydantic model."""
    home, name = MODELS[word]
    model = getattr(importlib.import_module(home), name)
    types = typing.get_type_hints(model)
    yield "| option | values | default | meaning |"
    yield "|---|---|---|---|"
    for key, field in model.model_fields.items():
        if key in HIDDEN.get(name, ()):
            continue
        default = "required" if field.is_required() else f"`{shown_default(field.get_default())}`"
        meaning = linked(doc_of(model, key))
        yield f"| `{key}` | `{cell(shown_type(types[key]))}` | {default} | {cell(meaning)} |"


def linked(text: str) -> str:
    """Mentions of a rule as links."""
    flat = " ".join(text.split())
    return re.sub(r"(?:supervision )?(?<!\[)\brule (\d+)", r"[rule \1](supervision-rules.md#rule-\1)", flat)


def shown_default(value: object) -> str:
    if type(value).__name__ == "Exponential":
        return "exponential()"
    if type(value).__name__ == "MailboxSpec":
        return "keep"
    return str(value) if isinstance(value, str) else repr(value)


def shown_type(hint: Any) -> str:
    """A type as a reader writes it."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is type(None):
        return "None"
    if origin is typing.Literal:
        return " | ".join(repr(each) for each in args)
    if origin is typing.Annotated:
        return shown_type(args[0])
    if args and (origin is typing.Union or type(hint).__name__ == "UnionType"):
        names = [shown_type(each) for each in args]
        if {"Constant", "Linear", "Exponential"} <= set(names):
            names = ["Backoff", *(each for each in names if each not in ("Constant", "Linear", "Exponential"))]
        return " | ".join(dict.fromkeys(names))
    if getattr(origin, "__name__", "") == "Callable":
        return "function"
    return str(getattr(hint, "__name__", hint))


def parameters(word: str) -> Iterator[str]:
    """The parameters of a function, from the `Args:` of its docstring."""
    home, _, name = word.rpartition(".")
    function = getattr(importlib.import_module(home), name)
    meanings = arguments(inspect.getdoc(function) or "")
    yield "| argument | default | meaning |"
    yield "|---|---|---|"
    for key, each in inspect.signature(function).parameters.items():
        if each.kind is each.VAR_KEYWORD and key not in meanings:
            continue
        default = "" if each.default is each.empty else f"`{cell(shown_default(each.default))}`"
        yield f"| `{key}` | {default} | {cell(linked(meanings.get(key) or MEANINGS[f'{word}.{key}']))} |"
    for key, meaning in meanings.items():
        if key not in inspect.signature(function).parameters:  # one of `**options`
            found = re.search(r" Default: (.+)\.$", meaning)
            yield f"| `{key}` | {f'`{cell(found[1])}`' if found else ''} | {cell(linked(meaning))} |"


def arguments(doc: str) -> dict[str, str]:
    """The `Args:` section of a docstring."""
    match = re.search(r"^Args:\n((?:    .*\n|\n)+)", doc + "\n", re.MULTILINE)
    found: dict[str, str] = {}
    key = ""
    for line in textwrap.dedent(match[1]).splitlines() if match else ():
        if start := re.match(r"\**(\w+): (.*)", line):
            key = start[1]
            found[key] = start[2]
        elif key:
            found[key] += " " + line.strip()
    return found


# Errors


def exported() -> Iterator[tuple[str, str, Any]]:
    """Facade, name and value of everything public, each value once."""
    seen: set[int] = set()
    for facade in FACADES:
        module = importlib.import_module(facade)
        for name in module.__all__:
            value = getattr(module, name)
            if id(value) not in seen:
                seen.add(id(value))
                yield facade, name, value


@cache
def public_errors() -> dict[type, tuple[str, str]]:
    return {
        value: (facade, name)
        for facade, name, value in exported()
        if isinstance(value, type) and issubclass(value, BaseException)
    }


def errors() -> Iterator[str]:
    """The public errors as a tree by inheritance: an error stands below its first public base."""
    public = public_errors()
    children: dict[type | None, list[type]] = {}
    for error in public:
        base = next((each for each in error.__mro__[1:] if each in public), None)
        children.setdefault(base, []).append(error)

    def branch(error: type, depth: int) -> Iterator[str]:
        facade, name = public[error]
        above = next((each for each in error.__mro__[1:] if each in public), None)
        also = [
            each.__name__ if each.__module__ == "builtins" else f"{each.__module__.partition('.')[0]}.{each.__name__}"
            for each in error.__bases__
            if each is not above and each not in public and each not in (Exception, OSError)
        ]
        plain = f"{'  ' * depth}{name}"
        yield f"{plain:<38}{facade:<22}{('also ' + ', '.join(also)) if also else ''}".rstrip()
        for each in children.get(error, ()):
            yield from branch(each, depth + 1)

    yield "```text"
    for error in children[None]:
        yield from branch(error, 0)
    yield "```"


def errors_of(facade: str) -> Iterator[str]:
    """The errors of one facade, each with its fields."""
    yield "| error | fields | when |"
    yield "|---|---|---|"
    for error, (home, name) in public_errors().items():
        if home == facade:
            names = ", ".join(f"`{each}`" for each in getattr(error, "fields", ()))
            yield f"| `{name}` | {names} | {cell(first_sentence(error.__doc__))} |"


# Events and metrics


def events_of(facade: str) -> Iterator[str]:
    """The lifecycle events of one facade."""
    base = importlib.import_module("actors").LifecycleEvent
    yield "| event | in logs | level | fields | meaning |"
    yield "|---|---|---|---|---|"
    for home, name, value in exported():
        if home == facade and isinstance(value, type) and issubclass(value, base):
            event: Any = value
            names = ", ".join(f"`{each.name}`" for each in fields(event) if each.name not in ("path", "at"))
            word = event.name.fget(object.__new__(value))
            yield f"| `{name}` | `{word}` | {event.level} | {names} | {cell(first_sentence(value.__doc__))} |"


def metrics(word: str) -> Iterator[str]:
    """The metric families of a collector."""
    prometheus = importlib.import_module("prometheus_client")
    actors = importlib.import_module("actors")
    home, _, name = word.rpartition(".")
    collector = getattr(importlib.import_module(home), name)(actors.Runtime(log=False), prometheus.CollectorRegistry())
    yield "| metric | kind | labels | meaning |"
    yield "|---|---|---|---|"
    for family in collector.describe():
        names = ", ".join(f"`{each}`" for each in getattr(family, "_labelnames", ()))
        suffix = "_total" if family.type == "counter" else ""
        yield f"| `{family.name}{suffix}` | {family.type} | {names} | {cell(family.documentation)} |"


# Command line


def entry_points_of_ours() -> list[importlib.metadata.EntryPoint]:
    """The console script, of which there is one."""
    scripts = importlib.metadata.entry_points(group="console_scripts")
    return [each for each in scripts if each.value.partition(".")[0] == "letitcrash"]


def command_line() -> Any:
    """The command as click's object."""
    (entry,) = entry_points_of_ours()
    app = importlib.import_module(entry.module).application()
    return importlib.import_module("typer.main").get_command(app)


def every_command(group: Any = None, before: str = "") -> Iterator[tuple[str, Any]]:
    """Name and command, those of groups after the others: `workflow start`, `workflow store check`."""
    whole = command_line() if group is None else group
    found = {name: whole.get_command(None, name) for name in whole.list_commands(None)}
    groups = {name: each for name, each in found.items() if hasattr(each, "commands")}
    yield from ((f"{before}{name}", each) for name, each in found.items() if name not in groups)
    for name, each in groups.items():
        yield from every_command(each, f"{before}{name} ")


def commands(of: str = "") -> Iterator[str]:
    """The commands that begin with a word; without one, those outside of groups."""
    yield "| command | does |"
    yield "|---|---|"
    for name, command in every_command():
        if name.rpartition(" ")[0].partition(" ")[0] != of:
            continue
        usage = " ".join([name, *(each.metavar or each.name.upper() for each in command.params if is_argument(each))])
        yield f"| `letitcrash {cell(usage)}` | {cell(first_sentence(command.help))} |"


def group_options(of: str) -> Iterator[str]:
    """The options of the commands of a group, each once, with the commands that have it."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for name, command in every_command():
        if name.partition(" ")[0] != of:
            continue
        for each in command.params:
            if not is_argument(each):
                value = "" if each.is_flag else f" {each.metavar or each.opts[0].strip('-').upper()}"
                plain = each.default is None or each.is_flag or not each.show_default
                default = "" if plain else f"`{getattr(each.default, 'value', each.default)}`"
                options = ", ".join(f"`{option}{value}`" for option in (*each.opts, *each.secondary_opts))
                rows.setdefault((options, default, each.help or ""), []).append(name.partition(" ")[2])
    yield "| option | of | default | meaning |"
    yield "|---|---|---|---|"
    every = [name.partition(" ")[2] for name, _ in every_command() if name.partition(" ")[0] == of]
    for (options, default, meaning), names in sorted(rows.items()):
        without = [each for each in every if each not in names]
        of_which = ", ".join(f"`{each}`" for each in names)
        if len(without) < len(names):
            of_which = "all" + (" but " + ", ".join(f"`{each}`" for each in without) if without else "")
        yield f"| {cell(options)} | {of_which} | {default} | {cell(meaning)} |"


def command_options(name: str) -> Iterator[str]:
    yield "| option | environment | default | meaning |"
    yield "|---|---|---|---|"
    for each in command_line().commands[name].params:
        if is_argument(each):
            continue
        options = ", ".join(f"`{option}`" for option in (*each.opts, *each.secondary_opts))
        variable = f"`{each.envvar}`" if each.envvar else ""
        default = "" if each.default is None or each.is_flag else f"`{getattr(each.default, 'value', each.default)}`"
        yield f"| {options} | {variable} | {default} | {cell(each.help or '')} |"


def is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


# Costs


def costs() -> Iterator[str]:
    """What one operation of each flow costs, as `benchmarks/ceilings.json` keeps it, beside the goals."""
    cost, flows = importlib.import_module("benchmarks.cost"), importlib.import_module("benchmarks._flows").FLOWS
    kept = json.loads(cost.CEILINGS.read_text(encoding="utf-8"))
    yield "| flow | instructions | goal | calls | alone: calls / functions / files |"
    yield "|---|---|---|---|---|"
    for name, each in sorted(kept["flows"].items(), key=lambda item: cost.NAMES.index(item[0])):
        about = flows[name].about if name in flows else f"`{cost.STATEMENT}`"
        goal = f"{cost.SECONDS} s on an idle machine" if name == cost.IMPORT else ""
        if name in cost.GOALS:
            goal = f"{cost.GOALS[name]:,}"
        alone = " / ".join(f"{each[key]:,}" for key in ("alone", "functions", "files"))
        yield f"| {cell(about)} | {each['instructions']:,} | {goal} | {each['calls']:,.1f} | {alone} |"
    yield ""
    yield f"Counted on {kept['build']}."


# Architecture


class Graph:
    """The rooms of a package and their imports, at run time and at the top of modules."""

    def __init__(self, name: str, skip: Iterable[str] = ()) -> None:
        self.name = name
        self.rooms: set[str] = set()
        self.arrows: set[tuple[str, str]] = set()
        self.late: set[tuple[str, str]] = set()
        """For annotations, or inside functions."""
        skipped = tuple(f"{name}.{each}" for each in skip)
        folder = ROOT / name.replace(".", "/")
        for path in sorted(folder.rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            room = self.room(module)
            if room is None or f"{name}.{room}" in skipped:
                continue
            self.rooms.add(room)
            for target, late in imports(ast.parse(path.read_text(encoding="utf-8"))):
                other = self.room(target)
                if other is not None and other != room and f"{name}.{other}" not in skipped:
                    (self.late if late else self.arrows).add((room, other))
        self.arrows = {arrow for arrow in self.arrows if arrow[1] in self.rooms}
        self.late = {arrow for arrow in self.late - self.arrows if arrow[1] in self.rooms}
        self.below = self.closure()
        self.floor = self.floors()

    def room(self, module: str) -> str | None:
        """The first part of a module's name below the package; the facade is not a room."""
        inside, _, rest = module.partition(self.name + ".")
        return rest.partition(".")[0] or None if not inside else None

    def floors(self) -> dict[str, int]:
        """The lowest floor on which a room stands above all that it imports; rooms of a circle share one."""
        floor = dict.fromkeys(self.rooms, 0)
        down = [(room, other) for room, other in self.arrows if room not in self.below[other]]
        for _ in self.rooms:
            for room, other in down:
                floor[room] = max(floor[room], floor[other] + 1)
        return floor

    def closure(self) -> dict[str, set[str]]:
        """Room -> everything it imports, directly or not."""
        below: dict[str, set[str]] = {room: set() for room in self.rooms}
        for room in self.rooms:
            todo = [other for here, other in self.arrows if here == room]
            while todo:
                here = todo.pop()
                if here not in below[room]:
                    below[room].add(here)
                    todo += [other for start, other in self.arrows if start == here]
        return below

    @property
    def back(self) -> list[tuple[str, str]]:
        """Arrows that point up or sideways: those of circles, and late ones against the floors."""
        return sorted(each for each in self.arrows | self.late if self.floor[each[0]] <= self.floor[each[1]])

    @property
    def reduced(self) -> set[tuple[str, str]]:
        """The arrows without those that a longer way says already."""
        direct = {room: {other for here, other in self.arrows if here == room} for room in self.rooms}
        return {
            (room, other)
            for room, other in self.arrows
            if not any(each != other and other in self.below[each] for each in direct[room])
        }


def imports(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """The modules a module imports, and whether late: for annotations only, or inside a function."""
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        late = id(node) not in top
        if isinstance(node, ast.Import):
            yield from ((alias.name, late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, late
            yield from ((f"{node.module}.{alias.name}", late) for alias in node.names)


@cache
def graphs() -> tuple[Graph, ...]:
    return (
        Graph("actors", ["testing"]),
        Graph("actors.testing"),
        Graph("supervisors", ["testing"]),
        Graph("teams"),
    )


def rooms() -> Iterator[str]:
    """The figures of all pictures."""
    yield "| package | rooms | arrows | arrows back | floors |"
    yield "|---|---|---|---|---|"
    for graph in graphs():
        numbers = (
            len(graph.rooms),
            len(graph.arrows),
            len(graph.back),
            max(graph.floor.values()) + 1,
        )
        yield f"| `{graph.name}` | " + " | ".join(map(str, numbers)) + " |"


def rooms_of(name: str) -> Iterator[str]:
    """The rooms of one package from the top floor to the lowest, each with what it imports."""
    (graph,) = (each for each in graphs() if each.name == name)
    yield f"![imports between the rooms of {name}](rooms-{name}.svg)"
    yield ""
    yield "| floor | room | what it is | imports |"
    yield "|---|---|---|---|"
    for room in sorted(graph.rooms, key=lambda each: (-graph.floor[each], each)):
        targets = sorted(other for here, other in graph.arrows if here == room)
        text = ", ".join(f"`{each}`" for each in targets) or "-"
        yield f"| {graph.floor[room]} | `{room}` | {cell(first_sentence(room_doc(name, room)))} | {text} |"
    if graph.back:
        yield ""
        yield "Back: " + ", ".join(f"`{room}` to `{other}`" for room, other in graph.back) + "."


def room_doc(package: str, room: str) -> str:
    folder = ROOT / package.replace(".", "/") / room
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "" if file.exists() else ""


BOX, GAP, STEP = 22, 10, 54


def picture(graph: Graph) -> str:
    """The rooms as boxes, one row a floor, with an arrow from each room to what it imports."""
    by_floor: dict[int, list[str]] = {}
    for room in sorted(graph.rooms):
        by_floor.setdefault(graph.floor[room], []).append(room)
    widths = {room: 7 * len(room) + 16 for room in graph.rooms}
    total = max(sum(widths[room] + GAP for room in row) for row in by_floor.values()) + GAP
    top = max(by_floor)
    place: dict[str, tuple[float, float]] = {}
    for floor, row in by_floor.items():
        x = (total - sum(widths[room] + GAP for room in row) + GAP) / 2
        for room in row:
            place[room] = (x, GAP + (top - floor) * STEP)
            x += widths[room] + GAP
    height = GAP * 2 + top * STEP + BOX
    box = f'viewBox="0 0 {total:.0f} {height}" width="{total:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="monospace" font-size="11">',
        f"<title>Imports between the rooms of {graph.name}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for room, other in sorted(graph.reduced):
        (x, y), (to_x, to_y) = place[room], place[other]
        start, end = x + widths[room] / 2, to_x + widths[other] / 2
        lines.append(
            f'<path d="M{start:.0f} {y + BOX} L{end:.0f} {to_y}" stroke="#8899aa" stroke-width="0.8" fill="none"/>'
        )
    for room, (x, y) in place.items():
        lines.append(
            f'<rect x="{x:.0f}" y="{y}" width="{widths[room]}" height="{BOX}" rx="3" fill="#eef2f7" stroke="#556"/>'
        )
        lines.append(f'<text x="{x + widths[room] / 2:.0f}" y="{y + 15}" text-anchor="middle">{room}</text>')
    return "\n".join([*lines, "</svg>", ""])


def life_rows(of: str) -> Iterator[str]:
    """The table of a life: every event that does something, phase by phase."""
    rows = life.OF_AN_ACTOR if of == "actor" else life.OF_A_SUPERVISOR
    yield from ("| phase | event | next phase | effects, in order |", "|---|---|---|---|")
    for phase, row in rows.items():
        for event, (to, effects) in row.items():
            done = ", ".join(f"`{effect.name}`" for effect in effects)
            yield f"| `{phase.name}` | `{event.name}` | {'' if to is phase else f'`{to.name}`'} | {done} |"


def life_words(of: str) -> Iterator[str]:
    """What each phase, event or effect means."""
    kind = {"phases": "Phase", "events": "LifeEvent", "effects": "LifeEffect"}[of]
    docs = attribute_docs("actors/_core/life.py")[kind]
    yield from (f"| {of.removesuffix('s')} | meaning |", "|---|---|")
    for member in getattr(life, kind):
        yield f"| `{member.name}` | {cell(docs[member.name])} |"


PLACES = {
    "NEW": (0, 0),
    "STARTING": (0, 1),
    "RECALLED": (1, 1),
    "RUNNING": (0, 2),
    "ORDERED": (1, 2),
    "ABORTING": (3, 1),
    "LEAVING": (0, 3),
    "HALTING": (2, 3),
    "FAILING": (3, 4),
    "DECLINING": (2, 2),
    "ENDING": (0, 4),
    "ENDED": (0, 5),
    "DOWN": (1, 5),
    "CLOSED": (1, 6),
}
"""Column and row of each phase in the picture."""
WIDE, HIGH = 190, 74


def life_picture() -> str:
    """The phases as boxes, with an arrow for each event that leads from one to another."""
    events: dict[tuple[str, str], list[str]] = {}
    for supervisor in (False, True):
        for phase, event in itertools.product(life.Phase, life.LifeEvent):
            found = life.transition(phase, event, supervisor=supervisor)
            only_supervisors = life.Phase.ORDERED
            if found is None or found[0] is phase or (phase is only_supervisors and not supervisor):
                continue
            names = events.setdefault((phase.name, found[0].name), [])
            if event.name not in names:
                names.append(event.name)
    size = f'viewBox="0 0 {4 * WIDE} {7 * HIGH}" width="{4 * WIDE}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="monospace" font-size="10">',
        "<title>The phases of a life, and the events that lead from one to another</title>",
        (
            '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="3" orient="auto">'
            '<path d="M0 0 L7 3 L0 6 z" fill="#8899aa"/></marker></defs>'
        ),
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]

    def middle(name: str) -> tuple[float, float]:
        column, row = PLACES[name]
        return column * WIDE + WIDE / 2, row * HIGH + HIGH / 2

    for (start, end), names in events.items():
        (x, y), (to_x, to_y) = middle(start), middle(end)
        length = max(abs(to_x - x) / 48, abs(to_y - y) / 13, 1.0)
        to_x, to_y = to_x - (to_x - x) / length, to_y - (to_y - y) / length
        tip = 'stroke="#8899aa" fill="none" marker-end="url(#tip)"'
        lines.append(
            f'<path d="M{x:.0f} {y:.0f} L{to_x:.0f} {to_y:.0f}" {tip}><title>{", ".join(names)}</title></path>'
        )
        label = 'text-anchor="middle" fill="#446688" font-size="8"'
        lines.append(f'<text x="{(x + to_x) / 2:.0f}" y="{(y + to_y) / 2 - 3:.0f}" {label}>{", ".join(names)}</text>')
    for name in PLACES:
        x, y = middle(name)
        frame = 'width="96" height="22" rx="3" fill="#eef2f7" stroke="#556"'
        lines.append(f'<rect x="{x - 48:.0f}" y="{y - 11:.0f}" {frame}/>')
        lines.append(f'<text x="{x:.0f}" y="{y + 4:.0f}" text-anchor="middle">{name}</text>')
    return "\n".join([*lines, "</svg>", ""])


PARTS: Mapping[str, Callable[..., Iterator[str]]] = {
    "rule": rule,
    "options": model_options,
    "parameters": parameters,
    "errors": errors,
    "errors-of": errors_of,
    "events-of": events_of,
    "metrics": metrics,
    "commands": commands,
    "command-options": command_options,
    "group-options": group_options,
    "costs": costs,
    "rooms": rooms,
    "rooms-of": rooms_of,
    "life": life_rows,
    "life-words": life_words,
}

if __name__ == "__main__":
    sys.exit(main())
