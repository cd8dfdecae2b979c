"""The reference model: what comes of a sketch, without an engine, a store, a clock or the language of conditions.

Written from the rules of workflows. It knows nothing of faults: none of them may change a result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from teams.workflows.testing._sketch import Hopeless, Piece, Sketch, work_on

SKIPPED = object()


@dataclass(frozen=True, slots=True)
class Expected:
    """The outcome of a run that is not cancelled."""

    state: str
    """"done" or "failed"."""
    result: object = None
    undoes: bool = False
    """Whether its failure undoes what was done."""


class _Stopped(Exception):
    def __init__(self, piece: Piece) -> None:
        super().__init__(piece.id)
        self.piece = piece


def expected(sketch: Sketch, value: Mapping[str, Any], said: Mapping[str, object]) -> Expected:
    """What comes of the sketch with this input. `said` is what waits and questions get, by step."""
    results: dict[str, object] = {}
    stopped: list[Piece] = []
    for piece in sketch.pieces:
        if any(each not in results for each in piece.uses):
            continue  # it needs one that stopped the run
        try:
            results[piece.id] = _result(piece, results, said)
        except _Stopped as error:
            stopped.append(error.piece)
            if sketch.chain and not sketch.auto:
                break
    if stopped:
        return Expected("failed", undoes=all(each.on_failure == "undo" for each in stopped))
    if sketch.chain:
        done = [each for each in results.values() if each is not SKIPPED]
        return Expected("done", done[-1] if done else value)
    if sketch.again is not None:
        return Expected("done", None)  # the step that would end the run comes last, and was skipped
    used = {name for piece in sketch.pieces for name in piece.uses}
    sinks = [piece.id for piece in sketch.pieces if piece.id not in used]
    if len(sinks) == 1:
        return Expected("done", _seen(results[sinks[0]]))
    return Expected("done", {each: _seen(results[each]) for each in sinks})


def _result(piece: Piece, results: Mapping[str, object], said: Mapping[str, object]) -> object:
    if piece.left_out:
        return SKIPPED
    match piece.kind:
        case "sleep":
            return None
        case "wait" | "ask":
            return said[piece.id]
    value = {each: _seen(results[each]) for each in piece.uses}
    given: dict[str, Any] = {"step": piece.id, "value": value, "fails": piece.fails}
    try:
        return _work(piece, given)
    except Hopeless:
        if piece.on_failure in ("skip", "continue_with_warning"):
            return SKIPPED
        raise _Stopped(piece) from None


def _work(piece: Piece, given: dict[str, Any]) -> object:
    match piece.kind:
        case "map":
            return [work_on({**given, "item": each}) for each in range(piece.items)]
        case "loop":
            last: dict[str, int] | None = None
            for _ in range(piece.iterations):
                last = work_on({**given, "last": last})
                if last["round"] >= piece.good_after:
                    return last
            raise Hopeless(piece.id)
        case "nested":
            one = work_on({**given, "step": f"{piece.id}-one"})
            return work_on({"step": f"{piece.id}-two", "value": one})
    return work_on(given)


def _seen(value: object) -> object:
    return None if value is SKIPPED else value
