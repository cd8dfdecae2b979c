"""`@simulate`: a test of your own tree under generated faults and schedules.

Hypothesis draws the fault plan, a schedule of named moves, a seed, and the other arguments of the test. For every
example the drawn schedule is tried, and then a few searches of the portfolio. The find of a search is written down as
few named moves, which are tried first from then on while Hypothesis makes the rest of the example small.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from actors._extras import needs_extra
from actors.testing._faults.plan import FaultPlan
from actors.testing._faults.schedule import Schedule
from actors.testing._faults.strategies import schedules as schedules_of
from actors.testing._report.replay import Replay
from actors.testing._search.attempt import Attempt, AttemptOutcome, Kind, passing_near
from actors.testing._search.foreign import SIMULATED, refuse_foreign
from actors.testing._search.options import options
from actors.testing._search.shrink import fewer_moves, shrink
from actors.testing._sim.schedulers import SEARCHES, Strategy
from actors.testing._simulation import Simulation
from actors.testing.errors import NotDeterministic, SimulationError, WrongUse, failing

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

V = TypeVar("V")
F = TypeVar("F", bound=Callable[..., object])
EXAMPLES = "__simulation_examples__"


def simulate(
    *positional: NoReturn,
    plan: SearchStrategy[FaultPlan] | FaultPlan | None = None,
    examples: int = 200,
    schedules: int = 3,
    **given: SearchStrategy[Any],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Runs a test `def test(sim, plan)` in many simulations, and shows the smallest failure it finds.

    The test takes `sim`, a `Simulation` that is under way; `plan`, if it needs it; the arguments in `given`; and
    fixtures of pytest, which all runs share. The first run is without faults and first come, first served. A plan with
    which `sim.start` cannot bring the tree up is skipped, unless the test catches the error.

    Args:
        plan: the fault plans, such as `faults.plans("team/**", max_faults=3)`; a single plan; or none
        examples: how many examples Hypothesis generates
        schedules: how many schedules every example is tried under; `--sim-schedules` overrides it
        given: strategies for further arguments of the test

    Raises:
        WrongUse: at once, when the decorator or the test is not as described here
        Exception: from the test, the error of its smallest failing run, with a report as its note; an
            `ExceptionGroup` of them if failures of several types were found
        NotDeterministic: from the test, if a failure cannot be repeated
    """
    if positional:
        raise WrongUse("@simulate takes names, and is called: @simulate() or @simulate(plan=faults.plans(...))")
    numbers: tuple[object, ...] = (examples, schedules)
    if not all(isinstance(each, int) and each >= 1 for each in numbers):
        raise WrongUse(f"@simulate(examples={examples!r}, schedules={schedules!r}): integers >= 1")

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        signature = _signature(test, plan is not None, given)
        strategies = _strategies(test, plan, given)

        with needs_extra():
            from hypothesis.control import currently_in_test_context

        @functools.wraps(test)
        def wrapper(*args: Any, **fixtures: Any) -> None:
            refuse_foreign(wrapper)
            if currently_in_test_context():
                raise WrongUse(
                    f"{test.__qualname__} runs inside a test of Hypothesis, such as one with @given: "
                    "let its strategies be arguments of @simulate"
                )
            asked = options.get()

            def body(sim: Simulation, plan: FaultPlan, drawn: Mapping[str, object]) -> None:
                takes_plan = {"plan": plan} if "plan" in inspect.signature(test).parameters else {}
                returned: object = test(*args, sim=sim, **takes_plan, **drawn, **fixtures)  # type: ignore[func-returns-value]
                if returned is not None:
                    raise WrongUse(
                        f"{test.__qualname__} returned {returned!r}: a test returns nothing, and awaits by sim.call"
                    )

            pasted: list[Attempt] = getattr(wrapper, EXAMPLES, [])
            _same_names(test, given, pasted)
            if asked.replay is not None:
                if given:
                    raise WrongUse(
                        f"{test.__qualname__} is given {', '.join(given)}, which no blob holds: "
                        "paste the @example that the report says"
                    )
                return run_blob(asked.replay, body)
            for each in pasted:
                _fail(each.run(body, strict="names"))
            hunt = _Hunt(
                f"{test.__module__}.{test.__qualname__}", body, asked.schedules or schedules, twice=asked.determinism
            )
            hunt.ordinary(_simplest(given))
            return hunt.campaign(strategies, examples)

        wrapper.__signature__ = signature  # type: ignore[attr-defined]
        setattr(wrapper, SIMULATED, True)
        setattr(wrapper, EXAMPLES, getattr(test, EXAMPLES, []))
        return wrapper

    return decorate


