"""Those who wait for what runs do: for their end, or for new entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from actors.spi import ActorDeadError, ExitReason, ReplyTo, answer, settle_failure
from teams._journal.codec import decode
from teams._journal.rows import ENDED, JournalEntry, RunRow
from teams.workflows._engine.messages import AwaitEnd, AwaitNews, RunNews
from teams.workflows._graph.graph import Graph
from teams.workflows._run.hidden import Hidden
from teams.workflows.errors import NoSuchRun


def follower(row: RunRow) -> str | None:
    """The run that goes on in place of this one; None: there is none."""
    return decode(row.result) if row.state == "continued" and row.result is not None else None


class AskedForNews(NamedTuple):
    """Who waited for new entries of a run at a moment. One that comes later asks for itself."""

    run: str
    after: int
    """The least of the entries that they know."""
    readers: Mapping[object, tuple[AwaitNews, ReplyTo]]


class Listeners:
    """Those who wait. Outlives the incarnations of the desk."""

    def __init__(self) -> None:
        self.waiters: dict[str, list[ReplyTo]] = {}
        """Who waits for the end of which run."""
        self.readers: dict[str, dict[object, tuple[AwaitNews, ReplyTo]]] = {}
        """Who waits for new entries of which run."""

    def wait(self, run: str, reply: ReplyTo) -> None:
        """Someone waits for the end of a run."""
        self.waiters.setdefault(run, []).append(reply)

    def ended(self, run: str, row: RunRow | None, path: str) -> None:
        """Answers those who wait for the end, unless the run goes on; they wait for the run that goes on in its place.
        None: the store has no such run.
        """
        if row is not None and row.state not in ENDED:
            return
        if row is not None and (following := follower(row)) is not None:
            self.waiters.setdefault(following, []).extend(self.waiters.pop(run, ()))
            return
        for reply in self.waiters.pop(run, ()):
            if row is None:
                settle_failure(reply, NoSuchRun(run), path)
            else:
                answer(reply, row)

    def read(self, message: AwaitNews, reply: ReplyTo) -> None:
        """A reader waits for new entries. What it asked before is answered with None."""
        self.forget(message.run, message.reader)
        self.readers.setdefault(message.run, {})[message.reader] = (message, reply)

    def asked(self, run: str) -> AskedForNews:
        """Who waits for new entries of a run now: at least one."""
        readers = dict(self.readers[run])
        return AskedForNews(run, min(message.after for message, _ in readers.values()), readers)

    def news(
        self,
        asked: AskedForNews,
        row: RunRow | None,
        entries: Sequence[JournalEntry],
        graph: Graph | None,
        hidden: Hidden,
        path: str,
    ) -> None:
        """Answers the readers that wait, if there are new entries or the run has ended. Without a row the store has no
        such run.
        """
        for reader, (message, reply) in asked.readers.items():
            new = [each for each in entries if each.seq > message.after]
            if self.readers.get(asked.run, {}).get(reader) != (message, reply):
                continue  # it was answered meanwhile, or has left
            if row is None:
                settle_failure(reply, NoSuchRun(asked.run), path)
            elif new or row.state in ENDED:
                answer(reply, RunNews(row, new, graph, hidden))
            else:
                continue
            self.forget(asked.run, reader)

    def forget(self, run: str, reader: object) -> None:
        """A reader waits no more."""
        readers = self.readers.get(run, {})
        if reader in readers:
            answer(readers.pop(reader)[1], None)
        if not readers:
            self.readers.pop(run, None)

    def refuse(self, path: str, reason: ExitReason) -> None:
        """There is no desk any more."""
        for run in list(self.waiters):
            for reply in self.waiters.pop(run):
                settle_failure(reply, ActorDeadError(path, reason, AwaitEnd(run)), path)
        for run in list(self.readers):
            for message, reply in self.readers.pop(run).values():
                settle_failure(reply, ActorDeadError(path, reason, message), path)
