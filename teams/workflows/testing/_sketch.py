"""Small workflows as plain values, and the work that their steps do.

A sketch says in words of its own what a workflow does; `build` makes the workflow of it, and the reference model
says from the sketch alone what comes of it. The result of a step is `{"n": number}`, made of what it gets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from actors.spi import sleep
from supervisors.spi import constant
from teams._members.context import Context
from teams._members.member import Member, member
from teams._members.role import Role, role
from teams.resilience import retry
from teams.workflows._graph import builder
from teams.workflows._graph.node import FailureChoice, Node
from teams.workflows._graph.workflow import Execution, Workflow

PieceKind = Literal["work", "map", "loop", "nested", "sleep", "wait", "ask"]
WORKER, UNDOER = "worker", "undoer"
"""The members that do the work."""
TRIES = 30
"""How often work is tried again that was lost with its member."""
MODULUS = 997
LAST_INPUT: Mapping[str, Any] = {"never": False}
"""The input of a run that no other goes on for."""
AGAIN = "again"
"""The step that ends a run, and has another one go on."""


class Hopeless(ValueError):
    """The work fails however often it is tried."""


@dataclass(frozen=True, slots=True, repr=False)
class Piece:
    """A step."""

    id: str
    kind: PieceKind = "work"
    uses: tuple[str, ...] = ()
    """Earlier steps whose results it gets."""
    seconds: float = 0.0
    """How long the work takes, or the sleep."""
    fails: bool = False
    on_failure: FailureChoice = "stop"
    undo: bool = False
    left_out: bool = False
    """Its condition does not hold."""
    items: int = 3
    """Of a map."""
    parallel: int = 2
    good_after: int = 2
    """The iteration of a loop that is good."""
    iterations: int = 3
    once: bool = False
    """Whether its effects are "at_most_once": it is not tried again, either."""

    def __repr__(self) -> str:
        """The options that differ from the defaults."""
        given = [
            f"{each.name}={getattr(self, each.name)!r}"
            for each in fields(self)[1:]
            if getattr(self, each.name) != each.default
        ]
        return f"Piece({', '.join([repr(self.id), *given])})"


@dataclass(frozen=True, slots=True)
class Sketch:
    """A workflow."""

    pieces: tuple[Piece, ...]
    chain: bool = True
    name: str = "flow"
    auto: bool = False
    """Whether the engine chooses how the steps run."""
    again: int | None = None
    """After so many pieces a run goes on in a new one, once. In a DAG after all of them. None: it does not."""

    @property
    def input(self) -> Mapping[str, Any]:
        """The input of a run."""
        return {**LAST_INPUT, "first": True} if self.again is not None else LAST_INPUT

    def node(self, piece: Piece) -> Node:
        """A step of the workflow."""
        return _node(piece, () if self.chain else piece.uses)

    def edited(self, added: Iterable[str], replaced: Iterable[str]) -> Sketch:
        """The sketch after an edit: with new pieces, and with others in place of some."""
        new = {id: Piece(id, seconds=0.5) for id in replaced}
        return replace(self, pieces=(*(new.get(each.id, each) for each in self.pieces), *map(Piece, added)))

    def build(self) -> Workflow:
        """The workflow."""
        steps = [self.node(each) for each in self.pieces]
        if self.again is not None:
            after = () if self.chain else [each.id for each in self.pieces[: self.again]]
            steps.insert(self.again, builder.continue_as_new(AGAIN, LAST_INPUT, when="$input.first", after=after))
        execution: Execution = "auto" if self.auto else "ready"
        if self.chain:
            return builder.workflow(self.name, *steps, execution=execution)
        return builder.workflow(self.name, tasks=steps, execution=execution)


_RETRY = retry(TRIES, backoff=constant(0.2), fatal=Hopeless)


def _input(id: str, uses: Iterable[str] = (), **more: object) -> dict[str, object]:
    return {"step": id, "run": "$run.id", "value": {each: f"${each}" for each in uses}, **more}


def _node(piece: Piece, after: tuple[str, ...]) -> Node:
    options: dict[str, Any] = {"on_failure": piece.on_failure, "after": after}
    if piece.left_out:
        options["when"] = "$input.never"
    match piece.kind:
        case "sleep":
            return builder.delay(piece.id, piece.seconds, **options)
        case "wait":
            return builder.wait(piece.id, f"signal-{piece.id}", **options)
        case "ask":
            return builder.ask(piece.id, f"{piece.id}?", options=["yes", "no"], **options)
    work: dict[str, Any] = {"seconds": piece.seconds, "fails": piece.fails}
    if not piece.once:
        options["retry"] = _RETRY
    if piece.once:
        options["effects"] = "at_most_once"
    if piece.undo:
        options["undo"] = UNDOER
    if piece.kind == "map":
        options |= {"each": list(range(piece.items)), "max_parallel": piece.parallel}
        work["item"] = "$item"
    if piece.kind == "loop":
        options |= {"max_iterations": piece.iterations, "until": f"$self.round >= {piece.good_after}"}
        work["last"] = "$self"
    given = _input(piece.id, piece.uses, **work)
    if piece.kind == "nested":
        undo = options.pop("undo", None)
        options.pop("retry")
        first = {**_within(f"{piece.id}-one"), "fails": piece.fails}
        one = builder.do("one", WORKER, input=first, retry=_RETRY, undo=undo)
        two = builder.do("two", WORKER, input={**_within(f"{piece.id}-two"), "value": "$one"}, retry=_RETRY)
        return builder.nested(piece.id, builder.workflow(f"in-{piece.id}", one, two), input=given, **options)
    return builder.do(piece.id, WORKER, input=given, **options)


def _within(id: str) -> dict[str, object]:
    return {"step": id, "run": "$run.id", "value": "$input.value", "seconds": "$input.seconds"}


def number_of(value: object) -> int:
    """What a value counts in the result of a step that gets it."""
    match value:
        case None:
            return 1
        case bool():
            return 2
        case int():
            return value
        case str():
            return len(value)
        case list() | tuple():
            return sum((place + 2) * number_of(each) for place, each in enumerate(value)) % MODULUS
        case Mapping():
            return sum(len(name) + number_of(each) for name, each in value.items()) % MODULUS
    raise TypeError(f"no result of a step: {value!r}")


def work_on(given: Mapping[str, Any]) -> dict[str, int]:
    """The result of a step. Raises Hopeless."""
    if given.get("fails"):
        raise Hopeless(str(given["step"]))
    number = len(given["step"]) + number_of(given["value"]) + number_of(given.get("item"))
    result = {"n": number % MODULUS}
    if "last" in given:
        last = given["last"]
        result["round"] = 1 if last is None else last["round"] + 1
    return result


@dataclass
class Ledger:
    """What members were asked and what they did, by the id of the work: outside of any store, as the world is."""

    begun: Counter[str] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)
    inputs: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    undone: Counter[str] = field(default_factory=Counter)

    def members(self) -> tuple[Member | Role, ...]:
        """The members that do the work of sketches."""

        async def work(given: Any, context: Context) -> object:
            self.begun[context.work_id] += 1
            self.inputs.setdefault(context.work_id, []).append(given)
            await sleep(float(given.get("seconds", 0.0)))
            result = work_on(given)
            self.finished[context.work_id] += 1
            return result

        async def undo(given: Any, context: Context) -> object:
            await sleep(0.1)
            self.undone[context.work_id] += 1
            return None

        options: dict[str, Any] = {"backoff": constant(0.1), "max_restarts": 1_000}
        return (
            role(WORKER),
            role(UNDOER),
            member("hands", work, count=4, role=WORKER, **options),
            member("undoing", undo, count=2, role=UNDOER, **options),
        )
