"""A person in the loop: an actor that stands for one.

    message                             from, to             answer
    Consult(text, options, ...)         any to it            Answered or Defaulted, in the end
    GiveAnswer(id, choice)                  a front to it        None; `NoSuchQuestion` or `NoSuchChoice`
    GetQuestions()                      a front to it        the questions that wait, oldest first
    Assignment(value, context)          a team to it         the choice, in the end
    Withdraw(id)                        any to it            -

    state     goes to      when
    open      answered     the person chose
    open      defaulted    the deadline has passed, the actor has terminated, or nothing waits for the answer any more

Promise: every question that was taken ends in an `Answered` or a `Defaulted`, through crashes and kills of this actor;
deadlines run on meanwhile. A question that is asked again under its own id (its asker has crashed since) is not asked
twice: it gets the answer it had. Bounds: a question waits until its deadline at most, if it has one; of the answers
the last `REMEMBERED` are remembered.

A member of a team, it takes work as a question: the choice is the result. When the work is called off, the question is
withdrawn.

It shows nothing itself. A console or a web page subscribes to the events `QuestionAsked` and `QuestionAnswered`, shows
what waits (`questions()`), and answers (`answer(id, choice)`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from actors.spi import (
    TEXT,
    Actor,
    ActorRef,
    EventStream,
    ExitReason,
    Future,
    ReplyTo,
    answer,
    handles,
    shown,
    take_reply,
    when_gone,
)
from supervisors.spi import SpecError, SpecFault
from teams._checks.fields import id_faults, refuse, seconds_faults, several_faults
from teams._members.function import Assignment
from teams.errors import WorkCancelled
from teams.protocols.errors import NoSuchChoice, NoSuchPerson, NoSuchQuestion
from teams.protocols.events import QuestionAnswered, QuestionAsked

REMEMBERED = 1000
"""How many answers are remembered for those who ask again."""


class Consult(NamedTuple):
    """Have the person decide."""

    text: str
    options: Sequence[object] = ()
    """The options; empty: any answer."""
    default: object = None
    """The answer that takes effect without another in time."""
    within: float | None = None
    """Seconds to answer in; None: any time."""
    id: str | None = None
    """The same for a question that is asked again; by default a new one."""


class GiveAnswer(NamedTuple):
    """The person chose."""

    id: str
    choice: object


class GetQuestions(NamedTuple):
    """Asks for the open questions."""


class AnswerDue(NamedTuple):
    """The deadline of a question has passed."""

    id: str


class Withdraw(NamedTuple):
    """The answer is not wanted any more: an open question ends with its default, and its answer is forgotten."""

    id: str
    reply: ReplyTo | None = None
    """Of one asker among several: what the others asked stays open."""


class Question(NamedTuple):
    """The question for the person."""

    id: str
    text: str
    options: tuple[object, ...]
    default: object
    asked_at: float
    """By the runtime's clock, in seconds."""
    deadline: float | None


class Answered(NamedTuple):
    """The person chose."""

    question: Question
    choice: Any


class Defaulted(NamedTuple):
    """No answer came, and the default took effect."""

    question: Question
    choice: Any
    why: str


class PersonRef(ActorRef["Person"]):
    """A person, from outside. Futures: `await` them, or `.get()` them in a thread."""

    __slots__ = ()

    def consult(
        self,
        text: str,
        options: Iterable[object] = (),
        *,
        default: object = None,
        within: float | None = None,
        id: str | None = None,
    ) -> Future[Answered | Defaulted]:
        """Asks the person.

        Args:
            text: the question
            options: what may be chosen; empty: anything
            default: what takes effect without an answer in time
            within: seconds to answer in; None: any time
            id: give one to a question that may be asked again after a crash of the asker: it is the same question

        Raises:
            SpecError: at once, with everything that is wrong with the arguments
        """
        refuse(_faults(self.path, options, within), id_faults(self.path, "id", id))
        return self.ask(Consult(text, tuple(options), default, within, id), block=False, timeout=None)

    def answer(self, id: str, choice: object) -> Future[None]:
        """Answers a question. The future raises `NoSuchQuestion` when it does not wait (any more), `NoSuchChoice` when
        `choice` is none of its options. A wrong id raises SpecError at once.
        """
        refuse(id_faults(self.path, "id", id))
        return self.ask(GiveAnswer(id, choice), block=False)

    def questions(self) -> Future[tuple[Question, ...]]:
        """The open questions, oldest first."""
        return self.ask(GetQuestions(), block=False)