def example(
    plan: FaultPlan | None = None, schedule: Schedule | None = None, seed: int = 0, **given: object
) -> Callable[[F], F]:
    """One run that is tried before all others. Paste the line of a failure report above or below `@simulate`.

    It can stay when the bug is fixed: a move is an error only if its actor never takes a step any more (`BadSchedule`),
    and a fault if it names no actor (`BadFaultPlan`).
    """
    attempt = Attempt(_value(plan, FaultPlan), _value(schedule, Schedule), seed, given)

    def decorate(test: F) -> F:
        setattr(test, EXAMPLES, [attempt, *getattr(test, EXAMPLES, [])])
        return test

    return decorate


def _value(given: object, kind: type[V]) -> V:
    if given is None:
        return kind()
    if not isinstance(given, kind):
        raise WrongUse(f"@example takes a {kind.__name__}, not {given!r}: paste the line from the report of a failure")
    return given


def run_blob(blob: str, body: Callable[..., object]) -> None:
    """Repeats exactly the run of a blob. Raises its failure, or `StaleReplay`."""
    replay = Replay.decode(blob)
    outcome = Attempt(replay.plan, replay.schedule, replay.seed).run(body)
    replay.judge(outcome.sim, outcome.failure)
    if outcome.failure is not None:
        raise outcome.failure


def _fail(outcome: AttemptOutcome) -> None:
    if outcome.failure is not None and not outcome.rejected:
        raise outcome.failure


def _signature(test: Callable[..., object], planned: bool, given: Mapping[str, object]) -> inspect.Signature:
    """The signature of the arguments that pytest must give. Raises `WrongUse`."""
    if inspect.iscoroutinefunction(test):
        raise WrongUse(f"{test.__qualname__} is async: write `def`, and `sim.call(...)` where it would await")
    if inspect.isgeneratorfunction(test) or inspect.isasyncgenfunction(test):
        raise WrongUse(f"{test.__qualname__} yields, so that calling it runs nothing: write a plain function")
    if not inspect.isfunction(test):
        raise WrongUse(f"@simulate decorates a function, not {test!r}")
    if hasattr(test, SIMULATED):
        raise WrongUse(
            f"{test.__qualname__} has @simulate twice: one takes everything, @simulate(plan=..., examples=...)"
        )
    refuse_foreign(test)
    signature = inspect.signature(test)
    if "sim" not in signature.parameters:
        takes = "sim, plan" if planned else "sim"
        raise WrongUse(f"{test.__qualname__} has to take `sim`, the simulation: def {test.__name__}({takes})")
    if "plan" in signature.parameters and not planned:
        raise WrongUse(f"{test.__qualname__} takes a plan: @simulate(plan=faults.plans(...))")
    missing = [name for name in given if name not in signature.parameters]
    if missing:
        raise WrongUse(f"{test.__qualname__} does not take {', '.join(missing)}; {_instead(missing, signature)}")
    if "sim" in given:
        raise WrongUse(f"{test.__qualname__} does not take sim from a strategy")
    ours = {"sim", "plan", *given}
    return signature.replace(parameters=[each for name, each in signature.parameters.items() if name not in ours])


def _instead(missing: Iterable[str], signature: inspect.Signature) -> str:
    """A hint for names that the test does not take."""
    own = [each.name for each in inspect.signature(simulate).parameters.values() if each.kind is each.KEYWORD_ONLY]
    near = {name: get_close_matches(name, [*own, *signature.parameters], n=1) for name in missing}
    hints = [f"; did you mean {found[0]}, not {name}?" for name, found in near.items() if found]
    return f"@simulate itself takes {', '.join(own)}, and strategies for the test's own arguments{''.join(hints)}"


def _same_names(test: Callable[..., object], given: Mapping[str, object], pasted: Iterable[Attempt]) -> None:
    """Raises `WrongUse` for an `@example` that does not give what the strategies do."""
    for each in pasted:
        if set(each.given) != set(given):
            raise WrongUse(
                f"@example of {test.__qualname__} gives {', '.join(each.given) or 'nothing more'}, "
                f"and @simulate {', '.join(given) or 'nothing more'}: it takes the same names"
            )


