"""A person at a terminal: shows what waits for persons (protocols/_person.py), and takes what is typed as the answer.

`letitcrash run` shows it. It prints and reads nothing itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from actors.spi import Future, Runtime
from teams.events import TeamEvent
from teams.protocols._person import PersonRef
from teams.protocols.events import QuestionAnswered, QuestionAsked


class Console:
    """The open questions of one runtime. The oldest is shown; a line that is typed answers it.

    Where there are options, the line is one of them, or its number; otherwise it is the answer. An empty line is none.
    """

    def __init__(self, runtime: Runtime, show: Callable[[str | None], object]) -> None:
        """`show` is called with the text of a question whenever another one is the oldest, or was not answered; with
        None when nothing is left to answer. In any thread.
        """
        self._runtime = runtime
        self._show = show
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], QuestionAsked] = {}
        self._subscription = runtime.events.subscribe(self._tell, QuestionAsked, QuestionAnswered)

    def close(self) -> None:
        """Shows nothing more. May be called twice."""
        self._subscription.cancel()

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tell(self, event: TeamEvent) -> None:
        assert isinstance(event, QuestionAsked | QuestionAnswered)
        key = (event.path, event.question)
        with self._lock:
            before = next(iter(self._open), None)
            if isinstance(event, QuestionAsked):
                self._open[key] = event
            else:
                self._open.pop(key, None)
            after = next(iter(self._open), None)
        if after != before:
            self._show_oldest()

    def _show_oldest(self, note: str = "") -> None:
        with self._lock:
            question = next(iter(self._open.values()), None)
            waiting = len(self._open)
        self._show(None if question is None else note + self._shown(question, waiting - 1))

    def _shown(self, question: QuestionAsked, others: int) -> str:
        lines = [f"{question.path} asks: {question.text}"]
        lines += [f"  {number}) {option}" for number, option in enumerate(question.options, 1)]
        how = "type one of these or its number" if question.options else "type the answer"
        if question.deadline is not None:
            left = max(0.0, question.deadline - self._runtime.now())
            how += f"; in {left:.0f} s it is {question.default!r}"
        if others:
            how += f"; {others} more to come"
        return "\n".join([*lines, f"  ({how})"])

    def heard(self, line: str) -> bool:
        """The person has typed this. Returns whether it was taken as an answer."""
        with self._lock:
            question = next(iter(self._open.values()), None)
        if question is None or not line.strip():
            return False
        person = self._runtime.find(question.path)
        if not isinstance(person, PersonRef):
            return False
        person.answer(question.question, chosen(question, line.strip())).add_done_callback(self._refused)
        return True

    def _refused(self, answered: Future[None]) -> None:
        try:
            answered.get()
        except Exception as error:  # noqa: BLE001 - whatever kept the answer from counting is told to who typed it
            self._show_oldest(f"{error}\n")


def chosen(question: QuestionAsked, line: str) -> object:
    """The option a line means; what is none of them is left as it was typed, for the person to refuse."""
    for option in question.options:
        if line == str(option):
            return option
    if line.isdecimal() and 1 <= int(line) <= len(question.options):
        return question.options[int(line) - 1]
    return line
