"""The commands of `letitcrash`."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Annotated, NoReturn

import typer
from prometheus_client import CollectorRegistry, start_http_server
from rich.console import Console
from rich.text import Text

from actors import Metrics, Runtime
from actors._runtime.loop_thread import LoopFactory
from actors._user_code.text import printable
from actors.spi import ENVIRONMENT, NAME, MissingExtra, needs_extra
from letitcrash import __version__
from supervisors import SpecError, SpecFault, SupervisorSpec
from supervisors import check as check_tree
from teams.cli._account import Failures
from teams.cli._commands import Commands, WorkflowCommands
from teams.cli._control import KILL, PAUSE, RESUME, NotOurs, send
from teams.cli._live import LiveView
from teams.cli._logs import LogFormat
from teams.cli._quarantine import Pid
from teams.cli._quarantine import app as quarantine
from teams.cli._run_loop import FAILED
from teams.cli._session import REFUSED, Session
from teams.cli._show import faults_of, report_of, tree_of
from teams.cli._streams import discard, flush
from teams.cli._target import TargetError, load_target
from teams.cli._text import lines, unwritable
from teams.cli._view import PlainView, View

app = typer.Typer(
    cls=Commands,
    help="Trees of actors that restart each other by policy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(
    typer.Typer(
        cls=WorkflowCommands,
        help="Durable workflows: runs that outlive their process.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
    ),
    name="workflow",
)
app.add_typer(quarantine, name="quarantine")

TargetArgument = Annotated[
    str,
    typer.Argument(metavar="TARGET", help="module:attribute, path/to/file.py[:attribute], or a .toml or .yaml tree."),
]
ProgramArgs = Annotated[
    list[str] | None,
    typer.Argument(metavar="ARGS", help="What the target finds in sys.argv; put -- before them."),
]


class Level(StrEnum):
    """From which level on there are log lines."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{NAME} {__version__}")
        raise typer.Exit


@app.callback()
def letitcrash(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Trees of actors that restart each other by policy."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without the script of an id must not fail
            stream.reconfigure(errors="backslashreplace")


@app.command()
def run(
    target: TargetArgument,
    args: ProgramArgs = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            envvar=f"{ENVIRONMENT}METRICS_PORT",
            help="Serve Prometheus metrics; 0: on a free port.",
        ),
    ] = None,
    metrics_host: Annotated[
        str, typer.Option(envvar=f"{ENVIRONMENT}METRICS_HOST", help="The address to serve them on.")
    ] = "127.0.0.1",
    live: Annotated[
        bool | None,
        typer.Option(
            "--live/--plain",
            envvar=f"{ENVIRONMENT}LIVE",
            help="The tree, redrawn in place, or log lines. [default: live on a terminal]",
            show_default=False,
        ),
    ] = None,
    log_level: Annotated[
        Level, typer.Option(envvar=f"{ENVIRONMENT}LOG_LEVEL", help="From which level on there are log lines.")
    ] = Level.info,
    log_format: Annotated[
        LogFormat,
        typer.Option(
            envvar=f"{ENVIRONMENT}LOG_FORMAT", help="How log lines are written; json has one object a line on stderr."
        ),
    ] = LogFormat.text,
    uvloop: Annotated[
        bool,
        typer.Option("--uvloop", envvar=f"{ENVIRONMENT}UVLOOP", help="Run on uvloop, where it is installed."),
    ] = False,
) -> None:
    r"""Runs a tree until it ends, and prints the result of a team that has a goal.

    The first SIGINT (Ctrl-C) or SIGTERM stops it in order, a second one kills it; two of one kind within half a second
    are one. SIGHUP (the terminal is closed) stops it in order, too, and never kills; where it is ignored, as under
    nohup, it stays so. SIGUSR1 pauses the tree, SIGUSR2 resumes it, SIGQUIT (Ctrl-\) kills it at once; so do the
    commands `pause`, `resume` and `kill`.
    Exits with 0 when the tree ended or was stopped, 1 when it did not start or gave up, or when its output cannot be
    written, 2 for an invalid tree or arguments, 130, 131 or 143 when it was killed, 141 when the reader closed its
    output any more.
    """
    spec = _load(target, args)
    report = check_tree(spec)
    if report.errors:
        _refuse(faults_of(target, [SpecFault(each.path, each.message) for each in report.errors]))
    factory = _uvloop() if uvloop else None
    failures = Failures()
    console = Console(highlight=False)
    if live and log_format is LogFormat.json:
        _refuse("--live shows no JSON: leave out one of --live and --log-format json")
    if live is None:
        live = console.is_terminal and not console.is_dumb_terminal and log_format is LogFormat.text
    view: View = (
        LiveView(target, log_level.value, console, failures) if live else PlainView(log_level.value, log_format)
    )
    with _metrics(metrics_host, metrics_port, view) as prepare:
        code = Session(spec, view, failures, prepare, factory).run()
    raise typer.Exit(code)


