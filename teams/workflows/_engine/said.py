"""What may be said to a run, decided from rows alone: by the desk of an engine, and by a process without one."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from actors.spi import TEXT, cut
from supervisors.spi import SpecError, SpecFault
from teams._checks.fields import seconds_faults
from teams._journal import rows
from teams._journal.codec import decode, enclosed, encode, key_cell
from teams._journal.errors import NotReadable, NotStorable
from teams._journal.rows import ENDED, Definition, InboxRow, JournalEntry, Result, RunRow, Unit
from teams._runs.pattern import Pattern
from teams.workflows._engine.listeners import follower
from teams.workflows._engine.messages import AnswerQuestion, StartRun
from teams.workflows._engine.settings import EngineSettings, run_row
from teams.workflows._graph.edit import GraphChanges, KnownNames, changes_from, edited
from teams.workflows._graph.workflow import Workflow, definition_of
from teams.workflows._run.names import step_of
from teams.workflows._run.past import OF_STEPS
from teams.workflows._run.play import read_input
from teams.workflows._run.values import write
from teams.workflows.errors import (
    AlreadyAnswered,
    AlreadyBegun,
    AlreadyEnded,
    CannotEdit,
    CannotMove,
    KeyTaken,
    NoOpenQuestion,
    NoSuchRun,
    NoSuchStep,
    NoSuchWorkflow,
    NotAnOption,
    NotEnded,
    WorkflowError,
)

CANCELLED = "it was cancelled"
"""The reason, where none is given."""


def new_run(settings: EngineSettings, message: StartRun, id: str, now: int) -> RunRow:
    """The row of a new run that nothing owns yet. `now` is in UTC microseconds.

    Raises:
        NoSuchWorkflow: there is none of this name
        BadInput: the input is not what the workflow takes
        NotStorable: JSON cannot say it, or some store does not take the key or the priority
        SpecError: the timeout is not more than 0 seconds, or the attributes are not a mapping
    """
    name: object = message.workflow
    pattern = settings.workflows.get(name) if isinstance(name, str) else None
    if pattern is None:
        raise NoSuchWorkflow(message.workflow, tuple(settings.workflows))
    read_input(pattern, message.value)
    if message.key is not None:
        key_cell(message.key, "key")
    if not isinstance(message.priority, int):
        raise NotStorable("priority", f"it must be an integer, got {cut(repr(message.priority), TEXT)}")
    if faults := [*_option_faults(message)]:
        raise SpecError(faults)
    return run_row(
        id,
        message.workflow,
        settings.version(message.workflow),
        write(message.value, limit=settings.max_value_bytes),
        now,
        key=message.key,
        priority=message.priority,
        timeout=settings.timeout(pattern, message.timeout),
        total=settings.total(pattern),
        attributes=message.attributes,
        parent=message.parent,
        parent_step=message.parent_step,
    )


def _option_faults(message: StartRun) -> Iterator[SpecFault]:
    if message.timeout != math.inf:
        yield from seconds_faults(message.workflow, "timeout", message.timeout)
    if not isinstance(message.attributes, Mapping | None):
        got = cut(repr(message.attributes), TEXT)
        yield SpecFault(message.workflow, f"attributes: must be a mapping, or None for none, got {got}")


def existing(result: Result, row: RunRow) -> RunRow | None:
    """The run with the same key and input that is there already; None: the row was written. Raises KeyTaken."""
    if isinstance(result, rows.OtherInput):
        raise KeyTaken(row.workflow, row.key or "", result.run.id)
    return result.run if isinstance(result, rows.Known) and result.run.id != row.id else None


def next_of(ended: RunRow | None, message: InboxRow) -> InboxRow | None:
    """A message to a run that another one goes on for, as it is told to that; None: there is none, or the message is
    about what only the first one has.
    """
    following = (
        None if ended is None or message.kind not in ("signal", "cancel", "pause", "resume") else follower(ended)
    )
    return None if following is None else replace(message, run=following)


def reason_of(cancel: InboxRow) -> str:
    """Why a run is cancelled. Its end does not wait for a text that a damaged store has lost."""
    try:
        return (decode(cancel.body) if cancel.body else None) or CANCELLED
    except NotReadable as error:
        return f"{CANCELLED}; {error}"


def refusal(run: str, row: RunRow | None) -> WorkflowError:
    """The error for a message that the store refused."""
    return NoSuchRun(run) if row is None else AlreadyEnded(run, row.state)


def open_question(run: str, step: str, entries: Sequence[JournalEntry], waiting: Sequence[InboxRow]) -> JournalEntry:
    """The question that a step asks now. `waiting` are the messages that the run has not taken up.

    Raises:
        AlreadyAnswered: it has its answer
        NoOpenQuestion: the step asks nothing now
    """
    asked: dict[str, JournalEntry] = {}
    by: dict[str, tuple[str, int]] = {}
    for each in entries:
        match each.kind:
            case "asked":
                asked[each.step] = each
                by.pop(each.step, None)
            case "answered":
                asked.pop(each.step, None)
                by[each.step] = decode(each.body or b"{}")["by"], each.at
            case "expired":
                asked.pop(each.step, None)
            case "ended":
                asked.clear()
    for found in answers(waiting, entries):
        if found.name in asked and found.id == f"{run}/{asked[found.name].seq}":
            by[found.name] = found.by, found.at
    if step in by:
        raise _answered(run, step, *by[step])
    if step not in asked:
        raise NoOpenQuestion(run, step, tuple(each for each in asked if each not in by))
    return asked[step]


def check_option(run: str, question: JournalEntry, value: object) -> None:
    """Raises NotAnOption if the question has options, and this is none of them."""
    options = decode(question.body or b"{}")["asks"]["options"]
    if options and value not in options:
        raise NotAnOption(run, question.step, value, tuple(options))


def answer_row(
    message: AnswerQuestion, entries: Sequence[JournalEntry], waiting: Sequence[InboxRow], now: int
) -> InboxRow:
    """The message that carries an answer. A question has one: a second answer has the same id, and changes nothing.
    Raises AlreadyAnswered, NoOpenQuestion, NotAnOption.
    """
    question = open_question(message.run, message.step, entries, waiting)
    check_option(message.run, question, message.value)
    id = f"{message.run}/{question.seq}"
    return InboxRow(id, message.run, "answer", message.step, encode(message.value), message.by, now)


def check_first(row: InboxRow, entries: Sequence[JournalEntry], waiting: Sequence[InboxRow]) -> None:
    """After an answer was written: raises AlreadyAnswered if another one was there before it."""
    first = next((each for each in answers(waiting, entries) if each.id == row.id), row)
    if (first.by, first.body) != (row.by, row.body):
        raise _answered(row.run, row.name, first.by, first.at)


def _answered(run: str, step: str, by: str, at: int) -> AlreadyAnswered:
    return AlreadyAnswered(run, step, by, datetime.fromtimestamp(at / 1e6, UTC))


def answers(waiting: Iterable[InboxRow], entries: Iterable[JournalEntry]) -> Iterator[InboxRow]:
    """The answers that a run has: those that it has not taken up, has set aside, or has taken."""
    yield from (each for each in waiting if each.kind == "answer")
    for entry in entries:
        said = None if entry.body is None else decode(entry.body)
        if entry.kind == "kept" and isinstance(said, dict) and "message" in said:
            row = InboxRow(**{**said["message"], "body": enclosed(said["message"]["body"])})
            if row.kind == "answer":
                yield row
        elif entry.kind == "answered" and isinstance(said, dict):
            yield InboxRow(said["id"], entry.run, "answer", entry.step, enclosed(said["value"]), said["by"], entry.at)


def retried(row: RunRow, entries: Sequence[JournalEntry], step: str | None, now: int) -> Unit:
    """The unit of a retry of a run: what is done stays done; with `step`, that one and what began after it does not.

    Raises:
        AlreadyEnded: it is done
        NotEnded: it has not ended
        NoSuchStep: no such step has begun
    """
    if row.state not in ("failed", "cancelled"):
        raise AlreadyEnded(row.id, row.state) if row.state in ENDED else NotEnded(row.id, row.state)
    first = 0
    if step is not None:
        began = [each.seq for each in entries if each.step == step or each.step.startswith((f"{step}/", f"{step}["))]
        if not began:
            names = dict.fromkeys(step_of(each.step) for each in entries if each.kind in OF_STEPS)
            raise NoSuchStep(row.id, step, tuple(names))
        first = began[0]
    entry = JournalEntry(row.id, row.seq + 1, "retried", "", 1, now, None, encode(first))
    update: dict[str, Any] = {"state": "created", "waiting_for": "a slot", "result": None, "error": None}
    update |= {"ended_at": None, "retain_until": None, "owner": None}
    if row.deadline is not None:
        update["deadline"] = now + (row.deadline - row.created_at)
    return Unit(row.id, epoch=row.epoch, entries=(entry,), update=update)


# Another version


def moved(row: RunRow, entries: Sequence[JournalEntry], was: Definition, to: Definition, now: int) -> Unit:
    """The unit of a move of a run to another version of its workflow. A blocked run goes on then.

    Raises:
        AlreadyEnded: it has ended
        CannotMove: a step that has begun or ended is another one there
    """
    if row.state in ENDED:
        raise AlreadyEnded(row.id, row.state)
    before, after = _document(was), _document(to)
    faults = tuple(move_faults({step_of(each.step) for each in entries if each.kind in OF_STEPS}, before, after))
    if faults:
        raise CannotMove(row.id, to.version, faults)
    body = encode({"move": to.version, "from": was.version})
    entry = JournalEntry(row.id, row.seq + 1, "edited", "", 1, now, None, body)
    update: dict[str, Any] = {"version": to.version, "total": len(_steps(after)), "owner": None}
    if row.state == "blocked":
        update |= {"state": "created", "waiting_for": "a slot"}
    return Unit(row.id, epoch=row.epoch, definition=to, entries=(entry,), update=update)


def not_moved(row: RunRow, error: WorkflowError, now: int) -> Unit:
    """The unit of a refused move, with the reason."""
    body = encode({"move": None, "refused": str(error)})
    return Unit(row.id, epoch=row.epoch, entries=(JournalEntry(row.id, row.seq + 1, "edited", "", 1, now, None, body),))


# Edits


def edited_run(
    row: RunRow,
    entries: Sequence[JournalEntry],
    workflow: Pattern,
    changes: GraphChanges,
    id: str,
    now: int,
    *,
    names: KnownNames | None = None,
    message: InboxRow | None = None,
) -> Unit:
    """What an edit of a run writes that no process has awake. `workflow` is the one of the run now, `id` that of the
    edit, `message` the one that said so. A blocked run goes on then.

    Raises:
        AlreadyEnded: it has ended
        AlreadyBegun: a step that has begun would change
        CannotEdit: what comes of it has faults
    """
    if row.state in ENDED or row.state == "cancelling":
        raise AlreadyEnded(row.id, row.state)
    begun = {step_of(each.step) for each in entries if each.kind in OF_STEPS}
    made = edited_workflow(row.id, workflow, changes, begun, names)
    entry = JournalEntry(row.id, row.seq + 1, "edited", "", 1, now, None, edit_body(id, row.version, made, changes))
    update: dict[str, Any] = {"version": made.version, "total": len(made.graph.nodes)}
    if row.state == "blocked":
        update |= {"state": "created", "waiting_for": "a slot"}
    taken = () if message is None else (message.id,)
    definition = definition_of(made, now)
    return Unit(row.id, epoch=row.epoch, definition=definition, entries=(entry,), update=update, taken=taken)


def edited_workflow(
    run: str, workflow: Pattern, changes: GraphChanges, begun: Collection[str], names: KnownNames | None
) -> Workflow:
    """The workflow of a run after an edit. Raises AlreadyBegun, CannotEdit."""
    if not isinstance(workflow, Workflow):
        raise CannotEdit(run, ("it is the run of a pattern or of code, and only that says what comes next",))
    return edited(run, workflow, changes, begun, names)


def read_changes(run: str, values: object) -> GraphChanges:
    """The edit that a message describes. Raises CannotEdit."""
    try:
        return changes_from(values)
    except SpecError as error:
        raise CannotEdit(run, tuple(map(str, error.faults))) from None


def edit_body(id: str, before: str, made: Workflow, changes: GraphChanges) -> bytes:
    """The body of the entry of an edit."""
    return encode({"id": id, "edit": made.version, "from": before, **changes.summary()})


def refused_edit_body(id: str, error: Exception) -> bytes:
    """The body of the entry of an edit that was refused."""
    match error:
        case AlreadyBegun(steps=steps):
            said: Mapping[str, Any] = {"begun": list(steps)}
        case CannotEdit(faults=faults):
            said = {"faults": list(faults)}
        case _:
            said = {"faults": [str(error)]}
    return encode({"id": id, "edit": None, "refused": str(error), **said})


def not_edited(row: RunRow, error: Exception, id: str, now: int) -> Unit:
    """The unit of a refused edit that a message brought, with the reason."""
    entry = JournalEntry(row.id, row.seq + 1, "edited", "", 1, now, None, refused_edit_body(id, error))
    return Unit(row.id, epoch=row.epoch, entries=(entry,), taken=(id,))


def is_edited(run: str, id: str, entries: Iterable[JournalEntry]) -> bool:
    """Whether an edit was made; False: it is not decided yet. Raises AlreadyBegun or CannotEdit: it was refused."""
    for entry in entries:
        if entry.kind == "edited" and (said := decode(entry.body or b"{}")).get("id") == id:
            if said["edit"] is not None:
                return True
            if "begun" in said:
                raise AlreadyBegun(run, tuple(said["begun"]))
            raise CannotEdit(run, tuple(said["faults"]))
    return False


def move_faults(touched: Collection[str], was: Mapping[str, Any], to: Mapping[str, Any]) -> Iterator[str]:
    """Why a run cannot go on with another document of its workflow; nothing: it can. `touched` are the steps that have
    begun, ended or were skipped. Each must be there unchanged, and in a chain after the same step.
    """
    if not was or not to:
        yield "only its code says what it does"
        return
    if ("steps" in was) is not ("steps" in to):
        yield "one of the versions is a chain, and the other a DAG"
    if was.get("input") != to.get("input"):
        yield f"its input is {to.get('input', 'any value')} there, it was {was.get('input', 'any value')}"
    before, after = _steps(was), _steps(to)
    chained = "steps" in was
    order = list(before)
    for id in sorted(touched, key=lambda each: (order.index(each) if each in before else -1, each)):
        if id not in before:
            yield f"step {id!r} is not in the version of the run"
        elif id not in after:
            yield f"step {id!r} is missing there"
        elif before[id][1] != after[id][1]:
            yield f"step {id!r} is another one there"
        elif chained and before[id][0] != after[id][0]:
            yield f"step {id!r} comes after {after[id][0] or 'none'} there, it came after {before[id][0] or 'none'}"


def _steps(document: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """The steps by id, each with the one before it."""
    found: dict[str, tuple[str, Any]] = {}
    last = ""
    for each in document.get("steps") or document.get("tasks") or ():
        found[each["id"]] = last, each
        last = each["id"]
    return found


def _document(definition: Definition) -> Mapping[str, Any]:
    """A stored workflow as the mapping of a file; empty where it is a pattern, of which the store has only a text."""
    try:
        found = json.loads(definition.body)
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}
