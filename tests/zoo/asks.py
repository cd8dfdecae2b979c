"""What goes wrong between a question and its answer: the world goes on while somebody waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actors import Actor, ActorRef, CrashedExit, NameTaken, Timer, handles
from actors.testing import DelayMessage, DuplicateMessage, InvariantBroken, NeverHappened, Simulation, Slow
from tests.zoo._entry import Entry
from tests.zoo._post import Parcel, Post

# Lost update over ask


@dataclass(frozen=True)
class Read:
    """How much is there?"""


@dataclass(frozen=True)
class Write:
    """So much is there now."""

    balance: int


@dataclass(frozen=True)
class Add:
    """So much more is there now."""

    amount: int


class Account(Actor):
    """Keeps one number."""

    def __init__(self, say: Callable[[int], object]) -> None:
        self.balance = 0
        self.say = say

    @handles
    def read(self, message: Read) -> int:
        return self.balance

    @handles
    def write(self, message: Write) -> None:
        self.balance = message.balance
        self.say(self.balance)

    @handles
    def add(self, message: Add) -> None:
        self.balance += message.amount
        self.say(self.balance)


class Teller(Actor):
    """Asks, adds and writes back. Every message is handled by itself, and yet the three are not one step."""

    def __init__(self, account: ActorRef[Account]) -> None:
        self.account = account

    @handles
    async def deposit(self, message: Add) -> None:
        balance = await self.account.call(Read())
        await self.account.call(Write(balance + message.amount))


class AddingTeller(Teller):
    """Leaves the sum to the one who owns the number."""

    @handles
    async def deposit(self, message: Add) -> None:
        await self.account.call(message)


def lost_update(sim: Simulation, teller: type[Teller]) -> None:
    """Two tellers add to one account; look for a teller that reads before the other has written."""
    said: list[int] = []
    account = sim.spawn(Account, args=[said.append], name="account")
    near = sim.spawn(teller, args=[account], name="near")
    far = sim.spawn(teller, args=[account], name="far")
    post = sim.spawn(Post, name="post")
    post.tell(Parcel(far, Add(20)))
    near.tell(Add(10))
    sim.eventually("both deposits are booked", lambda: said[-1:] == [30], within=1)


# Check-then-act registration


@dataclass(frozen=True)
class Visit:
    """Somebody wants the one session of this user."""

    user: str


class Profiles(Actor):
    """Knows what a session must know to begin."""

    def on_receive(self, message: str) -> str:
        return message.title()


class Session(Actor):
    """One for each user."""

    def __init__(self, profile: str) -> None:
        self.profile = profile


class FrontDesk(Actor):
    """Looks whether there is a session, fetches the profile, and starts one. Two visits at once find none, both."""

    concurrency = 2

    def __init__(self, profiles: ActorRef[Profiles]) -> None:
        self.profiles = profiles

    @handles
    async def welcome(self, visit: Visit) -> None:
        if self.runtime.whereis(visit.user) is None:
            profile = await self.profiles.call(visit.user)
            await self.runtime.spawn(Session, args=[profile], name=visit.user)


class PatientFrontDesk(FrontDesk):
    """Takes the name, which happens once, instead of looking whether it is free."""

    @handles
    async def welcome(self, visit: Visit) -> None:
        profile = await self.profiles.call(visit.user)
        try:
            await self.runtime.spawn(Session, args=[profile], name=visit.user)
        except NameTaken:
            return


def check_then_act(sim: Simulation, desk: type[FrontDesk]) -> None:
    """Two visits of one user; look for the second check between the first check and its registration."""
    profiles = sim.spawn(Profiles, name="profiles")
    front = sim.spawn(desk, args=[profiles], name="desk")
    post = sim.spawn(Post, name="post")
    crashes: list[object] = []
    sim.runtime.events.subscribe(crashes.append, CrashedExit)
    sim.always("the desk stays open", lambda: not crashes)
    post.tell(Parcel(front, Visit("ada")))
    front.tell(Visit("ada"))
    sim.eventually("ada has a session", lambda: sim.runtime.whereis("ada") is not None, within=1)
    sim.run(until=2)


# Stale reply after an ask timed out

PATIENCE = 1.0
QUESTIONS = ("alpha", "beta", "gamma", "delta")


@dataclass(frozen=True)
class Question:
    """A word to look up."""

    word: str
    reader: ActorRef[Any]


@dataclass(frozen=True)
class Answer:
    """What was found under the word."""

    word: str
    found: str


@dataclass(frozen=True)
class GiveUp:
    """The answer took too long."""


class Library(Actor):
    """Looks things up."""

    @handles
    def look_up(self, question: Question) -> None:
        question.reader.tell(Answer(question.word, question.word.upper()))


class Reader(Actor):
    """Asks one question after the other and gives each a second.

    Any answer that comes is taken for that of the question it waits for.
    """

    def __init__(self, library: ActorRef[Library], notes: dict[str, str]) -> None:
        self.library = library
        self.notes = notes
        self.questions = list(QUESTIONS)
        self.word: str | None = None
        self.timer: Timer | None = None

    def on_start(self) -> None:
        self.ask_next()

    def ask_next(self) -> None:
        self.word = self.questions.pop(0) if self.questions else None
        if self.word is not None:
            self.library.tell(Question(self.word, self.ref))
            self.timer = self.tell_after(PATIENCE, GiveUp())

    def fits(self, answer: Answer) -> bool:
        return True

    @handles
    def note(self, answer: Answer) -> None:
        if self.word is not None and self.fits(answer):
            self.notes[self.word] = answer.found
            if self.timer is not None:
                self.timer.cancel()
            self.ask_next()

    @handles
    def give_up(self, message: GiveUp) -> None:
        self.ask_next()


class CarefulReader(Reader):
    """Looks which question the answer is for."""

    def fits(self, answer: Answer) -> bool:
        return answer.word == self.word


def stale_reply(sim: Simulation, reader: type[Reader]) -> None:
    """A reader and a slow library; look for an answer that comes after the reader has gone on to the next question."""
    notes: dict[str, str] = {}
    sim.always("every answer stands under its question", lambda: all(k.upper() == v for k, v in notes.items()))
    library = sim.spawn(Library, name="library")
    sim.spawn(reader, args=[library, notes], name="reader")
    sim.run(until=20)


# Ask cycle


@dataclass(frozen=True)
class Transfer:
    """Move so much to the other purse."""

    to: ActorRef[Any]
    amount: int


class Purse(Actor):
    """Waits, in the middle of a transfer, for the other purse.

    If that one does the same, both would wait for ever; here, `call` raises `DeadlockError`.
    """

    def __init__(self, holds: dict[str, int]) -> None:
        self.holds = holds
        self.holds[self.path] = 100

    @handles
    async def transfer(self, order: Transfer) -> None:
        self.holds[self.path] -= order.amount
        await order.to.call(Add(order.amount))

    @handles
    def receive(self, message: Add) -> None:
        self.holds[self.path] += message.amount


class TellingPurse(Purse):
    """Sends the money and does not wait."""

    @handles
    async def transfer(self, order: Transfer) -> None:
        self.holds[self.path] -= order.amount
        order.to.tell(Add(order.amount))


def ask_cycle(sim: Simulation, purse: type[Purse]) -> None:
    """Two purses that pay each other; look for two transfers that are under way at once."""
    holds: dict[str, int] = {}
    left = sim.spawn(purse, args=[holds], name="left")
    right = sim.spawn(purse, args=[holds], name="right")
    post = sim.spawn(Post, name="post")
    crashes: list[object] = []
    sim.runtime.events.subscribe(crashes.append, CrashedExit)
    sim.always("both purses stay whole", lambda: not crashes)
    post.tell(Parcel(right, Transfer(left, 30)))
    left.tell(Transfer(right, 10))
    sim.eventually("both transfers are done", lambda: holds == {"left": 120, "right": 80}, within=1)


ENTRIES = (
    Entry("lost update over ask", lost_update, Teller, AddingTeller, NeverHappened),
    Entry("check-then-act registration", check_then_act, FrontDesk, PatientFrontDesk, InvariantBroken),
    Entry(
        "stale reply after an ask timed out",
        stale_reply,
        Reader,
        CarefulReader,
        InvariantBroken,
        faults=(
            lambda draw: Slow("library", nth=draw.randint(1, 4), seconds=draw.choice((0.5, 1.5, 3.0))),
            lambda draw: DelayMessage("*", nth=draw.randint(1, 8), seconds=draw.choice((0.5, 1.5, 3.0))),
            lambda draw: DuplicateMessage("library", nth=draw.randint(1, 4)),
        ),
    ),
    Entry("ask cycle", ask_cycle, Purse, TellingPurse, InvariantBroken),
)