def _faults(path: str, options: object, within: object) -> Iterator[SpecFault]:
    yield from several_faults(path, "options", options)
    yield from seconds_faults(path, "within", within)


def found_person(by: ActorRef[Any], team: str, person: object) -> PersonRef:
    """The person with this id in the team, this path, or this registered name. Raises NoSuchPerson."""
    runtime, found = by.runtime, person
    if isinstance(person, str):
        found = runtime.find(f"{team}/members/{person}") or runtime.find(person) or runtime.whereis(person)
    if isinstance(found, PersonRef):
        return found
    persons = (path for path in list(runtime.cells) if isinstance(runtime.find(path), PersonRef))
    raise NoSuchPerson(by.path, person if isinstance(person, str) else shown(person), tuple(sorted(persons)))


class _Asker(NamedTuple):
    """An actor or thread that waits for the answer."""

    reply: ReplyTo
    is_work: bool
    """Whether the choice alone is the answer."""


class _Desk:
    """Open and answered questions. Outlives the incarnations."""

    def __init__(self) -> None:
        self.made = 0
        self.guarded = False
        self.open: dict[str, tuple[Question, list[_Asker]]] = {}
        self.answered: dict[str, Answered | Defaulted] = {}

    def new_id(self) -> str:
        """An unused id; ids given by callers may look like ours."""
        while True:
            self.made += 1
            id = f"question-{self.made}"
            if id not in self.open and id not in self.answered:
                return id

    def close(
        self, outcome: Answered | Defaulted, path: str, at: float, events: EventStream, *, remember: bool = True
    ) -> None:
        """A question has its answer: all callers get it."""
        question = outcome.question
        _, askers = self.open.pop(question.id)
        if remember:
            self.answered[question.id] = outcome
        if len(self.answered) > REMEMBERED:
            del self.answered[next(iter(self.answered))]
        defaulted = isinstance(outcome, Defaulted)
        why = outcome.why if isinstance(outcome, Defaulted) else "the person chose"
        events.publish(QuestionAnswered(path, at, question.id, outcome.choice, defaulted, why))
        for asker in askers:
            answer(asker.reply, outcome.choice if asker.is_work else outcome)


