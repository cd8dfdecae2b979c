"""Audits a tree of Python sources with a tree of actors that real files really crash.

    letitcrash run examples/source_audit.py
    letitcrash run examples/source_audit.py -- PATH --json report.json
    python examples/source_audit.py PATH

    finder -> readers -> parsers -> metrics -> collector -> reporter

The workers are written naively: they open every file as UTF-8, parse it with `ast`, and walk it recursively.
A file with another encoding, with the syntax of another language, or nested too deeply crashes the worker
that has it in hand. No worker catches anything. The runtime starts the worker again, hands it the same file
up to twice more, and then puts the file in quarantine with its reason. All other files wait in the mailbox
meanwhile, and each is counted exactly once: found = audited + quarantined.

The workers are connected by bounded mailboxes: a worker that is ahead waits for room in the next mailbox, so that
no more than a few files are in memory at a time.
"""

from __future__ import annotations

import argparse
import ast
import heapq
import json
import os
import sys
import sysconfig
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from actors import Actor, ActorRef, DeadLetter, Quarantined, Redelivered, bounded, handles
from supervisors import (
    SupervisorRef,
    SupervisorSpec,
    child,
    constant,
    partition_supervisor,
    start,
    supervisor,
)

LEFT_OUT = frozenset({"__pycache__", "site-packages", "dist-packages", "node_modules"})
REDELIVER = 2

# What is measured: pure functions


@dataclass(frozen=True, slots=True)
class Function:
    """One function of a file."""

    name: str
    line: int
    lines: int
    complexity: int
    """McCabe's number: 1, and 1 more for each decision in the function."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of one file."""

    lines: int
    functions: tuple[Function, ...]

    @property
    def complexity(self) -> int:
        """The sum over all functions."""
        return sum(function.complexity for function in self.functions)


DECISIONS = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.IfExp,
    ast.ExceptHandler,
    ast.match_case,
    ast.comprehension,
)


def measure(module: ast.Module, lines: int) -> Metrics:
    """The metrics of a parsed file. Nesting deeper than the interpreter's limit is a RecursionError."""
    functions: list[Function] = []
    _count_decisions(module, "", functions)
    return Metrics(lines, tuple(functions))


def _count_decisions(node: ast.AST, scope: str, functions: list[Function]) -> int:
    """The decisions below `node` that belong to no function below it. Appends those functions."""
    decisions = 0
    for below in ast.iter_child_nodes(node):
        if isinstance(below, ast.FunctionDef | ast.AsyncFunctionDef):
            name = scope + below.name
            complexity = 1 + _count_decisions(below, f"{name}.", functions)
            length = (below.end_lineno or below.lineno) - below.lineno + 1
            functions.append(Function(name, below.lineno, length, complexity))
        elif isinstance(below, ast.ClassDef):
            decisions += _count_decisions(below, f"{scope}{below.name}.", functions)
        else:
            decisions += isinstance(below, DECISIONS) + _count_decisions(below, scope, functions)
            if isinstance(below, ast.BoolOp):
                decisions += len(below.values) - 1
            elif isinstance(below, ast.comprehension):
                decisions += len(below.ifs)
    return decisions


def find_files(root: Path) -> Iterator[str]:
    """The Python files below `root`, relative to it and in a fixed order.

    Also named are folders that cannot be listed and links that lead nowhere: the worker that tries to read
    them says why.
    """
    if root.is_file():
        yield root.name
        return
    yield from _find_below(root, "")


def _find_below(folder: Path, prefix: str) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        yield prefix or "."
        return
    for entry in entries:
        if entry.is_dir():
            if entry.name not in LEFT_OUT and not entry.is_symlink():
                yield from _find_below(Path(entry.path), f"{prefix}{entry.name}/")
        elif entry.name.endswith(".py") and (entry.is_file() or not Path(entry.path).exists()):
            yield prefix + entry.name


def in_one_line(error: BaseException | None, width: int = 100) -> str:
    """An exception as the reason of a quarantine."""
    said = f"{error.msg}, line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else str(error)
    text = " ".join(f"{type(error).__name__}: {said}".split()).removesuffix(":")
    return text if len(text) <= width else f"{text[: width - 3]}..."


