"""A person in the loop: every question ends in an answer."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from actors import ActorDeadError
from actors.testing import FaultPlan, InjectedCrash, Simulation, faults, simulate, simulation
from actors.testing.faults import Crash, CrashInStart, Kill, KillDuringRestart, Slow
from supervisors import SpecError, SupervisorRef, SupervisorSpec, child, constant, supervisor
from teams.protocols import (
    Answered,
    Defaulted,
    NoSuchChoice,
    NoSuchQuestion,
    Person,
    PersonRef,
    QuestionAnswered,
    QuestionAsked,
)

OFTEN = 1000


def desk(**options: Any) -> SupervisorSpec:
    """A person in a tree."""
    return supervisor("desk", child("boss", Person, **options), max_restarts=OFTEN)


def boss(root: SupervisorRef) -> PersonRef:
    """The ref of the person."""
    found = root.child("boss")
    assert isinstance(found, PersonRef)
    return found


def test_a_question_waits_until_the_person_answers() -> None:
    """Guards the case without faults, and the events a front lives on."""
    with simulation() as sim:
        told: list[Any] = []
        sim.runtime.events.subscribe(told.append, QuestionAsked, QuestionAnswered)
        person = boss(sim.start(desk()))
        asked = person.consult("Tea?", ("yes", "no"))
        sim.advance(1000)
        (question,) = person.questions().get()
        assert (question.text, question.options, question.deadline) == ("Tea?", ("yes", "no"), None)
        person.answer(question.id, "yes").get()
        assert asked.get() == Answered(question, "yes")
        assert person.questions().get() == ()
        assert [type(each) for each in told] == [QuestionAsked, QuestionAnswered]
        assert (told[1].choice, told[1].defaulted) == ("yes", False)


def test_after_the_deadline_the_default_takes_effect() -> None:
    """Guards the bound of a wait."""
    with simulation() as sim:
        person = boss(sim.start(desk()))
        outcome = person.consult("Tea?", default="no", within=60.0).get()
        assert isinstance(outcome, Defaulted)
        assert (outcome.choice, outcome.why, sim.now) == ("no", "no answer came in time", 60.0)
        with pytest.raises(NoSuchQuestion):
            person.answer(outcome.question.id, "yes").get()


def test_bad_questions_are_refused_with_all_faults_and_crash_nothing() -> None:
    """Guards the asker, whose answer a crash over the question would lose."""
    with simulation() as sim:
        person: Any = boss(sim.start(desk()))
        for within in ("1 h", 0, -1.0, float("nan"), float("inf"), True):
            with pytest.raises(SpecError):
                person.consult("Tea?", within=within)
        with pytest.raises(SpecError) as refused:
            person.consult("Tea?", "yes", within=0, id=[])
        assert len(refused.value.faults) == 3
        with pytest.raises(SpecError):
            person.answer([], "yes")
        assert person.incarnation == 1
        assert person.questions().get() == ()


def test_a_question_whose_id_looks_like_ours_keeps_its_answer() -> None:
    """Guards both askers: one question in place of the other would leave one without an answer."""
    with simulation() as sim:
        person = boss(sim.start(desk()))
        given, made = person.consult("Tea?", id="question-1"), person.consult("Milk?")
        first, second = person.questions().get()
        person.answer(first.id, "tea").get()
        person.answer(second.id, "milk").get()
        assert (given.get().choice, made.get().choice) == ("tea", "milk")


def test_a_wrong_answer_is_refused_and_the_question_stays() -> None:
    """Guards typed refusals of a front's mistakes."""
    with simulation() as sim:
        person = boss(sim.start(desk()))
        asked = person.consult("Tea?", ("yes", "no"), id="tea")
        with pytest.raises(NoSuchChoice, match="choose one of 'yes', 'no'") as caught:
            person.answer("tea", "perhaps").get()
        assert pickle.loads(pickle.dumps(caught.value)).options == ("yes", "no")
        with pytest.raises(NoSuchQuestion, match=r"has no open question 'coffee' \(open: tea\)"):
            person.answer("coffee", "yes").get()
        assert person.incarnation == 1
        person.answer("tea", "no").get()
        assert asked.get().choice == "no"


def test_a_question_that_is_asked_again_is_the_same_question() -> None:
    """Guards askers that crashed: one question, one answer, also when it has been given by then."""
    with simulation() as sim:
        person = boss(sim.start(desk()))
        first, second = person.consult("Tea?", id="tea"), person.consult("Tea?", id="tea")
        assert len(person.questions().get()) == 1
        person.answer("tea", "yes").get()
        assert first.get() == second.get() == person.consult("Tea?", id="tea").get()


def test_deadlines_run_on_while_the_person_is_down() -> None:
    """Guards restarts: the question is kept, and so is its deadline."""
    with simulation() as sim:
        person = boss(sim.start(desk(backoff=constant(7.0))))
        asked = person.consult("Tea?", default="no", within=10.0)
        forever = person.consult("Coffee?")
        sim.advance(5)
        person.kill()
        assert isinstance(asked.get(), Defaulted)
        assert sim.now == 12.0
        (question,) = person.questions().get()
        person.answer(question.id, "yes").get()
        assert forever.get().choice == "yes"


def test_when_the_person_is_gone_every_default_takes_effect() -> None:
    """Guards against waiting for a terminated actor."""
    with simulation() as sim:
        root = sim.start(desk())
        asked = boss(root).consult("Tea?", default="no")
        sim.settle()
        root.terminate_child("boss").get()
        outcome = asked.get()
        assert isinstance(outcome, Defaulted)
        assert outcome.choice == "no"
        assert "the person has terminated" in outcome.why


@simulate(
    plan=faults.plans("desk/boss", kinds=[Crash, CrashInStart, Kill, KillDuringRestart, Slow], max_faults=4),
    examples=40,
)
def test_every_question_that_was_taken_ends_in_an_answer(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the promise, under crashes and kills at every step."""
    events: list[Any] = []
    sim.runtime.events.subscribe(events.append, QuestionAsked, QuestionAnswered)
    person = boss(sim.start(desk(max_restarts=OFTEN, retry_start=True)))
    within = (50.0, 3.0, 20.0)
    asked = sim.workload(lambda n: person.consult("?", default="no", within=within[n % 3]), n=6, every=1.0, name="ask")

    async def answer(number: int) -> None:
        for question in await person.questions():
            if number >= 4 or question.deadline is not None:
                await person.answer(question.id, "yes")

    sim.workload(answer, n=2, every=4.0, name="answer")
    sim.run(until=80)
    sim.heal()
    sim.eventually("every question has ended", lambda: asked.done == 6, within=100)
    assert all(isinstance(each, Answered | Defaulted) for each in asked.results.values())
    assert all(isinstance(each, InjectedCrash | ActorDeadError) for each in asked.errors.values())
    begun = sorted(each.question for each in events if isinstance(each, QuestionAsked))
    assert sorted(each.question for each in events if isinstance(each, QuestionAnswered)) == begun
