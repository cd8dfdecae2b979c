"""How chains of events end: when a step fails for good, the completed ones are undone in reverse."""

from __future__ import annotations

from typing import NamedTuple

from actors.spi import Actor, Reply, UnhandledMessage, answer, post
from teams.errors import ChainTimeout, NoAcknowledgement
from teams.protocols._topics.board import Board, Route
from teams.protocols._topics.chain import Chain, ChainFailure, ChainOutcome, Completed, NotUndone, Undo, Undoing
from teams.protocols._topics.delivery import Delivery, is_interruption
from teams.protocols._topics.event import Event
from teams.protocols.events import ChainEnded, CompensationFailed, StepUndone
from teams.resilience.errors import Fatal


class UndoDue(NamedTuple):
    """A timer of the topics: something is to be tried now, or has taken too long."""

    what: Delivery | Undoing | Chain


class Compensation:
    """The chains of one incarnation of the topics; what has to outlive it stands on the board."""

    def __init__(self, topics: Actor, board: Board) -> None:
        self._topics = topics
        self._board = board
        self._runtime = topics.runtime

    def resume(self) -> None:
        """Goes on where the last incarnation ended."""
        for chain in list(self._board.active):
            if chain.due is not None and chain.outcome is None and not chain.abandoned:
                self._arm(chain, chain.due)
            if chain.undoing is not None and chain.undoing.due is not None:
                self._arm(chain.undoing, chain.undoing.due)
            self.advance(chain)

    def begin(self, event: Event, route: Route, deadline: float | None) -> Chain:
        """The chain that an event belongs to; a new one unless it is under way."""
        board = self._board
        chain = board.chains.get(event.correlation_id)
        if chain is None:
            limits = (each.step.deadline for each in route.subscriptions if each.step is not None)
            seconds = deadline if deadline is not None else next(limits, None)
            chain = board.chains[event.correlation_id] = Chain(event.correlation_id, seconds, self._runtime.now())
            board.active[chain] = None
            if chain.due is not None:
                self._arm(chain, chain.due)
        return chain

    def advance(self, chain: Chain) -> None:
        """Takes the next step towards the end, if nothing has to be waited for."""
        if chain.failure is None:
            if not chain.open and chain.outcome is None:
                self._end(chain)
        elif chain.may_undo:
            if chain.to_undo:
                self._undo(Undoing(self._board, chain, chain.to_undo.pop()))
            elif chain.outcome is None:
                self._end(chain)
            elif not chain.open:
                self._board.active.pop(chain, None)

    def _end(self, chain: Chain) -> None:
        board = self._board
        outcome = chain.end()
        if chain.timer is not None:
            chain.timer.cancel()
        if board.chains.get(chain.correlation_id) is chain:
            del board.chains[chain.correlation_id]
        if not chain.open:
            board.active.pop(chain, None)
        board.remember_end(outcome)
        now = self._runtime.now()
        self._runtime.events.publish(
            ChainEnded(self._topics.path, now, chain.correlation_id, outcome.status, len(outcome.steps))
        )
        replies, chain.replies = chain.replies, []
        for reply in replies:
            answer(reply, outcome)

    def awaited(self, correlation_id: str, reply: Reply | None) -> ChainOutcome | None:
        """The outcome of a chain; None: `reply` gets it. Raises KeyError: there is no such chain."""
        chain = self._board.chains.get(correlation_id)
        if chain is None:
            return self._board.ended[correlation_id]
        if reply is not None:
            chain.replies.append(reply)
        return None

    def overdue(self, chain: Chain) -> list[Delivery]:
        """The deadline of a chain has come. Returns the steps that are withdrawn."""
        if chain.outcome is not None or chain.abandoned:
            return []
        assert chain.seconds is not None
        chain.abandoned = True
        error = ChainTimeout(chain.correlation_id, chain.seconds, chain.under_way)
        return chain.fail(ChainFailure("", None, "deadline", error))

    # Undoing one step

    def _undo(self, undoing: Undoing) -> None:
        chain, (step, event, terms) = undoing.chain, undoing.completed
        chain.undoing = undoing
        undoing.posted = True
        undoing.due = None
        if terms.undo_terms.timeout is not None:
            undoing.due = self._runtime.now() + terms.undo_terms.timeout
            self._arm(undoing, undoing.due)
        assert terms.undo is not None
        assert chain.failure is not None
        id = f"{event.id}/{step.subscriber}"
        message = Undo(id, event, step.result, chain.correlation_id, chain.failure)
        try:
            post(terms.undo, message, undoing, None, chain.correlation_id)
        except Exception as error:  # noqa: BLE001 - what a mailbox refuses with, a user's priority function included
            undoing.error, undoing.settled = error, True
            self.over(undoing)

    def over(self, undoing: Undoing) -> None:
        """An attempt to undo has ended."""
        chain, error = undoing.chain, undoing.error
        if chain.undoing is not undoing:
            return  # it had taken too long
        if undoing.timer is not None:
            undoing.timer.cancel()
        if error is not None:
            self._failed(undoing, error)
            return
        chain.undoing = None
        step = undoing.completed.step
        chain.undone.append(step)
        now = self._runtime.now()
        self._runtime.events.publish(
            StepUndone(self._topics.path, now, chain.correlation_id, step.topic, step.subscriber)
        )
        self.advance(chain)

    def due(self, undoing: Undoing) -> None:
        """The timer of an attempt to undo has fired."""
        if undoing.chain.undoing is not undoing or undoing.settled:
            return
        if undoing.posted:
            terms = undoing.completed.terms
            assert terms.undo is not None
            assert terms.undo_terms.timeout is not None
            self._failed(undoing, NoAcknowledgement(terms.undo.path, Undo.__name__, terms.undo_terms.timeout))
        else:
            self._undo(undoing)

    def _failed(self, undoing: Undoing, error: BaseException) -> None:
        chain, completed = undoing.chain, undoing.completed
        terms, ref = completed.terms.undo_terms, completed.terms.undo
        assert ref is not None
        interrupted = is_interruption(error, ref)
        failures = undoing.failures + (not interrupted)
        hopeless = not ref.is_alive() or isinstance(error, Fatal | UnhandledMessage)
        if hopeless or failures >= terms.attempts:
            self._give_up(chain, completed, error, failures)
            return
        delay = terms.backoff.delay(undoing.tries + 1, None, self._runtime.random)
        chain.undoing = undoing.again(failures, self._runtime.now() + delay)
        assert chain.undoing.due is not None
        self._arm(chain.undoing, chain.undoing.due)

    def _give_up(self, chain: Chain, completed: Completed, error: BaseException, failures: int) -> None:
        step = completed.step
        chain.undoing = None
        chain.not_undone.append(NotUndone(step, error, failures))
        now = self._runtime.now()
        self._runtime.events.publish(
            CompensationFailed(self._topics.path, now, chain.correlation_id, step.topic, step.subscriber, error)
        )
        self.advance(chain)

    def _arm(self, what: Undoing | Chain, due: float) -> None:
        what.timer = self._topics.tell_after(max(0.0, due - self._runtime.now()), UndoDue(what))
