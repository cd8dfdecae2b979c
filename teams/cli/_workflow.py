"""The commands of `letitcrash workflow`.

Each works through the store, whether or not an engine has it: what is said to a run waits there until its engine, now
or later, takes it up. `_workflow_target` reads what they are told, `_workflow_store` is the store, `_workflow_wait`
waits, `_workflow_dry` plays over stubs, `_workflow_text` writes what is seen, `_workflow_outcome` has the exit codes.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import math
import os
import socket
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

import typer

from actors._user_code.text import printable
from supervisors import SpecError, SpecFault, SupervisorSpec
from supervisors.spi import read_document
from teams._journal.errors import StoreRefused, without_password
from teams._journal.rows import STATES, Definition, LifeState, Unit, Written
from teams._journal.store import Store
from teams.cli import _workflow_store as stores
from teams.cli._account import Failures
from teams.cli._logs import LogFormat
from teams.cli._options import JsonOption
from teams.cli._session import Session
from teams.cli._text import count, json_line, result_text
from teams.cli._view import PlainView
from teams.cli._workflow_dry import dry_run
from teams.cli._workflow_outcome import AWAY, FAILED, TIMED_OUT, code_of, note, outcome, refuse
from teams.cli._workflow_plan import plan_document, plan_lines, read_options
from teams.cli._workflow_schedule import app as schedule_app
from teams.cli._workflow_store import (
    address,
    engine_of,
    every_run,
    hidden_of,
    new_id,
    opened,
    run_of,
    say,
    send,
    status_in,
    whereabouts,
)
from teams.cli._workflow_target import (
    flow_named,
    import_from_here,
    is_file,
    load_engine_target,
    one_of,
    read_stubs,
    read_value,
    since,
    workflow_named,
)
from teams.cli._workflow_text import (
    drawable,
    entry_json,
    entry_line,
    run_json,
    run_lines,
    status_json,
    status_lines,
    step_states,
)
from teams.cli._workflow_wait import can_serve, end_of, follow, playing
from teams.planning import RecordedRuns, schedule_picture
from teams.planning import plan as planned_run
from teams.planning._recorded import recorded_in
from teams.workflows._engine.config import environment_values
from teams.workflows._engine.messages import AnswerQuestion, StartRun
from teams.workflows._engine.parts import settings_of, with_store
from teams.workflows._engine.ref import RunStatus
from teams.workflows._engine.said import answer_row, check_first, edited_run, existing, moved, new_run, retried
from teams.workflows._engine.settings import RETAIN, EngineSettings
from teams.workflows._graph.edit import changes_from
from teams.workflows._graph.file import workflow_from
from teams.workflows._graph.picture import FORMATS, picture
from teams.workflows._graph.workflow import Workflow
from teams.workflows.errors import NoSuchWorkflow, NotEnded

workflow = typer.Typer(rich_markup_mode=None)
store_app = typer.Typer(help="The store of workflows.", no_args_is_help=True, rich_markup_mode=None)
workflow.add_typer(store_app, name="store")
workflow.add_typer(schedule_app(), name="schedule")

_DURATION = 300.0
"""Seconds that a wait takes at most, unless it is told."""

_MOST = 1_000_000_000
"""The highest priority, and minus the lowest."""


def _finite(value: float) -> float:
    if math.isnan(value):
        raise typer.BadParameter("it must be a number of seconds")
    return value


File = Annotated[
    str, typer.Argument(metavar="FILE", help="A .toml or .yaml file with workflows, or module:attribute of an engine.")
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="The id of a run.")]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help=f"The store. [default: ${stores.VARIABLE}, else that of FILE, else {stores.DEFAULT}]",
        show_default=False,
    ),
]
NameOption = Annotated[
    str | None, typer.Option("--workflow", metavar="NAME", help="Which workflow, where there are several.")
]
InputOption = Annotated[str | None, typer.Option("--input", metavar="JSON|@FILE|-", help="The input of the run.")]
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--timeout", metavar="SECONDS", min=0.0, max=1e9, callback=_finite, help="How long to wait; then exit 124."
    ),
]


class PictureFormat(StrEnum):
    """How a workflow is drawn."""

    text = "text"
    mermaid = "mermaid"
    dot = "dot"


assert tuple(PictureFormat) == FORMATS


class ScheduleFormat(StrEnum):
    """How the schedule of a plan is drawn."""

    text = "text"
    mermaid = "mermaid"


def _show(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


def _show_status(status: RunStatus, *, as_json: bool) -> None:
    _show([status_json(status)] if as_json else status_lines(status))


def _told(store: Store, text: str) -> None:
    """Says what was written, and whether an engine is there to take it up."""
    without = "" if engine_of(store) is not None else "; no engine has the store now: it takes effect when one does"
    note(text + without)


# Runs


@workflow.command()
def start(
    target: Annotated[
        str,
        typer.Argument(metavar="FILE|NAME", help="A file or module:attribute with the workflow, or the name of one."),
    ],
    input: InputOption = None,
    name: NameOption = None,
    key: Annotated[str | None, typer.Option("--key", help="An idempotency key: one run a workflow and key.")] = None,
    priority: Annotated[
        int, typer.Option("--priority", min=-_MOST, max=_MOST, help="More is sooner where runs wait for a place.")
    ] = 0,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end, and write the result.")] = False,
    timeout: TimeoutOption = _DURATION,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Starts a run, and writes its id. With `--wait` plays it here, unless another process has the store.

    NAME is a workflow of which the store has a run already. Exits with 0 when the run is written; with `--wait`, as
    `status` does when the run has ended or a person is needed.
    """
    interrupted = "interrupted; `workflow list` says whether the run was written, and a --key makes a second start safe"
    with outcome(target, interrupted=interrupted):
        value = read_value("--input", input)
        spec = load_engine_target(target) if is_file(target) else None
        with opened(address(store, spec), create=spec is not None) as found:
            if spec is not None:
                spec = with_store(spec, address(store, spec))
                settings, flow = settings_of(spec), workflow_named(spec, target, name)
            else:
                settings, flow = _settings_in(found, target), target
            message = StartRun(flow, value, key, priority)
            row = new_run(settings, message, new_id(found), found.now())
            (result,) = found.commit([Unit(row.id, definition=settings.definition(flow, row.created_at), start=row)])
            run = (existing(result, row) or row).id
            if not wait:
                if as_json:
                    typer.echo(status_json(status_in(found, run)))
                else:
                    typer.echo(run)
                if engine_of(found) is None:
                    note("no engine has the store now: `workflow serve FILE` plays the run")
                return
            note(f"run {run}")
            status = _played(found, spec, run, timeout)
            _ended(found, run, status, as_json=as_json)