def _strategies(
    test: Callable[..., object], plan: object, given: Mapping[str, object]
) -> dict[str, SearchStrategy[Any]]:
    with needs_extra():
        from hypothesis import strategies as st

    fixed = FaultPlan() if plan is None else plan
    found: dict[str, Any] = {"plan": st.just(fixed) if isinstance(fixed, FaultPlan) else fixed, **given}
    for name, strategy in found.items():
        if not isinstance(strategy, st.SearchStrategy):
            raise WrongUse(f"@simulate({name}={strategy!r}) for {test.__qualname__}: give a strategy of Hypothesis")
    return found


def _simplest(given: Mapping[str, SearchStrategy[Any]]) -> dict[str, object]:
    """The simplest value of every strategy."""
    if not given:
        return {}
    with needs_extra():
        from hypothesis import Phase, find, settings
        from hypothesis import strategies as st

    # To explain a failure takes longer than to make it small, and this is none.
    simple = settings(database=None, deadline=None, phases=(Phase.generate, Phase.shrink))
    return find(st.fixed_dictionaries(dict(given)), lambda _: True, settings=simple)


class _Hunt:
    """The search of one simulated test."""

    def __init__(self, name: str, body: Callable[..., object], schedules: int, *, twice: bool) -> None:
        self.name = name
        self.body = body
        self.schedules = schedules
        self.twice = twice
        self.length = 1
        self.cast: dict[str, int] = {"": 1}
        self.known: set[str] = set()
        """The paths of all actors there ever were."""
        self.passing: list[str] | None = None
        self.carried: dict[Kind, Schedule] = {}
        """The finds of searches, as moves; tried before any other search."""
        self.hits: dict[str, Attempt] = {}
        """How each example that failed does so: Hypothesis runs them again."""
        self.fatal: SimulationError | None = None
        """A wrong use of the test; nothing is searched after that."""
        self.fatal_at: tuple[TracebackType | None, list[str]] = (None, [])
        """Where that was, and its notes."""
        self.last: dict[Kind, Attempt] = {}
        """The last failing run of each type; in the end, the smallest example that Hypothesis knows."""

    def ordinary(self, given: Mapping[str, object]) -> None:
        """The run without faults: it shows the actors and the length of a run. Raises what the test raises."""
        attempt = Attempt(FaultPlan(), given=given)
        outcome = attempt.run(self.body)
        _fail(outcome)
        if outcome.rejected:
            return
        if self.twice:
            attempt.twice(self.body)
        outcome.refuse_nameless(self.known)
        self.length = outcome.sim.steps
        # Moves of the test itself are left to the searches: those of actors tell more.
        self.cast = {path: steps for path, steps in outcome.cast.items() if path} or self.cast
        self.passing = outcome.sim.trace

    def campaign(self, strategies: Mapping[str, SearchStrategy[Any]], examples: int) -> None:
        """Has Hypothesis generate, and raises what it found."""
        with needs_extra():
            from hypothesis import HealthCheck, Phase, given, settings
            from hypothesis import strategies as st
            from hypothesis.errors import Flaky

        def one_example(drawn: dict[str, Any], schedule: Schedule, seed: int) -> None:
            plan = drawn.pop("plan")
            if not isinstance(plan, FaultPlan):
                raise WrongUse(f"the strategy for plan draws {plan!r}, not a FaultPlan")
            self._try(Attempt(plan, schedule, seed, drawn))

        one_example.__name__ = one_example.__qualname__ = re.sub(r"\W", "_", self.name)
        # Hypothesis keeps what has failed under the source of the test, which is this one for all of ours; what tells
        # the cases of pytest's parametrize apart tells these apart.
        one_example._hypothesis_internal_add_digest = self.name.encode()  # type: ignore[attr-defined]
        generated = given(
            drawn=st.fixed_dictionaries(dict(strategies)),
            schedule=schedules_of(self.cast),
            seed=st.integers(0, 65_535),
        )(one_example)
        default = settings()
        # The report explains better than Hypothesis's own phase, which runs the test under a tracer.
        phases = [phase for phase in default.phases if phase is not Phase.explain]
        limits = settings(
            default, max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), phases=phases
        )
        found_by_hypothesis: tuple[type[BaseException], ...] = (*failing(), BaseExceptionGroup)
        try:
            limits(generated)()
        except Flaky as flaky:
            self._end_if_fatal()
            raise NotDeterministic(
                f"{self.name} failed once and not again with the same plan, schedule and seed; "
                "pytest --sim-determinism shows where two runs part"
            ) from flaky
        except found_by_hypothesis:
            self._end_if_fatal()
            if not self.last:
                raise
        if self.last:
            self._report()

    # One example

    def _try(self, drawn: Attempt) -> None:
        """Tries the example under several schedules. Raises what the first that fails raises."""
        self._end_if_fatal()
        try:
            self._try_each(drawn)
        except SimulationError as error:
            self.fatal, self.fatal_at = error, (error.__traceback__, [*getattr(error, "__notes__", ())])
            raise

    def _end_if_fatal(self) -> None:
        """Raises a fatal error in its first form: Hypothesis raises it again and again, and adds to it each time."""
        if self.fatal is not None:
            traceback, notes = self.fatal_at
            self.fatal.__notes__ = [*notes]
            raise self.fatal.with_traceback(traceback) from None

    def _try_each(self, drawn: Attempt) -> None:
        known = self.hits.get(repr(drawn))
        for attempt in [known] if known is not None else self._ways(drawn):
            outcome = attempt.run(self.body)
            if outcome.undone:
                continue
            if outcome.rejected:
                assert outcome.failure is not None
                raise outcome.failure
            if outcome.failure is None:
                outcome.refuse_nameless(self.known)
                if self.twice:
                    attempt.twice(self.body)
            else:
                if attempt.search is not None:
                    attempt, outcome = self._as_moves(attempt)
                assert outcome.failure is not None
                assert outcome.kind is not None
                self.hits[repr(drawn)] = attempt
                self.last[outcome.kind] = attempt
                raise outcome.failure

    def _ways(self, drawn: Attempt) -> Iterator[Attempt]:
        """The drawn schedule; then what was found already, or else searches."""
        yield drawn
        if self.carried:
            for schedule in [*self.carried.values()]:
                yield Attempt(drawn.plan, schedule, drawn.seed, drawn.given)
            return
        for index in range(self.schedules - 1):
            kind = SEARCHES[(drawn.seed + index) % len(SEARCHES)]
            yield Attempt(
                drawn.plan, Schedule(), drawn.seed, drawn.given, Strategy(kind, drawn.seed + index, self.length)
            )

    def _as_moves(self, hit: Attempt) -> tuple[Attempt, AttemptOutcome]:
        """The find of a search, as few named moves."""
        recorded = hit.run(self.body, record=True)
        kind = recorded.kind
        if kind is None:
            raise NotDeterministic(f"{self.name}: {hit.search!r} with seed {hit.seed} failed once and not again")

        def attempt(schedule: Schedule) -> Attempt:
            return Attempt(hit.plan, schedule, hit.seed, hit.given)

        schedule = fewer_moves(lambda less: attempt(less).run(self.body).kind == kind, recorded.sim.schedule)
        found = attempt(schedule)
        outcome = found.run(self.body)
        if outcome.kind != kind:
            raise NotDeterministic(f"{self.name}: the moves of {hit.search!r} do not bring {kind[0].__name__} back")
        self.carried[kind] = schedule
        return found, outcome

    # The end

    def _report(self) -> NoReturn:
        """Raises the failures, each from its smallest run."""
        failures = [self._smallest(kind, attempt) for kind, attempt in self.last.items()]
        if len(failures) == 1:
            raise failures[0] from None
        raise BaseExceptionGroup(f"{self.name}: {len(failures)} distinct failures", failures) from None

    def _smallest(self, kind: Kind, found: Attempt) -> BaseException:
        """The failure again, with fewer moves where Hypothesis has left some, and with its report."""
        if not issubclass(kind[0], SimulationError):

            def fails(plan: FaultPlan, schedule: Schedule) -> bool:
                return Attempt(plan, schedule, found.seed, found.given).run(self.body).kind == kind

            found = Attempt(*shrink(fails, found.plan, found.schedule), found.seed, found.given)
        outcome = found.run(self.body)
        final = found.run(self.body, passing=passing_near(found, outcome, self.body, self.passing))
        if final.failure is None or final.kind != kind:
            raise NotDeterministic(f"{self.name}: {kind[0].__name__} with {found!r} does not come back")
        return final.failure
