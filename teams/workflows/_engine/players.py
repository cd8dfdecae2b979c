"""The actors that play the runs of an engine, below the supervisor of its runs."""

from __future__ import annotations

from typing import Any

from actors.spi import (
    ActorDeadError,
    ActorRef,
    Crashed,
    ExitReason,
    Future,
    RestartLimitExceeded,
    Runtime,
    is_up,
    when_terminated,
)
from supervisors.spi import NotFound, SupervisionError, SupervisorRef
from teams.workflows._engine.lookout import PAUSE, Lookout
from teams.workflows._engine.notices import PlayerGone
from teams.workflows._run.run import Live


class Players:
    """Starts the actors of runs, ends them, and has the desk hear of those that end."""

    def __init__(
        self,
        desk: ActorRef[Any],
        runtime: Runtime,
        live: dict[str, Live],
        refs: dict[str, ActorRef[Any]],
        lookout: Lookout,
    ) -> None:
        """`live` are the runs that are awake here, and `refs` the actors of those that have one."""
        self._desk = desk
        self._home = desk.path.rpartition("/")[0]
        self._runtime = runtime
        self._live = live
        self._refs = refs
        self._lookout = lookout
        self._beginning: set[str] = set()
        """Runs whose actor is being started."""

    async def begin(self, lives: list[Live]) -> None:
        """Starts the actors of runs, or has them started as soon as the supervisor of the runs is up."""
        found = self._runtime.find(f"{self._home}/runs")
        starting: list[tuple[Live, Future[ActorRef[Any]]]] = []
        for live in lives:
            if live.record.id not in self._beginning:
                if not isinstance(found, SupervisorRef) or not is_up(found):  # what waits there is lost if it ends
                    self._lookout.later(PAUSE)
                    break
                self._beginning.add(live.record.id)
                starting.append((live, found.start_child((self._home, live))))
        for live, started in starting:
            await self._has_begun(live, started)

    async def _has_begun(self, live: Live, started: Future[ActorRef[Any]]) -> None:
        run = live.record.id
        try:
            ref = await started
        except (SupervisionError, ActorDeadError):  # the supervisor of the runs is being started again
            self._lookout.later(PAUSE)
            return
        finally:
            self._beginning.discard(run)
        if self._live.get(run) is live:
            self._refs[run] = ref
            self.watch(live)
        else:
            await self._terminate(ref)

    def has_ended(self, live: Live, ref: ActorRef[Any]) -> bool:
        """The actor of a run has terminated. False: another one plays the run."""
        run, player = live.record.id, live.keeper.player
        if self._refs.get(run) != ref:
            return False
        if player is not None and player != ref and player.is_alive():  # started by an earlier incarnation
            self._refs[run] = player
            self.watch(live)
            return False
        del self._refs[run]
        return True

    def watch(self, live: Live) -> None:
        """Has the desk hear of the end of the actor of a run."""
        run, desk = live.record.id, self._desk
        ref = self._refs.get(run)
        if ref is None:
            return

        def ended(reason: ExitReason) -> None:
            by_itself = live.keeper.given_up or isinstance(reason, Crashed | RestartLimitExceeded)
            if desk.is_alive() and (by_itself or not self._lookout.stops()):
                desk.tell(PlayerGone(run, live.keeper, ref, reason))

        when_terminated(ref, ended)

    async def end(self, run: str) -> None:
        """Ends the actor of a run, if there is one."""
        ref = self._refs.pop(run, None)
        if ref is not None:
            await self._terminate(ref)

    async def _terminate(self, ref: ActorRef[Any]) -> None:
        found = self._runtime.find(f"{self._home}/runs")
        if isinstance(found, SupervisorRef):
            try:
                await found.terminate_child(ref.path.rpartition("/")[2])
            except (NotFound, ActorDeadError, SupervisionError):
                return  # it has ended by itself