def _settings_in(store: Store, name: str) -> EngineSettings:
    """What is known of a workflow by the store alone. Raises NoSuchWorkflow, SpecError."""
    import_from_here()
    stored = store.definitions(name)
    if not stored:
        raise NoSuchWorkflow(name, tuple(sorted({each.workflow for each in every_run(store)})))
    found = _stored(name, stored[0], "name the FILE")
    given = environment_values()
    if given.faults:
        raise SpecError(given.faults)
    return EngineSettings({name: found}, {}, 1, given.values.get("default_timeout", _DURATION), RETAIN)


def _stored(name: str, definition: Definition, advice: str) -> Workflow:
    """A workflow as the store has it, with what its modules say. Raises SpecError."""
    try:
        return workflow_from(json.loads(definition.body))
    except ValueError as error:
        if isinstance(error, SpecError):
            raise
        raise SpecError([SpecFault(name, f"the store has only the name of this pattern: {advice}")]) from None


def _played(store: Store, spec: SupervisorSpec | None, run: str, timeout: float) -> RunStatus | None:
    """Waits for the end of a run, which this process plays if it can be the engine of the store."""
    if spec is None or not can_serve(store):
        return end_of(store, run, timeout)
    with playing(spec) as alive:
        return end_of(store, run, timeout, alive=alive)


def _ended(store: Store, run: str, status: RunStatus | None, *, as_json: bool) -> None:
    """Writes how a run is that was waited for, and ends with its exit code."""
    if status is None:
        _show_status(status_in(store, run), as_json=as_json) if as_json else None
        refuse(f"run {printable(run)} has not ended in time; it goes on where an engine has the store", TIMED_OUT)
    if as_json:
        typer.echo(status_json(status))
    elif status.state == "done":
        typer.echo(result_text(status.result))
    else:
        _show(status_lines(status))
    raise typer.Exit(code_of(status))