@app.command()
def check(target: TargetArgument, args: ProgramArgs = None) -> None:
    """Looks for faults and surprises in a tree without starting it.

    Exits with 2 when the tree cannot work, 0 otherwise.
    """
    spec = _load(target, args)
    report = check_tree(spec)
    _print(report_of(spec, report))
    if report.errors:
        raise typer.Exit(REFUSED)


@app.command()
def tree(target: TargetArgument, args: ProgramArgs = None) -> None:
    """Shows a tree without starting it."""
    spec = _load(target, args)
    _print(tree_of(spec, check_tree(spec, imports=False)))


@app.command()
def pause(pid: Pid) -> None:
    """Has a running tree begin nothing new; what it is doing goes on.

    Sends SIGUSR1. Exits with 2 when the process is not a `letitcrash run` of this user.
    """
    _send(pid, PAUSE)


@app.command()
def resume(pid: Pid) -> None:
    """Has a paused tree go on.

    Sends SIGUSR2. Exits with 2 when the process is not a `letitcrash run` of this user.
    """
    _send(pid, RESUME)


@app.command()
def kill(pid: Pid) -> None:
    """The kill switch: ends a running tree at once, without an ordered stop.

    Sends SIGQUIT. Exits with 2 when the process is not a `letitcrash run` of this user.
    """
    _send(pid, KILL)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        send(pid, number)
    except NotOurs as error:
        _refuse(printable(str(error)))
    typer.echo(f"{NAME}: sent {number.name} to process {pid}", err=True)


class _Console(Console):
    """Rich exits with 1 where the reader has closed the output."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _print(lines: Iterable[Text]) -> None:
    console = _Console(highlight=False, markup=False, emoji=False)
    try:
        for line in lines:
            console.print(line, soft_wrap=True)
        flush()
    except OSError as error:
        discard(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(128 + signal.SIGPIPE) from None
        typer.echo(f"{NAME}: {unwritable(error)}", err=True)
        raise typer.Exit(FAILED) from None


def _load(target: str, args: list[str] | None) -> SupervisorSpec:
    try:
        return load_target(target, args or ())
    except SpecError as error:
        _refuse(faults_of(target, error.faults))
    except TargetError as error:
        _refuse(lines(str(error)))
    except KeyboardInterrupt:
        raise typer.Exit(128 + signal.SIGINT) from None


def _refuse(text: str) -> NoReturn:
    typer.echo(f"{NAME}: {text}", err=True)
    raise typer.Exit(REFUSED)


def _uvloop() -> LoopFactory:
    try:
        with needs_extra():
            import uvloop
    except MissingExtra as error:
        _refuse(f"--uvloop: {error}")
    factory: LoopFactory = uvloop.new_event_loop
    return factory


@contextlib.contextmanager
def _collectors(runtime: Runtime, registry: CollectorRegistry) -> Iterator[None]:
    """The metrics of actors, and of teams."""
    from teams import TeamMetrics

    with Metrics(runtime, registry), TeamMetrics(runtime, registry):
        yield


@contextlib.contextmanager
def _metrics(
    host: str, port: int | None, view: View
) -> Iterator[Callable[[Runtime], contextlib.AbstractContextManager[object]]]:
    """Serves a registry of its own; yields what puts a runtime's metrics into it."""
    if port is None:
        yield lambda _: contextlib.nullcontext()
        return
    registry = CollectorRegistry()
    try:
        server, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        _refuse(f"cannot serve metrics on {host}:{port}: {error.strerror or error}; choose another --metrics-port")
    try:
        view.say(f"metrics on http://{host}:{server.server_port}/metrics")
        yield lambda runtime: _collectors(runtime, registry)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
