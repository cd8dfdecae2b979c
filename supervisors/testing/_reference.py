"""Oracle 1: a reference model of every supervisor of a tree, compared with what is seen, at every step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from actors.spi import Crashed, ExitReason, Killed, Shutdown
from actors.testing import spi as seen
from actors.testing.spi import StartTimeout
from supervisors._specs.spec import ChildSpec, SupervisorSpec
from supervisors._supervisor.messages import AdoptSpec, CountChildren, WhichChildren
from supervisors.errors import ChildStartError
from supervisors.events import BackingOff
from supervisors.testing._delays import ROUNDING
from supervisors.testing._errors import ReferenceDisagreement
from supervisors.testing._member import Life, ModelChild
from supervisors.testing._model import Mode, SupervisorModel
from supervisors.testing._promptness import settle
from supervisors.testing._requests import heard, shown
from supervisors.testing._settings import adopted


class Reference:
    """Feed it every observation of a run, in order; it raises `ReferenceDisagreement` at the first that no rule
    explains.

    Rules 1 to 25 are modelled, and of the others what can be seen of starts and stops (26, and 20 for what a kill
    leaves). What it cannot judge is counted in `silent`: a few races that the rules leave open, most of them of
    `update_specs` with something else that is under way.
    """

    def __init__(self, *trees: SupervisorSpec, prompt: bool = True) -> None:
        """Knows these trees, by the ids of their roots.

        `prompt=False` is for schedules that let time move while work is waiting (`TimerFirst`), where lateness is not a
        failure.
        """
        self.models: dict[str, SupervisorModel] = {}
        """The current incarnation of every supervisor, by path."""
        self.judged: Counter[str] = Counter()
        """The number of comparisons, by kind."""
        self.silent: Counter[str] = Counter()
        """The reasons for which supervisors were not judged any more, with their number."""
        self.fired: Counter[str] = Counter()
        """The faults that fired, by kind."""
        self._trees = {tree.id: tree for tree in trees}
        self._prompt = prompt
        self._made: dict[str, tuple[bool, object]] = {}
        """For each cell, whether it was made for a supervisor, and its spec at that time."""
        self._ran_as_supervisor: dict[str, bool] = {}
        """Whether the last incarnation at each path was a supervisor. `update_specs` may put another class in a cell.
        """
        self._alive: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        """The last incarnation in each cell that was not closed since."""
        self._ended_with: dict[str, set[str]] = {}
        """By supervisor, the kept children whose cells were closed as it ended: wrong if it comes back."""
        self._up: set[str] = set()
        self._killed: set[str] = set()
        """The supervisors whose current incarnation was killed."""
        self._told: dict[str, float] = {}
        """When each incarnation was first told to stop, by any caller: from then on its grace runs."""
        self._handled: dict[str, bool | None] = {}
        """Whether the latest incarnation of each actor has handled a message without failure; of a supervisor, whether
        its life was progress. `None`: that is not known.
        """
        self._healthy: set[str] = set()
        """The actors whose latest incarnation has said that it works."""
        self._no_work: set[int] = set()
        """The messages that do not count as progress though their handlers did not fail."""
        self._asked: set[int] = set()
        self._shown: set[tuple[str, int]] = set()
        self._now = 0.0
        self._jumped = False

    def feed(self, observations: Iterable[seen.Observation]) -> None:
        """Adds trees."""
        for each in observations:
            self.see(each)

    def finish(self, now: float) -> None:
        """The run is at rest at `now`: everything due must be done."""
        self._move(now)
        for model in self.models.values():
            model.now = now
            settle(model, now)

    def see(self, one: seen.Observation) -> None:
        """Judges one observation."""
        if one.at > self._now:
            self._move(one.at)
        path = getattr(one, "path", "")
        for place in (path, path.rpartition("/")[0]):
            model = self.models.get(place)
            if model is not None:
                model.now, model.step = one.at, one.step
        look = _LOOKS.get(type(one))
        if look is not None:
            look(self, one)

    def _move(self, now: float) -> None:
        """Time moves on: everything due at once must be done."""
        late_is_wrong, self._jumped = self._prompt and not self._jumped, False
        for path, model in list(self.models.items()):
            model.now = self._now
            if late_is_wrong:
                settle(model, now)
            if model.mode is Mode.OVER:
                self._forget(path, model)
        self._now = now

    def _forget(self, path: str, model: SupervisorModel) -> None:
        if model.silent is not None:
            self.silent[model.silent] += 1
            model.silent = None
        if path not in self._alive:
            del self.models[path]

    # Lives

    def _above(self, path: str) -> tuple[SupervisorModel | None, str]:
        """The model of the supervisor of this actor, while that is judged, and the actor's id."""
        place, _, id = path.rpartition("/")
        model = self.models.get(place)
        return (model if model is not None and model.mode is not Mode.OVER else None), id

    def _spec_at(self, path: str) -> object:
        place, _, id = path.rpartition("/")
        if not place:
            return self._trees.get(id)
        model = self.models.get(place)
        if model is None:
            return None
        member = model.members.get(id)
        return model.brought.get(id) or (member.spec if member is not None else None)

    def _cell_made(self, one: seen.Made) -> None:
        self._made[one.path] = (one.supervisor, self._spec_at(one.path))

    def _starting(self, one: seen.Starting) -> None:
        model, id = self._above(one.path)
        if one.path in self._alive:
            self._wrong(one, 17, "one incarnation at a time", f"incarnation {self._alive[one.path]} is not gone")
        if model is not None:
            self.judged["starts"] += 1
            if not model.ordered and id not in model.members and model.newcomers:
                assert model.template is not None
                number = model.newcomers.pop(0)
                model.asks.name(number, one.path)
                model.add(id, model.template, number)
            model.starting(id, one.incarnation, self._numbers.get(one.path, 0))
        self._alive[one.path] = self._numbers[one.path] = one.incarnation
        self._up.discard(one.path)
        self._killed.discard(one.path)
        self._told.pop(one.path, None)
        self._handled[one.path] = False
        self._healthy.discard(one.path)
        spec = self._spec_at(one.path)
        # A supervisor that is not judged any more may have got a worker in the place of a supervisor.
        made_for_supervisor, known = self._made.get(one.path, (True, None))
        worker = not made_for_supervisor and known is spec
        self._ran_as_supervisor[one.path] = isinstance(spec, SupervisorSpec) and not worker
        if isinstance(spec, SupervisorSpec) and not worker:
            self.judged["supervisors"] += 1
            for lost in self._ended_with.pop(one.path, ()):
                self._wrong(one, 26, "a restart of a supervisor keeps the cells of its children", f"{lost} was closed")
            self.models[one.path] = SupervisorModel(spec, one.path, one.incarnation)
        else:
            self.models.pop(one.path, None)  # `update_specs` may have put a worker in the place of a supervisor

    def _started(self, one: seen.Started) -> None:
        self._up.add(one.path)
        if one.path in self.models:
            self.models[one.path].came_up()

    def _gone(self, one: seen.Exited | seen.StartFailed) -> None:
        self._no_orphans(one)
        self._alive.pop(one.path, None)
        model = self.models.get(one.path)
        if model is None:
            return
        self._handled[one.path] = model.productive if model.silent is None else None
        self.judged["ends"] += 1
        reason = one.reason
        error = reason.exception if isinstance(reason, Crashed) else None
        excused = isinstance(error, seen.InjectedCrash)
        if error is not None and not isinstance(error, seen.InjectedCrash | ChildStartError):
            self._wrong(one, 18, "an end by the rules", f"the supervisor itself broke: {error!r}")
        if model.mode is not Mode.UNBORN:
            model.left(reason, excused=excused)
        model.mode = Mode.OVER

    def _declined(self, one: seen.Declined) -> None:
        self._no_orphans(one)
        self._alive.pop(one.path, None)

    def _done(self, one: seen.Handled) -> None:
        if one.path not in self.models and one.outcome == "done" and one.number not in self._no_work:
            self._handled[one.path] = True

    def _says_healthy(self, one: seen.Healthy) -> None:
        self._healthy.add(one.path)

    def _no_orphans(self, one: seen.Exited | seen.StartFailed | seen.Declined) -> None:
        left = sorted(path for path in self._alive if path.startswith(f"{one.path}/"))
        if left:
            self._wrong(one, 18, "its end only when every descendant is gone", f"{', '.join(left)} still there")

    def _wrong(self, one: seen.Observation, rule: int, expected: str, observed: str) -> None:
        path = getattr(one, "path", "")
        raise ReferenceDisagreement(one.at, one.step, path, rule, expected, f"{type(one).__name__}: {observed}")

    def _stop_ordered(self, one: seen.StopOrdered) -> None:
        model, id = self._above(one.path)
        if one.path.rpartition("/")[0] in self._killed and one.reason == Shutdown("its parent ended"):
            self._wrong(one, 20, "its supervisor was killed: it is killed, too", "told to stop")
        self._told.setdefault(one.path, one.at)
        if model is not None and one.reason == Shutdown():
            self.judged["stops"] += 1
            model.stop_ordered(id, one.grace, brutal=False)

    def _kill_ordered(self, one: seen.KillOrdered) -> None:
        model, id = self._above(one.path)
        if model is not None and one.reason == Killed("brutal_kill"):
            self.judged["stops"] += 1
            model.stop_ordered(id, None, brutal=True)
        self._killed.add(one.path)
        member = model.members.get(id) if model is not None else None
        if member is not None:
            assert model is not None
            self._not_too_soon(one, model, member)
            member.killed = True
        if one.path in self.models:
            self.models[one.path].mode = Mode.OVER

    def _not_too_soon(self, one: seen.KillOrdered, model: SupervisorModel, member: ModelChild) -> None:
        reason = one.reason
        if isinstance(reason, Crashed) and isinstance(reason.exception, StartTimeout) and one.path in self._up:
            model.disagree(4, f"a time limit on the start alone: {member.id} has come up", f"killed by {reason}")
        told = self._told.get(one.path)
        if reason == Killed("did not stop in time") and told is not None:
            grace = member.grace
            if grace is None or one.at < told + grace - ROUNDING:
                seconds = f"{one.at - told:.9g} s"
                model.disagree(17, f"{member.spec.shutdown} s for {member.id} to stop", f"killed after {seconds}")

    def _closed(self, one: seen.Closed) -> None:
        last = self._numbers.pop(one.path, None)
        for below in [path for path in self._numbers if path.startswith(f"{one.path}/")]:
            del self._numbers[below]  # what its children counted ends with its cell, be they closed or not
        self._ended_with.pop(one.path, None)
        place, _, id = one.path.rpartition("/")
        above = self.models.get(place)
        ends = above is not None and above.keeps(id) and above.mode in (Mode.ENDING, Mode.OVER)
        if ends and place in self._numbers:  # and its own cell is not closed
            self._ended_with.setdefault(place, set()).add(id)
        model, id = self._above(one.path)
        if model is None:
            return
        dropped = model.dropped.pop(id, None)
        member = dropped or model.members.get(id)
        spec = member.spec if member is not None else model.to_bring_back(id)
        if spec is None:
            return
        wanted = isinstance(spec, SupervisorSpec)
        made_for_supervisor, _ = self._made.get(one.path, (wanted, None))
        another_class = made_for_supervisor is not wanted or self._ran_as_supervisor.get(one.path, wanted) is not wanted
        if another_class and last is not None and dropped is None:  # it ends the ref, and the child counts on
            self._numbers[one.path] = last
        if member is None:
            return
        if not another_class and model.mode is not Mode.ENDING and (member.waits or member.life is not Life.DOWN):
            model.disagree(26, f"{id} keeps its ref and queue: it will be started again", "its cell is closed")
        member.closed = True

    def _dead_letter(self, one: seen.DeadLettered) -> None:
        if one.why == "unhandled" and one.number is not None:
            self._no_work.add(one.number)
        model, id = self._above(one.path)
        member = model.members.get(id) if model is not None else None
        if model is None or member is None or one.why != "dropped":
            return
        # The rules do not say which of the two specs counts for a child that will run something else.
        if all(isinstance(spec, ChildSpec) and spec.mailbox.on_restart == "keep" for spec in member.specs):
            model.disagree(26, f"a restart keeps what waits in the mailbox of {id}", f"{one.message_type} dropped")

    # What supervisors hear and say

    def _noticed(self, one: seen.Noticed) -> None:
        model = self.models.get(one.path)
        if model is None or model.mode is Mode.OVER:
            return
        self.judged["notices"] += 1
        id = one.child or ""
        reason: ExitReason = one.reason if one.reason is not None else Shutdown()
        match one.notice:
            case "started":
                model.started(id, one.incarnation)
            case "declined":
                model.declined(id, one.incarnation)
            case "start_failed":
                model.start_failed(id, one.incarnation, reason)
            case "exited":
                path = f"{one.path}/{id}"
                model.exited(id, one.incarnation, reason, self._handled.get(path), healthy=path in self._healthy)
            case "stop_order":
                model.told_to_stop(reason)

    def _adopted(self, one: seen.OtherNoticed) -> None:
        model, message = self.models.get(one.path), one.message
        if model is not None and model.mode is not Mode.OVER and isinstance(message, AdoptSpec):
            self.judged["settings"] += 1
            adopted(model, message.spec)

    def _backed_off(self, one: seen.Noted) -> None:
        model, event = self.models.get(one.path), one.event
        if model is not None and model.mode is not Mode.OVER and isinstance(event, BackingOff):
            self.judged["delays"] += 1
            model.backed_off(event.child, event.attempt, event.delay, event.until)

    def _sent(self, one: seen.Sent) -> None:
        if one.message_type == "_ActorStop":
            self._no_work.add(one.number)
        if one.asked and one.path in self.models:
            self._asked.add(one.number)

    def _request(self, one: seen.ApiRequest) -> None:
        model = self.models.get(one.path)
        if model is None or model.mode is Mode.OVER:
            return
        self.judged["requests"] += 1
        heard(model, one.number, one.request)
        if one.number not in self._asked:
            model.asks.answered_to_nobody(one.number)
        elif isinstance(one.request, WhichChildren | CountChildren):
            self._shown.add((one.path, one.number))

    def _answer(self, one: seen.ApiAnswer) -> None:
        model = self.models.get(one.path)
        self._asked.discard(one.number)
        if model is None or model.mode is Mode.OVER:
            return
        model.asks.answered(one.number, one.value, one.error)
        if (one.path, one.number) in self._shown:
            self._shown.discard((one.path, one.number))
            if one.error is None:
                shown(model, one.value)

    def _fault(self, one: seen.FaultFired) -> None:
        self.fired[one.fault.partition("(")[0]] += 1
        if one.fault.startswith("ClockJump("):
            self._jumped = True
            for judged in self.models.values():
                judged.jumped()
        model = self.models.get(one.path)
        if model is None:
            return
        if one.fault.startswith("Crash("):
            model.mode = Mode.OVER
        elif one.fault.startswith(("Slow(", "Hang(")):
            model.give_in("a fault holds up the handlers of the supervisor itself")


_LOOKS: dict[type[Any], Callable[[Reference, Any], None]] = {
    seen.Made: Reference._cell_made,
    seen.Starting: Reference._starting,
    seen.Started: Reference._started,
    seen.StartFailed: Reference._gone,
    seen.Exited: Reference._gone,
    seen.Declined: Reference._declined,
    seen.StopOrdered: Reference._stop_ordered,
    seen.KillOrdered: Reference._kill_ordered,
    seen.Closed: Reference._closed,
    seen.DeadLettered: Reference._dead_letter,
    seen.Handled: Reference._done,
    seen.Healthy: Reference._says_healthy,
    seen.Noticed: Reference._noticed,
    seen.OtherNoticed: Reference._adopted,
    seen.Noted: Reference._backed_off,
    seen.Sent: Reference._sent,
    seen.ApiRequest: Reference._request,
    seen.ApiAnswer: Reference._answer,
    seen.FaultFired: Reference._fault,
}