@workflow.command()
def serve(
    target: File,
    store: StoreOption = None,
    log_format: Annotated[
        LogFormat, typer.Option(help="How log lines are written; json has one object a line on stderr.")
    ] = LogFormat.text,
) -> None:
    """Runs the engine of a file: it plays the runs in the store until it is stopped.

    Signals are those of `letitcrash run`: SIGINT or SIGTERM stops it in order, and what was under way goes on when an
    engine has the store again. Exits with 4 when another process has the store.
    """
    with outcome(target):
        spec = load_engine_target(target)
        where = address(store, spec)
        spec = with_store(spec, where)
        if where != "memory:":
            with opened(where, create=True) as found:
                epoch = found.register(socket.gethostname(), os.getpid(), 1.0)
                found.release(epoch)
    raise typer.Exit(Session(spec, PlainView("info", log_format), Failures(), lambda _: contextlib.nullcontext()).run())


@workflow.command()
def status(
    run: RunArgument,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end.")] = False,
    timeout: TimeoutOption = _DURATION,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows how far a run is.

    Exits with 0 when it is done or goes on, 1 when it failed, 5 when it is blocked, paused or asks a person, 6 when it
    was cancelled.
    """
    with outcome(), opened(address(store)) as found:
        if wait:
            _ended(found, run, end_of(found, run, timeout), as_json=as_json)
        shown = status_in(found, run)
        _show_status(shown, as_json=as_json)
        if not as_json and (where := whereabouts(found, run)) is not None:
            typer.echo(f"engine    {where}")
        raise typer.Exit(code_of(shown))


@workflow.command("list")
def list_runs(
    state: Annotated[list[str] | None, typer.Option("--state", help="Runs in this state; may be repeated.")] = None,
    name: Annotated[str | None, typer.Option("--workflow", metavar="NAME", help="Runs of this workflow.")] = None,
    begin: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Runs since a time, or for so long: 90s, 5m, 24h.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many runs at most.")] = 100,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists runs, newest first."""
    with outcome():
        states: tuple[LifeState, ...] | None = None
        if state:
            words = {one_of("--state", each, STATES) for each in state}
            states = tuple(each for each in STATES if each in words)
        with opened(address(store)) as found:
            rows = found.runs(states=states, workflow=name, since=since(begin, found.now()), limit=limit)
            _show(map(run_json, rows) if as_json else run_lines(rows))


@workflow.command()
def history(
    run: RunArgument,
    goes_on: Annotated[bool, typer.Option("--follow", help="Go on until the run has ended.")] = False,
    timeout: TimeoutOption = _DURATION,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows what is written of a run, in order. What a step redacts is not shown."""
    with outcome(), opened(address(store)) as found:
        row = run_of(found, run)
        hidden = hidden_of(found, row)
        hidden.entries(found.entries(run))
        entries = follow(found, run, timeout) if goes_on else iter(found.entries(run))
        for entry in entries:
            shown = hidden.entry(entry)
            typer.echo(entry_json(shown) if as_json else entry_line(shown))
        if goes_on:
            last = status_in(found, run)
            if last.ended_at is None:
                refuse(f"run {printable(run)} has not ended in time", TIMED_OUT)
            raise typer.Exit(code_of(last))


# What is said to runs


@workflow.command()
def resume(
    run: RunArgument,
    accept_changes: Annotated[
        bool,
        typer.Option(
            "--accept-changes", help="You have looked: an uncertain step begins again, a changed one counts as it is."
        ),
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Goes on with a run that is paused or blocked."""
    with outcome(), opened(address(store)) as found:
        row = run_of(found, run)
        paused = any(each.kind == "pause" for each in found.inbox(run))
        if row.ended_at is None and row.state not in ("paused", "blocked") and not paused:
            note(f"run {printable(run)} is {row.state}, neither paused nor blocked: nothing was written")
        else:
            say(found, run, "resume", "accept_changes" if accept_changes else "")
            _told(found, f"run {printable(run)} is told to go on")
        _after(found, run, as_json=as_json)


def _after(store: Store, run: str, *, as_json: bool) -> None:
    """With --json a command shows the run as it is now."""
    if as_json:
        typer.echo(status_json(status_in(store, run)))


@workflow.command()
def pause(run: RunArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Stops a run where it is, until `resume`. A step under way is begun again then."""
    with outcome(), opened(address(store)) as found:
        say(found, run, "pause")
        _told(found, f"run {printable(run)} is told to pause")
        _after(found, run, as_json=as_json)


@workflow.command()
def cancel(
    run: RunArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "cancelled by the command line",
    now: Annotated[bool, typer.Option("--now", help="Undo nothing.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ends a run: its steps are called off, then what was done is undone, last first."""
    with outcome(), opened(address(store)) as found:
        say(found, run, "cancel", "now" if now else "", reason)
        _told(found, f"run {printable(run)} is told to end")
        _after(found, run, as_json=as_json)


@workflow.command()
def retry(
    run: RunArgument,
    step: Annotated[
        str | None, typer.Option("--from", metavar="STEP", help="Do this step and those after it again.")
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Goes on with a run that failed or was cancelled; steps that are done stay done."""
    with outcome(), opened(address(store)) as found:
        row = run_of(found, run)
        (result,) = found.commit([retried(row, found.entries(run), step, found.now())])
        if not isinstance(result, Written):
            raise NotEnded(run, "taken up by another engine")
        _told(found, f"run {printable(run)} goes on")
        _after(found, run, as_json=as_json)


@workflow.command()
def signal(
    run: RunArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name that a step waits for.")],
    value: Annotated[str | None, typer.Argument(metavar="JSON|@FILE|-", help="What the signal carries.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sends a signal to a run. A step that waits for it takes it, now or when it comes there."""
    with outcome():
        said = read_value("the value", value)
        with opened(address(store)) as found:
            say(found, run, "signal", name, said)
            _told(found, f"run {printable(run)} has signal {printable(name)}")
            _after(found, run, as_json=as_json)


@workflow.command()
def answer(
    run: RunArgument,
    step: Annotated[str, typer.Argument(metavar="STEP", help="The step that asks.")],
    value: Annotated[str, typer.Argument(metavar="ANSWER", help="The answer, as text.")],
    by: Annotated[
        str | None, typer.Option("--by", help="Who answers. [default: the user of this process]", show_default=False)
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answers the question of a step. It counts once."""
    with outcome(), opened(address(store)) as found:
        run_of(found, run)
        message = AnswerQuestion(run, step, value, getpass.getuser() if by is None else by)
        row = answer_row(message, found.entries(run), found.inbox(run), found.now())
        send(found, row)
        check_first(row, found.entries(run), found.inbox(run))
        _told(found, f"run {printable(run)} has the answer of step {printable(step)}")
        _after(found, run, as_json=as_json)


@workflow.command()
def move(
    run: RunArgument,
    to: Annotated[
        str, typer.Option("--to", metavar="VERSION|FILE", help="The first digits of a version, or a file that has it.")
    ],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Has a run go on with another version of its workflow.

    Every step that has begun or ended must be in the other version, unchanged. A run that is blocked goes on then.
    """
    with outcome(to):
        spec = load_engine_target(to) if is_file(to) else None
        with opened(address(store, spec)) as found:
            row = run_of(found, run)
            definition = _version(found, row.workflow, to, spec)
            if definition.version == row.version:
                note(f"run {printable(run)} has this version already: nothing was written")
                _after(found, run, as_json=as_json)
                return
            was = found.definition(row.workflow, row.version)
            if was is None:
                raise StoreRefused(found.url, f"it is damaged: version {row.version[:12]} is missing. Restore a copy")
            unit = moved(row, found.entries(run), was, definition, found.now())
            awake = row.owner is not None and engine_of(found, row.owner) is not None
            if awake or not isinstance(found.commit([unit])[0], Written):  # its engine does it where it has the run
                say(found, run, "move", definition.version, definition=definition)
            _told(found, f"run {printable(run)} goes on with version {definition.version[:12]}")
            _after(found, run, as_json=as_json)


@workflow.command()
def edit(
    run: RunArgument,
    changes: Annotated[
        str, typer.Argument(metavar="FILE", help="A .toml or .yaml file with add_node, add_edge, remove, replace.")
    ],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Changes the graph of a run: all of the changes, or none.

    What has begun does not change. A run that is blocked goes on then. Exits with 2 when the changes have faults.
    """
    with outcome(changes):
        import_from_here()
        made = changes_from(read_document(changes, "edit"))
        with opened(address(store)) as found:
            row = run_of(found, run)
            definition = found.definition(row.workflow, row.version)
            if definition is None:
                raise StoreRefused(found.url, f"it is damaged: version {row.version[:12]} is missing. Restore a copy")
            flow = _stored(row.workflow, definition, "it has no graph to edit")
            unit = edited_run(row, found.entries(run), flow, made, new_id(found), found.now())
            awake = row.owner is not None and engine_of(found, row.owner) is not None
            if awake or not isinstance(found.commit([unit])[0], Written):  # its engine does it where it has the run
                say(found, run, "edit", value=made.document())
                _told(
                    found, f"run {printable(run)} is told of the changes; `workflow history` says what became of them"
                )
            else:
                _told(found, f"run {printable(run)} goes on with version {str(unit.update['version'])[:12]}")
            _after(found, run, as_json=as_json)


def _version(store: Store, workflow: str, text: str, spec: SupervisorSpec | None) -> Definition:
    """The version that is meant. Raises NoSuchWorkflow, SpecError."""
    if spec is not None:
        settings = settings_of(spec)
        if workflow not in settings.workflows:
            raise NoSuchWorkflow(workflow, tuple(settings.workflows))
        return settings.definition(workflow, store.now())
    stored = store.definitions(workflow)
    fit = [each for each in stored if each.version.startswith(text)] if text else []
    if len(fit) == 1:
        return fit[0]
    known = ", ".join(each.version[:12] for each in stored)
    problem = f"{len(fit)} versions begin with" if fit else "no version of this workflow begins with"
    raise SpecError([SpecFault("--to", f"{problem} {printable(text)!r}; the store has {known}")])


# Workflows


@workflow.command()
def graph(
    target: Annotated[str, typer.Argument(metavar="FILE|RUN", help="A file with workflows, or the id of a run.")],
    format: Annotated[PictureFormat, typer.Option("--format", help="How it is drawn.")] = PictureFormat.text,
    name: NameOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draws a workflow; of a run, with the state of each step."""
    with outcome(target):
        states: dict[str, str] = {}
        if is_file(target):
            flow = flow_named(load_engine_target(target), target, name)
        else:
            with opened(address(store)) as found:
                row = run_of(found, target)
                definition = found.definition(row.workflow, row.version)
                states = step_states(row, found.entries(target))
            flow = _drawn(row.workflow, definition)
        drawn = picture(flow, format.value, states=states)
        typer.echo(
            json_line({"workflow": flow.name, "states": states, "picture": drawn}) if as_json else drawn, nl=as_json
        )


def _drawn(name: str, definition: Definition | None) -> Workflow:
    """A stored workflow, as far as it is needed for a picture. Raises SpecError."""
    try:
        return workflow_from(drawable(definition.body if definition is not None else b""))
    except (ValueError, AttributeError) as error:
        if isinstance(error, SpecError):
            raise
        raise SpecError([SpecFault(name, "it is a pattern, of which the store has only the name: no graph")]) from None


@workflow.command()
def check(target: File, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Looks for faults in a file with workflows, and shows what would run. Nothing is started or stored.

    Exits with 2 when there are faults: all of them, each with its place.
    """
    with outcome(target):
        spec = load_engine_target(target)
        settings, where = settings_of(spec), address(store, spec)
        flows = {name: each for name, each in settings.workflows.items() if isinstance(each, Workflow)}
        if as_json:
            found = {
                "engine": spec.id,
                "store": without_password(where),
                "workflows": {name: json.loads(each.body) for name, each in flows.items()},
                "versions": {name: settings.version(name) for name in settings.workflows},
                "patterns": sorted(settings.patterns),
            }
            typer.echo(json_line(found))
            return
        for name, flow in flows.items():
            typer.echo(f"version {settings.version(name)[:12]} of ", nl=False)
            typer.echo(picture(flow), nl=False)
        _show(f"pattern {printable(name)}" for name in settings.patterns)
        most = settings.max_concurrent_workflows
        typer.echo(f"{printable(spec.id)}: {count(len(settings.workflows), 'workflow')}, {most} runs at a time")
        typer.echo(f"store: {printable(without_password(where))}")


@workflow.command("dry-run")
def dry(
    target: File,
    input: InputOption = None,
    stub: Annotated[
        str | None,
        typer.Option(
            "--stub",
            metavar="FILE",
            help="JSON, TOML or YAML: what steps return. [default: their input]",
            show_default=False,
        ),
    ] = None,
    name: NameOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plays a whole workflow over stubs. Dispatches and stores nothing.

    Exits with 1 when the run fails.
    """
    with outcome(target):
        value, stubs = read_value("--input", input), read_stubs(stub)
        spec = load_engine_target(target)
        found = dry_run(flow_named(spec, target, name), settings_of(spec).workflows, value, stubs)
        _show([json_line(found.document())] if as_json else found.lines())
        if found.error is not None:
            refuse(printable(found.why), FAILED)


@workflow.command()
def plan(
    target: File,
    estimate: Annotated[
        list[str] | None,
        typer.Option(
            "--estimate",
            metavar="STEP=SECONDS",
            help="How long a step takes, or STEP=LOW,LIKELY,HIGH; may be repeated.",
        ),
    ] = None,
    capacity: Annotated[
        list[str] | None,
        typer.Option(
            "--capacity", metavar="MEMBER=NUMBER", help="How many steps a member does at once; may be repeated."
        ),
    ] = None,
    learn: Annotated[
        bool, typer.Option("--learn", help="Take durations and failures from the runs in the store.")
    ] = False,
    format: Annotated[
        ScheduleFormat, typer.Option("--format", help="How the schedule is drawn.")
    ] = ScheduleFormat.text,
    name: NameOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plans a run: the critical path, a schedule, percentiles and risks. Nothing is started or stored."""
    with outcome(target):
        estimates, most = read_options(estimate or (), capacity or ())
        spec = load_engine_target(target)
        flow = flow_named(spec, target, name)
        recorded = RecordedRuns()
        if learn:
            with opened(address(store, spec)) as found:
                recorded = recorded_in(found, flow)
        planned = planned_run(flow, estimates=estimates, recorded=recorded, capacity=most)
        if as_json:
            typer.echo(json_line(plan_document(planned)))
        elif format is ScheduleFormat.mermaid:
            typer.echo(schedule_picture(planned, "mermaid"), nl=False)
        else:
            _show(plan_lines(planned))


# The store


@workflow.command()
def purge(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Deletes ended runs whose time to be kept is over."""
    with outcome(), opened(address(store)) as found:
        deleted = 0
        while some := found.purge(found.now(), stores.PAGE):
            deleted += some
        typer.echo(json_line({"deleted": deleted}) if as_json else f"{count(deleted, 'run')} deleted")


@store_app.command()
def migrate(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Makes the tables of a store, or brings them to this version."""
    with outcome():
        where = address(store)
        with opened(where, create=True) as found:
            typer.echo(json_line({"store": found.url}) if as_json else f"{printable(found.url)} is up to date")


@store_app.command("check")
def check_store(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Reads everything in a store, and says what is wrong with it. Exits with 4 when something is."""
    with outcome(), opened(address(store)) as found:
        wrong = list(stores.damage(found))
        counts = dict(sorted(found.counts().items()))
        engine = engine_of(found)
        by = None if engine is None else f"pid {engine.pid} on {engine.host}"
        if as_json:
            typer.echo(json_line({"store": found.url, "runs": counts, "engine": by, "faults": wrong}))
        else:
            _show(f"{state:<10} {number}" for state, number in counts.items())
            typer.echo(f"engine     {'none' if by is None else printable(by)}")
        if wrong:
            told = "\n".join(f"  {printable(each)}" for each in wrong)
            refuse(f"{count(len(wrong), 'fault')} in {printable(found.url)}\n{told}", AWAY)


@store_app.command()
def export(
    name: Annotated[str | None, typer.Option("--workflow", metavar="NAME", help="Runs of this workflow.")] = None,
    begin: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Runs since a time, or for so long: 90s, 5m, 24h.")
    ] = None,
    store: StoreOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="What it writes is always JSON.")] = True,
) -> None:
    """Writes what is in a store, one JSON object a line. Nothing is redacted."""
    with outcome(), opened(address(store)) as found:
        _show(map(json_line, stores.exported(found, workflow=name, since=since(begin, found.now()))))
