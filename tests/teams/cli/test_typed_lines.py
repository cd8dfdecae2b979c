"""Lines of a pipe, and the questions they answer: every line in turn, for one question each."""

from __future__ import annotations

from collections import deque
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Future
from actors.testing import simulation
from supervisors import child, supervisor
from teams.cli._front import Front, Input, InputListener
from teams.protocols import Answered, Person, PersonRef


class Pipe(Input):
    """A stdin that hands over its next line when one is wanted, and not at once."""

    def __init__(self, lines: list[str], listener: InputListener) -> None:
        super().__init__(listener)
        self.is_terminal = False
        self._waiting = deque(lines)
        self._told = False
        self._asked = False

    def read_lines(self) -> bool:
        self._asked = True
        return True

    def give(self) -> None:
        """The thread that reads gets on."""
        if not self._waiting and not self._told:
            self._told = True
            self._listener.ended()
        elif self._asked and self._waiting:
            self._asked = False
            self._listener.line(self._waiting.popleft())


class Inbox:
    """What the main thread is told."""

    def __init__(self) -> None:
        self.notices: deque[tuple[str, Any]] = deque()

    def line(self, line: str) -> None:
        self.notices.append(("line", line))

    def key(self, name: str) -> None:
        raise AssertionError(name)

    def ended(self) -> None:
        self.notices.append(("ended", None))


WITHIN = st.sampled_from([None, 1.0, 3.0])


@settings(max_examples=60, deadline=None)
@given(st.lists(WITHIN, max_size=6), st.integers(0, 8), st.lists(st.sampled_from("apgt"), max_size=40))
def test_no_line_is_lost_and_none_answers_two_questions(
    questions: list[float | None], lines: int, steps: list[str]
) -> None:
    """Asked (a), one notice handled (p), one read of the pipe (g) and a second that passes (t), in any order."""
    typed = [f"line {number}" for number in range(lines)]
    with simulation() as sim:
        root = sim.start(supervisor("root", child("person", Person)))
        person = root.child("person")
        assert isinstance(person, PersonRef)
        inbox, pipes = Inbox(), list[Pipe]()

        def opened(listener: InputListener) -> Pipe:
            pipes.append(Pipe(typed, listener))
            return pipes[-1]

        front = Front(opened)
        front.attach(sim.runtime, lambda text: inbox.notices.append(("asked", text)))
        left, asked = list(questions), list[Future[Any]]()

        def step(what: str) -> None:
            if what == "a" and left:
                asked.append(person.consult(f"Q{len(asked)}", within=left.pop(0)))
            elif what == "p" and inbox.notices:
                kind, value = inbox.notices.popleft()
                if kind == "asked":
                    if value is None:
                        front.quiet()
                    else:
                        front.listen(inbox)
                elif kind == "line":
                    front.heard(value)
                else:
                    front.ended()
            elif what == "g" and pipes:
                pipes[0].give()
            elif what == "t":
                sim.advance(1)
            sim.settle()

        for each in steps:
            step(each)
        while left:
            step("a")
        for _ in range(10 * (len(questions) + lines + 1)):
            step("g")
            step("p")
        sim.advance(10)
        outcomes = [each.get() if each.done() else None for each in asked]
    answers = [each.choice for each in outcomes if isinstance(each, Answered)]
    assert answers == typed[: len(answers)], "each line in turn, for one question"
    assert all(each is not None for each in outcomes) or answers == typed, "a question waits, and a line too"
