"""A person in a team: steps that a person does, and questions of member functions."""

from __future__ import annotations

import asyncio
import pickle
from queue import SimpleQueue
from typing import Any

import pytest

from actors import NotInRuntime, sleep
from actors.testing import FaultPlan, Simulation, faults, simulate, simulation
from actors.testing.faults import Crash, Kill, Slow
from supervisors import ChildStartError, SpecError, start
from teams import Context, Handoff, RunFailed, StepTimeout, TeamRef, WorkCancelled, WorkFailed, member, step, team
from teams.patterns import Approved, Rejected, multi_stage_review, parallel, sequential
from teams.protocols import Consult, NoSuchPerson, Person, PersonRef, QuestionAnswered, QuestionAsked
from teams.workflows import EngineRef, do, engine, workflow
from tests.teams.cast import begun


async def draft(item: str) -> str:
    return f"refund {item}"


async def approved(item: str, context: Context) -> str:
    answer = await context.ask_person("operator", f"Send {item}?", ["yes", "no"], default="no")
    return f"{item}: {answer.choice}"


def operator(crew: TeamRef) -> PersonRef:
    """The person among the members."""
    found = crew.runtime.find(f"{crew.path}/members/operator")
    assert isinstance(found, PersonRef)
    return found


def up(sim: Simulation, *members: Any, **options: Any) -> TeamRef:
    """A team with a person."""
    crew = begun(sim, team("crew", member("operator", Person, **options), *members))
    assert crew is not None
    return crew


def asked_by(sim: Simulation) -> list[Any]:
    """What is asked and answered from now on."""
    found: list[Any] = []
    sim.runtime.events.subscribe(found.append, QuestionAsked, QuestionAnswered)
    return found


def test_a_step_for_a_person_asks_and_its_result_is_the_choice() -> None:
    """Guards the case without faults: the work is the question, with the options of the person."""
    with simulation() as sim:
        crew = up(sim, member("writer", draft), args={"options": ["yes", "no"]})
        run = crew.play(sequential("writer", "operator"), "5 EUR")
        sim.settle()
        (question,) = operator(crew).questions().get()
        assert (question.text, question.options) == ("refund 5 EUR", ("yes", "no"))
        operator(crew).answer(question.id, "yes").get()
        assert run.get() == "yes"


def test_work_that_is_no_text_is_shown_as_it_is() -> None:
    """Guards steps whose input is a mapping, as those of models are."""
    with simulation() as sim:
        crew = up(sim)
        crew.assign({"amount": 5}, "operator")
        sim.settle()
        (question,) = operator(crew).questions().get()
        assert question.text == "{'amount': 5}"


@pytest.mark.parametrize("decision", [Approved(), Rejected("too dear")])
def test_a_person_whose_options_are_verdicts_is_a_reviewer(decision: Approved | Rejected) -> None:
    """Guards gates and reviews: the choice is the option itself, and so a verdict."""
    with simulation() as sim:
        crew = up(sim, member("writer", draft), args={"options": [Approved(), Rejected("too dear")]})
        run = crew.play(sequential("writer", multi_stage_review(["operator"])), "5 EUR")
        sim.settle()
        (question,) = operator(crew).questions().get()
        operator(crew).answer(question.id, decision).get()
        expected = decision if decision == Approved() else Rejected({"operator": "too dear"})
        assert run.get() == expected


def test_a_consult_as_the_work_has_its_own_options_and_default() -> None:
    """Guards `step(transform=)`, which makes the question of the work."""
    with simulation() as sim:
        crew = up(sim)

        def question(item: str) -> Consult:
            return Consult(f"Send {item}?", ("yes", "no"), "no", 60.0)

        assert crew.play(sequential(step("operator", transform=question)), "it").get() == "no"
        assert sim.now == 60.0


def test_a_step_whose_time_is_up_withdraws_its_question() -> None:
    """Guards fronts, which would show a question whose answer is not wanted, and the place of the next one."""
    with simulation() as sim:
        told = asked_by(sim)
        crew = up(sim)
        with pytest.raises(RunFailed) as failed:
            crew.play(sequential(step("operator", timeout=60)), "Tea?").get()
        assert isinstance(failed.value.error, StepTimeout)
        assert operator(crew).questions().get() == ()
        assert (told[-1].defaulted, told[-1].why) == (True, "the answer is not wanted any more")


def test_a_step_that_is_repeated_asks_again() -> None:
    """Guards a question that was withdrawn: its default is not the answer of the next attempt."""
    with simulation() as sim:
        crew = up(sim)
        run = crew.play(sequential(step("operator", timeout=60, on_failure="retry_once")), "Tea?")
        sim.advance(90)
        (question,) = operator(crew).questions().get()
        operator(crew).answer(question.id, "now").get()
        assert run.get() == "now"


