"""The mutations in actors. The rule is the one that the mutant breaks; another may notice it."""

from __future__ import annotations

from benchmarks._mutation import Mutation

_CELL = "actors/_core/cell.py"
_HANDLERS = "actors/_core/handlers.py"
_OUTCOMES = "actors/_core/outcomes.py"
_CHILDREN = "actors/_core/children.py"
_LIFE = "actors/_core/life.py"
_REPORTS = "actors/_core/reports.py"

OF_ACTORS = (
    # Starts
    Mutation(
        "the time limit of a start never set",
        4,
        _CELL,
        "self._arm_grace(self.props.start_timeout, partial(outcomes.start_overdue, self))",
        "pass",
    ),
    # Progress
    Mutation(
        "a message that crashes is progress",
        8,
        _OUTCOMES,
        "return present and type(envelope.message) not in OF_THE_SYSTEM_LANE",
        "return False",
    ),
    Mutation(
        "what was handled before the last restart is progress",
        8,
        _CELL,
        "        self.unproductive = self.handled + len(self.urgent or ())\n",
        "",
    ),
    Mutation(
        "a stop by message is progress",
        8,
        _HANDLERS,
        "    cell.made_no_progress()\n    leave(",
        "    leave(",
    ),
    # Stops
    Mutation(
        "a child that does not stop in time is not killed",
        17,
        _CELL,
        "self._arm_grace(grace, partial(self.kill, late))",
        "self._disarm_grace()",
    ),
    Mutation(
        "an actor is gone before what it started",
        18,
        _CELL,
        """        if not self.children:
            return LifeEvent.CHILDLESS
        self.runtime.when_childless(self, partial(self.hear, self.incarnation, LifeEvent.CHILDLESS))
        return None
""",
        "        return LifeEvent.CHILDLESS\n",
    ),
    Mutation(
        "the children of a killed supervisor are asked",
        20,
        _CHILDREN,
        "        if cell.begin_kill(Killed(PARENT_ENDED)):\n",
        "        if cell.stop(Shutdown(PARENT_ENDED), 5.0):\n",
    ),
    # What a restart keeps
    Mutation(
        "a restart loses what waits in the mailbox",
        26,
        _CELL,
        "        self.stash = None\n        if self in self.host.holds:",
        "        self.queue.clear()\n        self.stash = None\n        if self in self.host.holds:",
    ),
    Mutation(
        "a restart drops what waits in the mailbox",
        26,
        _REPORTS,
        "    cell.clear(crashed=crashed)\n",
        '    cell.clear(crashed=crashed)\n    outcomes.refuse_waiting(cell, "dropped")\n',
    ),
    Mutation(
        "a kill in the start is an exit",
        20,
        _LIFE,
        "        E.HALTED: (P.FAILING, (F.END_BELOW,)),\n",
        "        E.HALTED: (P.ENDING, (F.END_BELOW,)),\n",
    ),
    Mutation(
        "a child told to stop in its start is up",
        17,
        _LIFE,
        "        E.BUILT: (P.LEAVING, (F.REPORT_UP, F.FAREWELL)),\n",
        "        E.BUILT: (P.RUNNING, (F.REPORT_UP, F.OPEN)),\n",
    ),
    Mutation(
        "a stop has no time limit",
        17,
        _LIFE,
        "        E.STOP: (P.LEAVING, (F.NOTE, F.FAREWELL, F.TIME)),\n",
        "        E.STOP: (P.LEAVING, (F.NOTE, F.FAREWELL)),\n",
    ),
    Mutation(
        "the last message first",
        33,
        _CELL,
        "take, control, observed = queue.popleft,",
        "take, control, observed = queue.pop,",
    ),
)