class Person(Actor):
    """Stands for a person: questions wait here until they are answered. Runs on the loop.

    As a member of a team (`member("operator", Person)`) it is given work, such as steps of patterns. A `Consult` is
    asked as it is; other work is the text of a question with the options of this person. The choice is the result.
    """

    only_host = "loop"
    answers = (NoSuchQuestion, NoSuchChoice, SpecError, WorkCancelled)
    ref_type: ClassVar[type[ActorRef[Any]]] = PersonRef

    if TYPE_CHECKING:

        @property
        def ref(self) -> PersonRef: ...

    def __init__(self, options: Iterable[object] = (), *, default: object = None, within: float | None = None) -> None:
        """
        Args:
            options: What may be chosen where the work is the question. Empty: anything. Default: ().
            default: The result without an answer in time. Default: None.
            within: Seconds to answer in. None: any time. Default: None.

        Raises:
            SpecError: every fault
        """
        refuse(_faults(self.path, options, within))
        self._work_options = tuple(options)
        self._work_default = default
        self._work_within = within
        self._desk = self.kept(_Desk)

    def on_start(self) -> None:
        """Goes on with what waits. A subclass that overrides it calls it."""
        for question, _ in self._desk.open.values():
            self._arm(question)
        if not self._desk.guarded:
            self._desk.guarded = True
            when_gone(self, partial(self._gone, self._desk))

    @handles
    def consult(self, message: Consult) -> Answered | Defaulted | None:
        known = self._known(message)
        if known is None:
            self._open(message, is_work=False)
        return known

    @handles
    def work(self, message: Assignment) -> Any:
        """A team has given work: the question, or its text."""
        context, value = message.context, message.value
        if context.cancelled:
            raise WorkCancelled(context.work_id, context.cancelled.reason)
        if not isinstance(value, Consult):
            text = value if isinstance(value, str) else shown(value, TEXT)
            value = Consult(text, self._work_options, self._work_default, self._work_within)
        refuse(_faults(self.path, value.options, value.within), id_faults(self.path, "id", value.id))
        known = self._known(value)
        if known is not None:
            return known.choice
        id, reply = self._open(value, is_work=True)
        context.cancelled.asked().tell_at_end((self.path, id, reply), self.ref, Withdraw(id, reply))
        return None

    @handles
    def withdraw(self, message: Withdraw) -> None:
        """An asker does not wait any more."""
        desk, id = self._desk, message.id
        if id not in desk.open:
            if message.reply is None:
                desk.answered.pop(id, None)
            return
        question, askers = desk.open[id]
        outcome = Defaulted(question, question.default, "the answer is not wanted any more")
        gone = [each for each in askers if message.reply in (None, each.reply)]
        if len(gone) == len(askers):
            self._close(outcome, remember=False)
            return
        for asker in gone:
            askers.remove(asker)
            answer(asker.reply, outcome.choice)

    def _known(self, message: Consult) -> Answered | Defaulted | None:
        return None if message.id is None else self._desk.answered.get(message.id)

    def _open(self, message: Consult, *, is_work: bool) -> tuple[str, ReplyTo | None]:
        """Takes the question, and the duty to answer it."""
        desk, now, id = self._desk, self.runtime.now(), message.id
        reply = take_reply(self)
        if id is None or id not in desk.open:
            id = id if id is not None else desk.new_id()
            deadline = None if message.within is None else now + message.within
            options = tuple(message.options)
            question = Question(id, message.text, options, message.default, now, deadline)
            desk.open[id] = question, []
            self.runtime.events.publish(
                QuestionAsked(self.path, now, id, message.text, options, message.default, deadline)
            )
            self._arm(question)
        if reply is not None:
            desk.open[id][1].append(_Asker(reply, is_work))
        return id, reply

    @handles
    def answer(self, message: GiveAnswer) -> None:
        desk = self._desk
        if message.id not in desk.open:
            raise NoSuchQuestion(self.path, message.id, tuple(desk.open))
        question, _ = desk.open[message.id]
        if question.options and message.choice not in question.options:
            raise NoSuchChoice(self.path, message.id, message.choice, question.options)
        self._close(Answered(question, message.choice))

    @handles
    def questions(self, message: GetQuestions) -> tuple[Question, ...]:
        return tuple(question for question, _ in self._desk.open.values())

    @handles
    def due(self, message: AnswerDue) -> None:
        if message.id in self._desk.open:
            question, _ = self._desk.open[message.id]
            self._close(Defaulted(question, question.default, "no answer came in time"))

    def _arm(self, question: Question) -> None:
        if question.deadline is not None:
            self.tell_after(max(0.0, question.deadline - self.runtime.now()), AnswerDue(question.id))

    def _close(self, outcome: Answered | Defaulted, *, remember: bool = True) -> None:
        self._desk.close(outcome, self.path, self.runtime.now(), self.runtime.events, remember=remember)

    def _gone(self, desk: _Desk, reason: ExitReason) -> None:
        """There will be no further incarnation."""
        for question, _ in list(desk.open.values()):
            self._close(Defaulted(question, question.default, f"the person has terminated: {reason}"))
