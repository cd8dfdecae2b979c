"""The work of a member's function, as the function sees it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterable
from dataclasses import field
from typing import TYPE_CHECKING, Any, NamedTuple

from actors.spi import ActorError, ActorRef, Future, NotInRuntime, Record, current_ref
from teams.errors import WorkCancelled

if TYPE_CHECKING:
    from teams.protocols._person import Answered, Defaulted, PersonRef

_ATTEMPT = re.compile(r"~\d+(?=/|$)")
"""Says in the name of a step of a run which attempt it is."""


class Refusal(NamedTuple):
    """A handoff that was refused and came back to its giver."""

    to: str
    why: str


class Cancellation:
    """Whether a piece of work is not wanted any more. An `async` function is cancelled where it waits. A function that
    blocks a thread cannot be cancelled, and may look here now and then.
    """

    __slots__ = ("questions", "reason", "task")

    def __init__(self) -> None:
        self.reason: str | None = None
        """Why the work is not wanted any more."""
        self.task: asyncio.Task[object] | None = None
        self.questions: WorkQuestions | None = None
        """The questions to persons that belong to the work; None: it has asked none."""

    def __bool__(self) -> bool:
        return self.reason is not None

    def cancel(self, reason: str) -> None:
        """The work is not wanted any more. On the loop thread."""
        if self.reason is None:
            self.reason = reason
            if self.task is not None:
                self.task.cancel()

    def asked(self) -> WorkQuestions:
        """The questions of the work, which asks one now."""
        if self.questions is None:
            self.questions = WorkQuestions()
        return self.questions


class WorkQuestions:
    """The questions of one piece of work to persons, in all its attempts."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, str], int] = {}
        self._orders: dict[object, tuple[ActorRef[Any], object]] = {}

    def number(self, attempt: int, text: str) -> int:
        """How often this attempt has asked this, counted from 1."""
        number = self._numbers[attempt, text] = self._numbers.get((attempt, text), 0) + 1
        return number

    def tell_at_end(self, question: object, person: ActorRef[Any], message: object) -> None:
        """Has the person told this when the work has ended; once for each question."""
        self._orders[question] = person, message

    def withdraw(self) -> None:
        """The work has ended."""
        while self._orders:
            _, (person, message) = self._orders.popitem()
            with contextlib.suppress(ActorError):  # with the person, every question has ended
                person.tell(message)


class Context(Record):
    """The second argument of a member's function, if it takes one."""

    team: str
    member: str
    work_id: str
    attempt: int = 1
    """1 at first, and one more after each crash over this work."""
    chain: tuple[str, ...] = ()
    """The slots that had this work before, first to last."""
    refused: tuple[Refusal, ...] = ()
    """Handoffs of this member that were refused."""
    deadline: float | None = None
    """When the result is not wanted any more, by the runtime's clock in seconds."""
    cancelled: Cancellation = field(default_factory=Cancellation)
    """True, as a condition, once the result is not wanted any more."""

    @property
    def key(self) -> str:
        """The id of the work without the attempts at it: the same one in every attempt and in every process. Give it to
        a service as the idempotency key. In a run of an engine it is the id of the run, a colon and the step.
        """
        run, colon, step = self.work_id.partition(":")
        return run + colon + _ATTEMPT.sub("", step)

    def ask_person(
        self,
        person: str | PersonRef,
        text: str,
        options: Iterable[object] = (),
        *,
        default: object = None,
        within: float | None = None,
    ) -> Future[Answered | Defaulted]:
        """Asks a person. `await` the future in an `async` function, or `.get()` it in a plain one, which has a thread
        of its own. Its result is an `Answered` or a `Defaulted`; both have the `choice`.

        The question belongs to the work. An attempt that follows a crash asks the same question, and the person is
        asked once. When the work has ended, failed or been called off, its open questions are withdrawn.

        Args:
            person: A `Person`: a member of this team by its id, any actor by its path or registered name, or a ref.
            text: The question.
            options: What may be chosen. Empty: anything. Default: ().
            default: What takes effect without an answer in time. Default: None.
            within: Seconds to answer in. None: any time. Default: None.

        Raises:
            NoSuchPerson: no `Person` is called so
            WorkCancelled: the work is not wanted any more
            NotInRuntime: this is not the code of a member
            SpecError: everything that is wrong with the other arguments
        """
        from teams.protocols._person import Withdraw, found_person

        here = current_ref()
        if here is None:
            raise NotInRuntime("ask_person()", "call it in the function of a member, and in the thread that runs it")
        ref = found_person(here, self.team, person)
        if self.cancelled:
            raise WorkCancelled(self.work_id, self.cancelled.reason)
        if not self.work_id:
            return ref.consult(text, options, default=default, within=within)
        asked = self.cancelled.asked()
        number = asked.number(self.attempt, str(text))
        id = f"{self.team} {self.work_id}: {text}" + (f" ({number})" if number > 1 else "")
        future = ref.consult(text, options, default=default, within=within, id=id)
        asked.tell_at_end((ref.path, id), ref, Withdraw(id))
        if self.cancelled:  # meanwhile: this may be a thread
            asked.withdraw()
        return future