# The results


@dataclass
class AuditResults:
    """The outcome of each file. Counted by path, so that a file that arrives twice is still one file."""

    found: int | None = None
    audited: dict[str, Metrics] = field(default_factory=dict[str, Metrics])
    quarantined: dict[str, str] = field(default_factory=dict[str, str])
    crashes: int = 0

    @property
    def done(self) -> bool:
        """Whether every file is accounted for."""
        return self.found is not None and len(self.audited) + len(self.quarantined) >= self.found


@dataclass(frozen=True)
class Report:
    """The result, as `--json` writes it."""

    root: str
    found: int
    audited: int
    quarantined: dict[str, str]
    """Path and reason."""
    lines: int
    functions: int
    crashes: int
    largest_functions: tuple[tuple[str, Function], ...]
    """Path and function, the longest first."""
    most_complex_files: tuple[tuple[str, int], ...]
    """Path and summed complexity, the highest first."""
    seconds: float

    @property
    def adds_up(self) -> bool:
        """Whether every file that was found is in exactly one of the two lists."""
        return self.found == self.audited + len(self.quarantined)


def report_on(results: AuditResults, root: str, top: int, seconds: float) -> Report:
    """The report on finished results."""
    functions = [(path, function) for path, metrics in results.audited.items() for function in metrics.functions]
    complexities = [(path, metrics.complexity) for path, metrics in results.audited.items()]
    return Report(
        root,
        results.found or 0,
        len(results.audited),
        dict(sorted(results.quarantined.items())),
        sum(metrics.lines for metrics in results.audited.values()),
        len(functions),
        results.crashes,
        tuple(heapq.nsmallest(top, functions, key=lambda each: (-each[1].lines, each[0], each[1].line))),
        tuple(heapq.nsmallest(top, complexities, key=lambda each: (-each[1], each[0]))),
        round(seconds, 2),
    )


def lines_of(report: Report) -> Iterator[str]:
    """The report as text."""
    if report.largest_functions:
        yield "Largest functions"
        for path, function in report.largest_functions:
            yield f"  {function.lines:6,} lines  {path}:{function.line} {function.name}"
        yield "Most complex files"
        for path, complexity in report.most_complex_files:
            yield f"  {complexity:6,}        {path}"
    if report.quarantined:
        yield f"Quarantined, each after {REDELIVER + 1} crashes"
        width = max(map(len, report.quarantined))
        for path, reason in report.quarantined.items():
            yield f"  {path:{width}}  {reason}"
    yield f"{report.root}: {report.lines:,} lines, functions: {report.functions:,}, in {report.seconds:.1f} s"
    yield f"{report.found} found = {report.audited} audited + {len(report.quarantined)} quarantined"
    kinds = Counter(reason.partition(":")[0] for reason in report.quarantined.values())
    causes = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common())
    yield f"{report.crashes} crashes of workers survived" + (f" (files: {causes})" if causes else "")


# The messages: plain values, each with the path of its file


@dataclass(frozen=True, slots=True)
class Work:
    """A file on its way through the stages."""

    path: str


@dataclass(frozen=True, slots=True)
class Source(Work):
    """A file that was read."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Parsed(Work):
    """A file that was parsed."""

    lines: int
    module: ast.Module = field(repr=False)


@dataclass(frozen=True, slots=True)
class Audited(Work):
    """A file that was measured."""

    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Found:
    """How many files there are."""

    count: int


class NextFile:
    """Hand on one more file."""


class Tick:
    """Time to show progress."""


class GetResults:
    """How far is it?"""


# The actors


class Worker(Actor):
    """What the stages share. They run in threads: opening and parsing a file blocks."""

    host = "thread"

    def neighbour(self, name: str) -> ActorRef[Any]:
        ref = self.runtime.whereis(name)
        if ref is None:
            raise LookupError(f"{self.path} needs {name!r}, which does not run")
        return ref

    def hand_on(self, work: Work, stage: str) -> None:
        """Gives `work` to the worker responsible for its path, and waits while that one's mailbox is full."""
        pool = self.neighbour(stage)
        assert isinstance(pool, SupervisorRef)
        pool.partition(work.path).tell(work)


