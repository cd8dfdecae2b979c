"""A fake edge: carries effects out on paper, and holds the engine to what every edge relies on."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pykka

from actors import Crashed, ExitReason, Killed, Normal, Shutdown
from supervisors import ChildState, Spec, SupervisionError, SupervisorSpec
from supervisors._engine.effects import (
    Adopt,
    Answer,
    Arm,
    Close,
    Disarm,
    Drop,
    Effect,
    ExitSelf,
    FailureDecision,
    Note,
    Ready,
    Refuse,
    Start,
    StartFailedSelf,
    Stop,
)
from supervisors._engine.engine import Engine
from supervisors._specs.fields import Args
from supervisors._specs.spec import TaskCall

BOOM = Crashed(ValueError("boom"))


class Worker(pykka.ThreadingActor):
    """Never started: the engine only looks at specs."""


class Other(pykka.ThreadingActor):
    """Another class, for specs that change."""


class Edge:
    """An engine and a clock set by hand. Unless automatic, a test finishes starts and stops."""

    def __init__(self, spec: SupervisorSpec, seed: int = 0, *, automatic: bool = True) -> None:
        self.engine = Engine(spec, "/" + spec.id, random.Random(seed))
        self.spec = spec
        self.now = 0.0
        self.automatic = automatic
        self.incarnation: dict[str, int] = {}
        self.starting: dict[str, int] = {}
        self.up: dict[str, int] = {}
        self.stopping: dict[str, int] = {}
        self.cells: set[str] = set()
        self.programs: dict[str, Spec] = {}
        """The specs that the latest incarnations live by."""
        self.timers: dict[int, float] = {}
        self.used_tokens: set[int] = set()
        self.asked: set[object] = set()
        self.answers: dict[object, object] = {}
        self.errors: dict[object, SupervisionError] = {}
        self.log: list[str] = []
        self.notes: list[object] = []
        self.ended: Effect | None = None

    # What a test does

    def start(self) -> Edge:
        """Starts the supervisor and everything in it."""
        self.engine.start(self.now)
        self.run()
        return self

    def crash(
        self, id: str, reason: ExitReason = BOOM, *, decision: FailureDecision | None = None, handled: int = 0
    ) -> None:
        """The running child exits."""
        number = self.up.pop(id)
        self.engine.exited(id, number, reason, self.now, decision, handled)
        self.run()

    def come_up(self, id: str) -> None:
        """The start of the child succeeds."""
        number = self.starting.pop(id)
        self.up[id] = number
        self.engine.started(id, number, self.now, f"ref of {id}")
        self.run()

    def fail(self, id: str, reason: ExitReason = BOOM, *, decision: FailureDecision | None = None) -> None:
        """The start of the child fails."""
        number = self.starting.pop(id)
        self.engine.start_failed(id, number, reason, self.now, decision)
        self.run()

    def decline(self, id: str) -> None:
        """The child declines to start."""
        number = self.starting.pop(id)
        self.engine.declined(id, number, self.now)
        self.run()

    def gone(self, id: str, reason: ExitReason | None = None) -> None:
        """The child that was told to stop is gone."""
        number = self.stopping.pop(id)
        self.engine.exited(id, number, reason or Shutdown(), self.now)
        self.run()

    def shutdown(self, reason: ExitReason | None = None) -> None:
        """The supervisor is told to stop."""
        self.engine.shutdown(reason or Shutdown(), self.now)
        self.run()

    def sleep(self, seconds: float) -> None:
        """Time passes; timers fire in order."""
        end = self.now + seconds
        while self.timers and min(self.timers.values()) <= end:
            token = min(self.timers, key=lambda each: (self.timers[each], each))
            self.now = max(self.now, self.timers.pop(token))
            self.engine.due(token, self.now)
            self.run()
        self.now = end

    def start_child(self, what: Spec | Args | TaskCall, request: object = "start") -> object:
        """Asks for one more child; returns the answer, the error, or None while neither is there."""
        return self._ask(request, lambda: self.engine.start_child(what, request, self.now))

    def terminate(self, id: str, request: object = "terminate") -> object:
        """Asks for the end of a child."""
        return self._ask(request, lambda: self.engine.terminate_child(id, request, self.now))

    def restart(self, id: str, request: object = "restart") -> object:
        """Asks for the start of a child at rest."""
        return self._ask(request, lambda: self.engine.restart_child(id, request, self.now))

    def restart_running(self, id: str, request: object = "restart") -> object:
        """Asks for the start of a child at rest, or for a stop and a start of one that runs."""
        return self._ask(request, lambda: self.engine.restart_child(id, request, self.now, True))

    def delete(self, id: str, request: object = "delete") -> object:
        """Asks to forget a child."""
        return self._ask(request, lambda: self.engine.delete_child(id, request, self.now))

    def update(self, specs: Sequence[Spec], request: object = "update") -> object:
        """Asks for other specs."""
        return self._ask(request, lambda: self.engine.update_specs(specs, request, self.now))

    def update_settings(self, given: Mapping[str, object], request: object = "settings") -> object:
        """Asks for other settings."""
        return self._ask(request, lambda: self.engine.update_settings(given, request, self.now))

    # What a test looks at

    def take_log(self) -> list[str]:
        """What happened since the last look: `+id` a start, `-id` a stop, `xid` a drop."""
        log, self.log = self.log, []
        return log

    def state(self, id: str) -> ChildState:
        """The visible state of a child."""
        return {info.id: info.state for info in self.engine.which_children()}[id]

    def states(self) -> dict[str, str]:
        """The visible states of all."""
        return {info.id: info.state.value for info in self.engine.which_children()}

    def events(self, kind: type) -> list[object]:
        """The notes of one kind."""
        return [note for note in self.notes if isinstance(note, kind)]

    # Carrying out

    def _ask(self, request: object, call: object) -> object:
        assert callable(call)
        self.asked.add(request)
        self.answers.pop(request, None)
        self.errors.pop(request, None)
        call()
        self.run()
        return self.errors.get(request, self.answers.get(request))

    def run(self) -> None:
        """Carries the effects out, then, if automatic, lets every start succeed and every stop end."""
        while self.engine.effects:
            effect = self.engine.effects.popleft()
            assert self.ended is None or isinstance(effect, Refuse), f"{effect} after {self.ended}"
            self._carry_out(effect)
        if self.automatic:
            self.settle()

    def settle(self) -> None:
        """Lets every start that is under way succeed and every stop end."""
        while self.starting or self.stopping:
            if self.stopping:
                id = next(iter(self.stopping))
                self.gone(id)
            else:
                self.come_up(next(iter(self.starting)))

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Start(id=id, spec=spec, incarnation=incarnation, keep=keep):
                assert id not in self.starting.keys() | self.up.keys() | self.stopping.keys()
                assert incarnation > self.incarnation.get(id, 0)
                assert keep == (id in self.cells)
                self.log.append(f"+{id}")
                self.programs[id] = spec
                self.incarnation[id] = self.starting[id] = incarnation
                self.cells.add(id)
            case Stop(id=id, incarnation=incarnation, grace=grace):
                assert grace == self.programs[id].shutdown
                current = self.starting.pop(id, None) or self.up.pop(id, None)
                assert current == incarnation
                self.log.append(f"-{id}")
                self.stopping[id] = incarnation
            case Adopt(id=id, spec=spec):
                assert id in self.starting.keys() | self.up.keys()
                assert self.programs[id].runs_like(spec)
                self.programs[id] = spec
            case Close(id=id) | Drop(id=id):
                assert id not in self.starting.keys() | self.up.keys() | self.stopping.keys()
                self.cells.discard(id)
                if isinstance(effect, Drop):
                    self.log.append(f"x{id}")
            case Arm(token=token, delay=delay):
                assert token not in self.used_tokens
                assert delay >= 0
                self.used_tokens.add(token)
                self.timers[token] = self.now + delay
            case Disarm(token=token):
                del self.timers[token]
            case Answer(request=request, value=value):
                assert request not in self.answers.keys() | self.errors.keys()
                assert request in self.asked
                self.answers[request] = value
            case Refuse(request=request, error=error):
                assert request not in self.answers.keys() | self.errors.keys()
                assert request in self.asked
                self.errors[request] = error
            case Ready():
                self.log.append("ready")
            case ExitSelf() | StartFailedSelf():
                self.log.append("end")
                self.ended = effect
            case Note(event=event):
                self.notes.append(event)


__all__ = ["BOOM", "Edge", "Killed", "Normal", "Other", "Worker"]
