"""How chains of events end: when a step fails for good, the completed ones are undone in reverse."""

from __future__ import annotations

from actors.spi import Actor, ReplyTo, answer
from teams.errors import ChainTimeout
from teams.protocols._delivery import arm
from teams.protocols._topics.board import Board, TopicRoute
from teams.protocols._topics.chain import Chain, ChainFailure, ChainOutcome, NotUndone, UndoDelivery
from teams.protocols._topics.event import Event
from teams.protocols._topics.publication import EventDelivery
from teams.protocols.events import ChainEnded, CompensationFailed, StepUndone


class Compensation:
    """The chains of one incarnation of the topics; what has to outlive it stands on the board."""

    def __init__(self, topics: Actor, board: Board) -> None:
        self._topics = topics
        self._board = board
        self._runtime = topics.runtime

    def resume(self) -> None:
        """Goes on where the last incarnation ended."""
        for chain in list(self._board.active):
            if chain.outcome is None and not chain.abandoned:
                arm(self._topics, chain)
            if chain.undoing is not None:
                arm(self._topics, chain.undoing)
            self.advance(chain)

    def begin(self, event: Event, route: TopicRoute, deadline: float | None) -> Chain:
        """The chain that an event belongs to; a new one unless it is under way."""
        board = self._board
        chain = board.chains.get(event.correlation_id)
        if chain is None:
            limits = (each.step.deadline for each in route.subscriptions if each.step is not None)
            seconds = deadline if deadline is not None else next(limits, None)
            chain = board.chains[event.correlation_id] = Chain(event.correlation_id, seconds, self._runtime.now())
            board.active[chain] = None
            arm(self._topics, chain)
        return chain

    def advance(self, chain: Chain) -> None:
        """Takes the next step towards the end, if nothing has to be waited for."""
        if chain.failure is None:
            if not chain.open and chain.outcome is None:
                self._end(chain)
        elif chain.may_undo:
            if chain.to_undo:
                self._undo(UndoDelivery(self._board, chain, chain.to_undo.pop()))
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

    def awaited(self, correlation_id: str, reply: ReplyTo | None) -> ChainOutcome | None:
        """The outcome of a chain; None: `reply` gets it. Raises KeyError for an unknown chain."""
        chain = self._board.chains.get(correlation_id)
        if chain is None:
            return self._board.ended[correlation_id]
        if reply is not None:
            chain.replies.append(reply)
        return None

    def overdue(self, chain: Chain) -> list[EventDelivery]:
        """The deadline of a chain has come. Returns the steps that are withdrawn."""
        if chain.outcome is not None or chain.abandoned:
            return []
        assert chain.seconds is not None
        chain.abandoned = True
        error = ChainTimeout(chain.correlation_id, chain.seconds, chain.under_way)
        return chain.fail(ChainFailure("", None, "deadline", error))

    # Undoing one step

    def _undo(self, undoing: UndoDelivery) -> None:
        undoing.chain.undoing = undoing
        error = undoing.post(self._topics)
        if error is not None:
            self.over(undoing)

    def over(self, undoing: UndoDelivery) -> None:
        """An attempt to undo has ended."""
        chain, step = undoing.chain, undoing.completed.step
        if chain.undoing is not undoing:
            return  # it had taken too long
        undoing.cancel_timer()
        if undoing.error is not None:
            self._failed(undoing, undoing.error)
            return
        chain.undoing = None
        chain.undone.append(step)
        now = self._runtime.now()
        self._runtime.events.publish(
            StepUndone(self._topics.path, now, chain.correlation_id, step.topic, step.subscriber)
        )
        self.advance(chain)

    def due(self, undoing: UndoDelivery) -> None:
        """The timer of an attempt to undo has fired."""
        if undoing.chain.undoing is not undoing or undoing.settled:
            return
        if undoing.posted:
            self._failed(undoing, undoing.unacknowledged())
        else:
            self._undo(undoing)

    def _failed(self, undoing: UndoDelivery, error: BaseException) -> None:
        chain, step = undoing.chain, undoing.completed.step
        if undoing.fail(error, undoing.terms.attempts) is None:
            chain.undoing = undoing.again(self._topics)
            arm(self._topics, chain.undoing)
            return
        chain.undoing = None
        chain.not_undone.append(NotUndone(step, error, undoing.failures))
        now = self._runtime.now()
        self._runtime.events.publish(
            CompensationFailed(self._topics.path, now, chain.correlation_id, step.topic, step.subscriber, error)
        )
        self.advance(chain)