class Finder(Worker):
    """Lists the files, then feeds them in one by one: between two files it can be told to stop."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def on_continue(self) -> None:
        files = list(find_files(self.root))
        self.files = iter(files)
        self.neighbour("collector").tell(Found(len(files)))
        self.ref.tell(NextFile())

    @handles
    def next_file(self, message: NextFile) -> None:
        path = next(self.files, None)
        if path is None:
            self.stop()
            return
        self.hand_on(Work(path), "readers")
        self.ref.tell(message)


class Reader(Worker):
    """Reads files as if all were UTF-8."""

    def __init__(self, root: Path) -> None:
        self.root = root if root.is_dir() else root.parent

    @handles
    def read(self, work: Work) -> None:
        self.hand_on(Source(work.path, (self.root / work.path).read_text(encoding="utf-8")), "parsers")


class Parser(Worker):
    """Parses sources as if all were Python of this version."""

    @handles
    def parse(self, source: Source) -> None:
        module = ast.parse(source.text, filename=source.path)
        self.hand_on(Parsed(source.path, source.text.count("\n") + 1, module), "metrics")


class Meter(Worker):
    """Measures modules as if none were nested deeply."""

    @handles
    def measure(self, parsed: Parsed) -> None:
        self.neighbour("collector").tell(Audited(parsed.path, measure(parsed.module, parsed.lines)))


class Collector(Actor):
    """Keeps the results.

    Its mailbox has no bound: the runtime's events come through it, and those cannot wait. What it holds is
    small.
    """

    def on_start(self) -> None:
        self.results = AuditResults()
        self.subscription = self.subscribe(Quarantined, Redelivered, DeadLetter)

    def on_stop(self) -> None:
        self.subscription.cancel()

    @handles
    def found(self, found: Found) -> None:
        self.results.found = found.count
        self.look()

    @handles
    def audited(self, audited: Audited) -> None:
        self.results.audited[audited.path] = audited.metrics
        self.look()

    @handles
    def redelivered(self, event: Redelivered) -> None:
        self.results.crashes += 1

    @handles
    def quarantined(self, event: Quarantined) -> None:
        self.results.crashes += 1
        if isinstance(event.message, Work):
            self.results.quarantined[event.message.path] = in_one_line(event.error)
            self.look()

    @handles
    def dead_letter(self, event: DeadLetter) -> None:
        """No file is lost in silence: one whose worker was killed is in quarantine, too.

        Only what waited in a mailbox that is closed is left out, for then the whole audit is being stopped.
        """
        if isinstance(event.message, Work) and event.reason != "closed":
            self.results.quarantined[event.message.path] = f"lost ({event.reason}) in {event.path}"
            self.look()

    @handles
    def get_results(self, _: GetResults) -> AuditResults:
        return self.results

    def look(self) -> None:
        reporter = self.runtime.whereis("reporter")
        if self.results.done and reporter is not None:
            reporter.tell(self.results)


class Reporter(Actor):
    """Shows progress every second, and the report at the end; then it ends, and with it the tree."""

    def __init__(self, root: Path, top: int, json_file: Path | None, narrate: bool) -> None:
        self.root = root
        self.top = top
        self.json_file = json_file
        self.narrate = narrate

    def on_start(self) -> None:
        self.began = self.runtime.now()
        self.tell_every(1.0, Tick())
        self.subscription = self.subscribe(Redelivered, Quarantined) if self.narrate else None
        say(f"Auditing {self.root}", sys.stderr)

    def on_stop(self) -> None:
        if self.subscription is not None:
            self.subscription.cancel()

    @handles
    def crashed(self, event: Redelivered | Quarantined) -> None:
        path = event.message.path if isinstance(event.message, Work) else event.message
        last = f"; quarantined: {in_one_line(event.error)}" if isinstance(event, Quarantined) else ""
        say(f"  crash {event.crashes} of {REDELIVER + 1}: {event.path} on {path}{last}", sys.stderr)

    @handles
    async def tick(self, _: Tick) -> None:
        collector = self.runtime.whereis("collector")
        if collector is not None:
            say(progress_of(await collector.call(GetResults())), sys.stderr)

    @handles
    def report(self, results: AuditResults) -> None:
        report = report_on(results, str(self.root), self.top, self.runtime.now() - self.began)
        for line in lines_of(report):
            say(line, sys.stdout)
        if self.json_file is not None:
            self.json_file.write_text(json.dumps(asdict(report), indent=1) + "\n", encoding="utf-8")
        if not report.adds_up:
            raise ArithmeticError(f"{report.found} files were found, but not as many are accounted for")
        self.stop()


def progress_of(results: AuditResults) -> str:
    """One line on how far it is."""
    audited = f"{len(results.audited)}{'' if results.found is None else f' of {results.found}'} files audited"
    return f"{audited}, {len(results.quarantined)} quarantined, {results.crashes} crashes"


def say(line: str, stream: TextIO) -> None:
    """Prints a line; a path may hold characters that the terminal's encoding lacks."""
    encoding = stream.encoding or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