def test_a_person_has_several_questions_of_a_team_at_once() -> None:
    """Guards fronts that show a list: a person is not a member that does one thing at a time."""
    with simulation() as sim:
        crew = up(sim)
        run = crew.play(parallel(*(step("operator", name=f"q{n}") for n in range(5))), "Tea?")
        sim.settle()
        waiting = operator(crew).questions().get()
        assert len(waiting) == 5
        for number, question in enumerate(waiting):
            operator(crew).answer(question.id, number).get()
        assert sorted(run.get().values()) == [0, 1, 2, 3, 4]


def test_a_wrong_question_fails_its_work_and_crashes_nothing() -> None:
    """Guards the questions of others, and the author of the step."""
    with simulation() as sim:
        crew = up(sim)
        wrong: Any = Consult("Tea?", "yes", within=0)
        with pytest.raises(WorkFailed) as failed:
            crew.assign(wrong, "operator").get()
        assert isinstance(failed.value.error, SpecError)
        assert len(failed.value.error.faults) == 2
        assert operator(crew).incarnation == 1


def test_wrong_options_of_a_person_fail_its_start() -> None:
    """Guards against a person who can never answer."""
    with simulation() as sim, pytest.raises(ChildStartError, match="options: must be a list"):
        sim.start(team("crew", member("operator", Person, args={"options": "yes"})))


def test_a_handoff_to_a_person_is_a_question() -> None:
    """Guards members that do not want to decide alone."""

    async def doubtful(_: str) -> Handoff:
        return Handoff("operator", "Is this a refund?")

    with simulation() as sim:
        crew = up(sim, member("triage", doubtful))
        result = crew.assign("mail", "triage")
        sim.settle()
        (question,) = operator(crew).questions().get()
        operator(crew).answer(question.id, "yes").get()
        assert result.get() == "yes"


def test_a_person_does_the_step_of_a_durable_workflow() -> None:
    """Guards engines: the choice is the result of the step, and a cancelled run withdraws its question."""
    people = member("operator", Person, args={"options": ["yes", "no"]})
    flow = workflow("flow", do("ok", "operator"), output={"ok": "$ok"})
    events: SimpleQueue[Any] = SimpleQueue()
    with start(engine("engine", people, flow, store="memory:"), log=False) as eng:
        assert isinstance(eng, EngineRef)
        eng.runtime.events.subscribe(events.put, QuestionAsked, QuestionAnswered)
        run = eng.start_workflow("flow", "Refund?").get(timeout=20)
        asked = events.get(timeout=20)
        assert asked.text == "Refund?"
        person = eng.runtime.find(asked.path)
        assert isinstance(person, PersonRef)
        person.answer(asked.question, "yes").get(timeout=20)
        assert run.get(timeout=20) == {"ok": "yes"}
        assert events.get(timeout=20).choice == "yes"
        cancelled = eng.start_workflow("flow", "Again?").get(timeout=20)
        asked = events.get(timeout=20)
        cancelled.cancel("no more").get(timeout=20)
        withdrawn = events.get(timeout=20)
        assert (withdrawn.question, withdrawn.defaulted) == (asked.question, True)


def test_the_function_of_a_member_asks_a_person_and_waits() -> None:
    """Guards the way from a function to a person."""
    with simulation() as sim:
        crew = up(sim, member("sender", approved))
        result = crew.assign("5 EUR", "sender")
        sim.settle()
        (question,) = operator(crew).questions().get()
        assert question.text == "Send 5 EUR?"
        operator(crew).answer(question.id, "yes").get()
        assert result.get() == "5 EUR: yes"


def test_a_function_that_blocks_a_thread_asks_a_person_too() -> None:
    """Guards plain functions, which wait for the future in their thread."""

    def blocking(item: str, context: Context) -> object:
        return context.ask_person("crew/members/operator", item, default="nobody", within=0.01).get().choice

    with start(team("crew", member("operator", Person), member("sender", blocking)), log=False) as crew:
        assert isinstance(crew, TeamRef)
        assert crew.assign("Tea?", "sender").get(timeout=20) == "nobody"


