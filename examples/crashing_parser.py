"""A pipeline whose parser segfaults, hangs and leaks on some inputs, in a process of its own.

    python examples/crashing_parser.py

The parser stands for a library in C. An input that ends its process is tried once more, in the next process, and then
kept apart; the inputs behind it are parsed. At the end every input is accounted for: parsed, or kept apart with the
reason.
"""

from __future__ import annotations

import ctypes
from typing import Any

from actors import Actor, Future, LifecycleEvent, Message, Quarantined, handles
from supervisors import child, process, start, supervisor

INPUTS = {
    "a.doc": "one two three",
    "b.doc": "four five",
    "bomb.doc": "!segfault",
    "c.doc": "six",
    "d.doc": "seven eight nine ten",
    "endless.doc": "!hang",
    "e.doc": "eleven",
    "huge.doc": "!leak",
    "f.doc": "twelve thirteen",
    "broken.doc": "!raise",
    "g.doc": "fourteen",
    "h.doc": "fifteen sixteen",
}


class Parse(Message):
    """A document to parse."""

    name: str
    text: str


class Parsed(Message):
    """The words of a document."""

    name: str
    words: int


class Parser(Actor):
    """Counts words, and fails as code in C does."""

    only_host = "process"

    @handles
    def parse(self, document: Parse) -> None:
        match document.text:
            case "!segfault":
                ctypes.string_at(0)
            case "!hang":
                while True:
                    pass
            case "!leak":
                bytearray(1 << 30)
            case "!raise":
                raise ValueError("the header is damaged")
            case text:
                self.sibling("archive").tell(Parsed(name=document.name, words=len(text.split())))


class Refused(Message):
    """A document that was kept apart, and why."""

    name: str
    why: str


class Account(Message[str]):
    """Asks for the account, when all of so many inputs are in it."""

    inputs: int


class Archive(Actor):
    """Accounts for every input."""

    def __init__(self) -> None:
        self.parsed: dict[str, int] = {}
        self.refused: dict[str, str] = {}
        self.waiting: Any = None
        self.wanted = 0

    @handles
    def keep(self, parsed: Parsed) -> None:
        self.parsed[parsed.name] = parsed.words
        self.close_if_complete()

    @handles
    def refuse(self, refused: Refused) -> None:
        self.refused[refused.name] = refused.why
        self.close_if_complete()

    @handles
    def account(self, asked: Account) -> None:
        self.waiting, self.wanted = self.take_reply(), asked.inputs
        self.close_if_complete()

    def close_if_complete(self) -> None:
        if self.waiting is None or len(self.parsed) + len(self.refused) < self.wanted:
            return
        lines = [f"{self.wanted} inputs: {len(self.parsed)} parsed, {len(self.refused)} kept apart"]
        lines += [f"parsed: {name}: {words} words" for name, words in sorted(self.parsed.items())]
        lines += [f"kept apart: {name}: {why}" for name, why in sorted(self.refused.items())]
        self.waiting.answer("\n".join(lines))


tree = supervisor(
    "crashing_parser",
    child("archive", Archive),
    child(
        "parser",
        Parser,
        host=process(memory="512 MiB", prefetch=4),
        handler_timeout=2.0,
        redeliver=1,
        backoff=None,
    ),
)


def main() -> None:
    """Parses every input and prints the account."""
    with start(tree, log=False) as root:
        archive = root.child("archive", Archive)

        def kept_apart(event: LifecycleEvent) -> None:
            if isinstance(event, Quarantined) and isinstance(event.message, Parse):
                why = str(event.error).partition("\n")[0] or type(event.error).__name__
                archive.tell(Refused(name=event.message.name, why=why))

        root.runtime.events.subscribe(kept_apart, Quarantined)
        account: Future[str] = archive.ask(Account(inputs=len(INPUTS)), block=False, timeout=60)
        for name, text in INPUTS.items():
            root.child("parser").tell(Parse(name=name, text=text))
        print(account.get())


if __name__ == "__main__":
    main()