# The tree


def audit(root: Path, *, workers: int, top: int, json_file: Path | None, narrate: bool) -> SupervisorSpec:
    """The tree. Downstream comes first: it is started first, and stopped last."""

    def pool(id: str, worker: type[Worker], **args: object) -> SupervisorSpec:
        # The delay is short because the fault is the file's, and waiting does not mend it.
        template = child(
            id, worker, args=args, redeliver=REDELIVER, mailbox=bounded(4, "block"), backoff=constant(0.01)
        )
        # Each poison file crashes its worker three times, and their number is not known: no
        # budget fits, so there is none. What ends it is `redeliver`.
        return partition_supervisor(id, template, partitions=workers, name=id, max_restarts=None)

    return supervisor(
        "audit",
        child("collector", Collector, name="collector"),
        child(
            "reporter",
            Reporter,
            args={"root": root, "top": top, "json_file": json_file, "narrate": narrate},
            name="reporter",
            restart="transient",
            significant=True,
        ),
        pool("metrics", Meter),
        pool("parsers", Parser),
        pool("readers", Reader, root=root),
        child("finder", Finder, args={"root": root}, restart="transient"),
        # Without its results or its list the audit would be wrong, so one crash of those is the end.
        max_restarts=0,
        auto_shutdown="any_significant",
    )


def tree(arguments: Sequence[str] | None = None, narrate: bool = False) -> SupervisorSpec:
    """The tree for a command line: without arguments, that of this process."""
    parser = argparse.ArgumentParser(prog="source_audit.py", description="Audit the Python files below a folder.")
    parser.add_argument("path", nargs="?", metavar="PATH", help="folder or file (default: the standard library)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there, too, as JSON")
    parser.add_argument("--top", type=int, default=5, metavar="N", help="how long the lists are (default: 5)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="how many of each kind (default: 2)")
    options = parser.parse_args(arguments)
    root = Path(options.path if options.path is not None else sysconfig.get_path("stdlib"))
    if not root.exists():
        parser.error(f"{root}: no such file or folder")
    if options.json is not None and not options.json.absolute().parent.is_dir():
        parser.error(f"{options.json}: its folder does not exist")
    if options.workers < 1 or options.top < 0:
        parser.error("--workers must be 1 or more, --top 0 or more")
    # The parser warns of what it finds odd in a source, on stderr and without the name of the file.
    warnings.filterwarnings("ignore", category=SyntaxWarning)
    return audit(root, workers=options.workers, top=options.top, json_file=options.json, narrate=narrate)


def main() -> int:
    """Runs the tree without the command line tool."""
    try:
        with start(tree(narrate=True), log=False) as root:
            reason = root.wait()
    except KeyboardInterrupt:
        print("Stopped in order, before the end.", file=sys.stderr)
        return 130
    if reason is None or not reason.expected:
        print(f"The audit gave up: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