def test_a_crash_while_a_person_is_asked_does_not_ask_twice() -> None:
    """Guards the person: the next attempt waits for the answer to the same question."""
    with simulation() as sim:
        told = asked_by(sim)
        crew = up(sim, member("sender", approved))
        result = crew.assign("it", "sender", attempts=2)
        sim.settle()
        (question,) = operator(crew).questions().get()
        sender = crew.runtime.find("crew/members/sender")
        assert sender is not None
        sender.kill()
        sim.advance(60)
        assert sender.incarnation == 2
        operator(crew).answer(question.id, "yes").get()
        assert result.get() == "it: yes"
        assert [type(each) for each in told] == [QuestionAsked, QuestionAnswered]


def test_the_same_question_twice_in_one_piece_of_work_is_two_questions() -> None:
    """Guards loops that ask until they are satisfied."""

    async def insists(_: str, context: Context) -> object:
        while (answer := await context.ask_person("operator", "Sure?")).choice != "yes":
            pass
        return answer.question.id

    with simulation() as sim:
        crew = up(sim, member("sender", insists))
        result = crew.assign("it", "sender")
        for choice in ("no", "no", "yes"):
            sim.settle()
            (question,) = operator(crew).questions().get()
            operator(crew).answer(question.id, choice).get()
        assert str(result.get()).endswith("Sure? (3)")


def test_questions_end_with_the_work_that_asked_them() -> None:
    """Guards persons against questions of work that is over, however it ended."""

    async def careless(item: str, context: Context) -> str:
        context.ask_person("operator", item)
        if item == "fail":
            raise OSError(item)
        return item

    with simulation() as sim:
        told = asked_by(sim)
        crew = up(sim, member("sender", careless), member("asker", approved))
        assert crew.assign("return", "sender").get() == "return"
        with pytest.raises(WorkFailed):
            crew.assign("fail", "sender").get()
        with pytest.raises(TimeoutError):
            crew.assign("late", "asker", timeout=5).get()
        sim.settle()
        assert operator(crew).questions().get() == ()
        assert [each.text for each in told if isinstance(each, QuestionAsked)] == ["return", "fail", "Send late?"]


def test_an_unknown_person_is_an_error_that_names_those_there_are() -> None:
    """Guards against waiting for an answer of none."""

    async def lost(name: str, context: Context) -> object:
        return (await context.ask_person(name, "Tea?")).choice

    with simulation() as sim:
        crew = up(sim, member("sender", lost))
        for name in ("operater", "crew/members/sender"):
            with pytest.raises(WorkFailed) as failed:
                crew.assign(name, "sender").get()
            error = pickle.loads(pickle.dumps(failed.value.error))
            assert isinstance(error, NoSuchPerson)
            assert (error.person, error.persons) == (name, ("crew/members/operator",))


def test_asking_outside_of_a_member_is_refused() -> None:
    """Guards unit tests of a function, which are told what is missing."""
    with pytest.raises(NotInRuntime, match="ask_person"):
        Context("crew", "sender", "work-1").ask_person("operator", "Tea?")


def test_work_that_was_called_off_asks_no_person() -> None:
    """Guards persons against code that goes on after its time is up."""
    refused: list[str] = []

    async def stubborn(_: str, context: Context) -> None:
        try:
            await sleep(100)
        except asyncio.CancelledError:
            with pytest.raises(WorkCancelled) as error:
                context.ask_person("operator", "Tea?")
            refused.append(str(error.value))
            raise

    with simulation() as sim:
        told = asked_by(sim)
        crew = up(sim, member("sender", stubborn))
        with pytest.raises(TimeoutError):
            crew.assign("it", "sender", timeout=5).get()
        sim.settle()
        assert len(refused) == 1
        assert told == []


@simulate(plan=faults.plans("crew/members/*", kinds=[Crash, Kill, Slow], max_faults=3), examples=40)
def test_every_step_of_a_person_ends_and_leaves_no_question(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the promise under crashes and kills of the person and of members that ask."""
    people = member("operator", Person, max_restarts=1000), member("sender", approved, max_restarts=1000)
    crew = begun(sim, team("crew", *people))
    if crew is None:
        return
    steps = sim.workload(
        lambda n: crew.assign("?", "operator" if n % 2 else "sender", timeout=(40.0, 300.0)[n // 3], attempts=9),
        n=6,
        every=1.0,
        name="steps",
    )

    async def answer(_: int) -> None:
        for question in await operator(crew).questions():
            await operator(crew).answer(question.id, "yes")

    answers = sim.workload(answer, n=8, every=15.0, name="answer")
    sim.run(until=200)
    sim.heal()
    sim.eventually("every piece of work has ended", lambda: steps.done == 6, within=400)
    assert answers.done == 8
    assert set(map(str, steps.results.values())) <= {"yes", "?: yes"}
    assert operator(crew).questions().get() == ()
