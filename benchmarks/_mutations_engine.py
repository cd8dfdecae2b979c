"""The mutations in the engine of supervisors. The rule is the one that the mutant breaks; another may notice it."""

from __future__ import annotations

from benchmarks._mutation import Mutation

_BUDGET = "supervisors/_engine/budget.py"
_CHILD = "supervisors/_engine/children.py"
_CHILDREN = "supervisors/_engine/children.py"
_EFFECTS = "supervisors/_engine/effects.py"
_ENGINE = "supervisors/_engine/engine.py"
_OPERATION = "supervisors/_engine/operation.py"
_RECONCILE = "supervisors/_engine/reconcile.py"
_STRATEGY = "supervisors/_engine/strategy.py"

OF_THE_ENGINE = (
    # Starts
    Mutation(
        "starts in reverse order",
        1,
        _OPERATION,
        "heapq.heappush(self._start, (child.position,",
        "heapq.heappush(self._start, (-child.position,",
    ),
    Mutation(
        "starts without waiting for the one before",
        1,
        _OPERATION,
        "return self.stopping is not None or self.starting is not None",
        "return self.stopping is not None",
    ),
    Mutation(
        "a failed first start is tried again unasked",
        2,
        _ENGINE,
        "elif self._phase is SupervisorPhase.STARTING and not child.ever_up and not retries:",
        "elif self._phase is SupervisorPhase.STARTING and child.ever_up and not retries:",
    ),
    Mutation(
        "retry_start ignored",
        2,
        _ENGINE,
        "elif self._phase is SupervisorPhase.STARTING and not child.ever_up and not retries:",
        "elif self._phase is SupervisorPhase.STARTING and not child.ever_up:",
    ),
    Mutation(
        "retry_start ignored by start_child",
        2,
        _ENGINE,
        "if child.starter is not None and not retries:",
        "if child.starter is not None:",
    ),
    Mutation(
        "a declined start is tried again",
        3,
        _ENGINE,
        "self._rest(child, ChildState.DECLINED, Normal(), now)",
        "self._restart(child, Normal(), now)",
    ),
    # Exits
    Mutation(
        "permanent not restarted after normal",
        5,
        _STRATEGY,
        '("permanent", True): "restart",',
        '("permanent", True): "keep",',
    ),
    Mutation(
        "transient restarted after normal",
        5,
        _STRATEGY,
        '("transient", True): "keep",',
        '("transient", True): "restart",',
    ),
    Mutation(
        "transient not restarted after a crash",
        5,
        _STRATEGY,
        '("transient", False): "restart",',
        '("transient", False): "keep",',
    ),
    Mutation(
        "temporary restarted after a crash",
        5,
        _STRATEGY,
        '("temporary", False): "drop",',
        '("temporary", False): "restart",',
    ),
    Mutation(
        "shutdown taken for a failure",
        5,
        _ENGINE,
        "EXIT_ACTIONS[child.spec.restart, reason.expected]",
        'EXIT_ACTIONS[child.spec.restart, reason.expected and "shutdown" not in type(reason).__name__.lower()]',
    ),
    Mutation(
        "temporary kept after its end",
        5,
        _ENGINE,
        'if child.spec.restart == "temporary" or self.spec.is_dynamic:',
        "if self.spec.is_dynamic:",
    ),
    Mutation(
        "an exit without a restart takes the siblings along",
        5,
        _ENGINE,
        'wanted = {"restart": True, "stop": False, None: table == "restart"}[said]',
        'wanted = {"restart": True, "stop": False, None: table == "restart"}[said]\n'
        "        if not wanted and goal is None and self.spec.strategy in GROUPS:\n"
        "            self._restart_group(child, now)\n"
        "            return",
    ),
    # Groups
    Mutation(
        "one_for_all leaves those before alone",
        6,
        _STRATEGY,
        """        case "one_for_all":
            return order
""",
        """        case "one_for_all":
            return order[place:]
""",
    ),
    Mutation(
        "rest_for_one takes one too many",
        6,
        _STRATEGY,
        "return order[place:]",
        "return order[max(0, place - 1) :]",
    ),
    Mutation(
        "rest_for_one leaves the last alone",
        6,
        _STRATEGY,
        "return order[place:]",
        "return [order[place], *order[place + 1 : -1]]",
    ),
    Mutation(
        "rest_for_one restarts the cause alone",
        6,
        _STRATEGY,
        "return order[place:]",
        "return (order[place],)",
    ),
    Mutation(
        "stops in start order",
        6,
        _OPERATION,
        "heapq.heappush(self._stop, (-child.position,",
        "heapq.heappush(self._stop, (child.position,",
    ),
    Mutation(
        "a group stops all at once",
        6,
        _OPERATION,
        "return self.stopping is not None or self.starting is not None",
        "return self.starting is not None",
    ),
    Mutation(
        "a group starts before all have stopped",
        6,
        _ENGINE,
        "elif (child := operation.next_to_stop()) is not None:",
        "elif not operation.delayed and (child := operation.next_to_stop()) is not None:",
    ),
    Mutation(
        "a temporary bystander comes back",
        6,
        _ENGINE,
        'dropped = each.spec.restart == "temporary" or each.goal is DesiredState.DROP',
        "dropped = each.goal is DesiredState.DROP",
    ),
    Mutation(
        "an exit during a group restart starts a second one",
        7,
        _ENGINE,
        """        elif wanted and goal is DesiredState.RESTART:
            self._join(child, reason, now)""",
        """        elif wanted and goal is DesiredState.RESTART:
            self._restart(child, reason, now)""",
    ),
    Mutation(
        "an exit that merges is counted",
        7,
        _ENGINE,
        """        self.effects.backing_off(child, cause, now)
        self._again(now)
""",
        """        self.effects.backing_off(child, cause, now)
        if not self._charge(child, cause, now):
            return
        self._again(now)
""",
    ),
    Mutation("an exit before the order to stop is taken for the stop's", 7, _ENGINE, "child.missed = True", "pass"),
    # The window
    Mutation(
        "the window is open at its edge",
        8,
        _BUDGET,
        "self._entries = [entry for entry in self._entries if entry.age(now) <= self.period]",
        "self._entries = [entry for entry in self._entries if entry.age(now) < self.period]",
    ),
    Mutation(
        "one restart more than allowed",
        8,
        _BUDGET,
        """        if len(self._entries) >= self.max_restarts:
            return False""",
        """        if len(self._entries) > self.max_restarts:
            return False""",
    ),
    Mutation(
        "one restart less than allowed",
        8,
        _BUDGET,
        """        if len(self._entries) >= self.max_restarts:
            return False""",
        """        if len(self._entries) + 1 >= self.max_restarts:
            return False""",
    ),
    Mutation(
        "restarts never leave the window",
        8,
        _BUDGET,
        "self._entries = [entry for entry in self._entries if entry.age(now) <= self.period]",
        "self._entries = [entry for entry in self._entries if entry.age(now) <= self.period or entry.at]",
    ),
    Mutation(
        "restarts are not kept in the window",
        8,
        _BUDGET,
        "self._entries.append(GrantedRestart(clock, now, clock.down(now)))",
        "self._entries = [GrantedRestart(clock, now, clock.down(now))]",
    ),
    Mutation(
        "the window slides while a child waits",
        8,
        _BUDGET,
        "return (now - self.at) - (self.clock.down(now) - self.down)",
        "return now - self.at",
    ),
    Mutation(
        "backing off counts as up",
        8,
        _CHILD,
        "DOWN = frozenset({ChildState.STARTING, ChildState.RESTARTING, ChildState.BACKING_OFF})",
        "DOWN = frozenset({ChildState.STARTING, ChildState.RESTARTING})",
    ),
    Mutation(
        "starting counts as up",
        8,
        _CHILD,
        "DOWN = frozenset({ChildState.STARTING, ChildState.RESTARTING, ChildState.BACKING_OFF})",
        "DOWN = frozenset({ChildState.BACKING_OFF})",
    ),
    Mutation(
        "a group restart counts once for each member",
        8,
        _ENGINE,
        "            # An update before this restart may",
        "            each.stalled += 1\n"
        "            _ = (window := self._budget.window) is None or window.grant(each.measured(now), now)\n"
        "            # An update before this restart may",
    ),
    Mutation(
        "a failed attempt is not counted",
        8,
        _ENGINE,
        """        if not self._charge(child, reason, now):
            return
""",
        "",
    ),
    Mutation(
        "the end of a temporary child is counted",
        8,
        _ENGINE,
        "        if wanted and (goal is None or (goal is DesiredState.RESTART and self.spec.is_dynamic)):\n",
        '        if child.spec.restart == "temporary" and not self._charge(child, reason, now):\n'
        "            return\n"
        "        if wanted and (goal is None or (goal is DesiredState.RESTART and self.spec.is_dynamic)):\n",
    ),
    # Budgets of their own, and the limit
    Mutation(
        "a budget of its own ignored",
        9,
        _ENGINE,
        "budget = self.spec if child.own_budget is None else child.own_budget",
        "budget = self.spec",
    ),
    Mutation(
        "a window of its own ignored",
        9,
        _BUDGET,
        "window = child.window or self.window",
        "window = self.window or child.window",
    ),
    Mutation(
        "a spent budget of its own always escalates",
        9,
        _ENGINE,
        "dropped = child.spec.dropped_at_limit",
        "dropped = False",
    ),
    Mutation(
        "a spent budget of its own never escalates",
        9,
        _ENGINE,
        "dropped = child.spec.dropped_at_limit",
        "dropped = child.own_budget is not None",
    ),
    Mutation(
        "a spent budget counts in the supervisor's window, too",
        9,
        _ENGINE,
        "        if most is None or self._budget.grants(child, most, period, now):\n",
        "        also = self._budget.window if child.own_budget is not None else None\n"
        "        if (most is None or self._budget.grants(child, most, period, now)) and (\n"
        "            also is None or also.grant(child.measured(now), now)\n"
        "        ):\n",
    ),
    # Progress
    Mutation(
        "restarts without progress are not counted",
        8,
        _CHILD,
        "        self.stalled += 1\n",
        "",
    ),
    Mutation(
        "one restart in a row more than allowed",
        8,
        _CHILD,
        "if self.stalled >= most:",
        "if self.stalled > most:",
    ),
    Mutation(
        "siblings share a budget without a period",
        9,
        _ENGINE,
        "        if most is None or self._budget.grants(child, most, period, now):\n",
        "        stalled = sum(each.stalled for each in self.children)\n"
        "        if most is None or (\n"
        "            (period is not None or stalled < most) and self._budget.grants(child, most, period, now)\n"
        "        ):\n",
    ),
    Mutation(
        "a handled message is not progress",
        8,
        _CHILD,
        "            if handled or stable:\n",
        "            if stable:\n",
    ),
    Mutation(
        "a supervisor that gave up has made progress by being up",
        8,
        _CHILD,
        " and not isinstance(reason, RestartLimitExceeded)\n",
        "\n",
    ),
    Mutation(
        "a supervisor that gave up has always made progress",
        8,
        _ENGINE,
        "self.made_progress = child.productive",
        "self.made_progress = True",
    ),
    Mutation(
        "a supervisor that gave up has never made progress",
        8,
        _ENGINE,
        "self.made_progress = child.productive",
        "self.made_progress = False",
    ),
    Mutation(
        "restarts in a row are never forgotten",
        8,
        _CHILD,
        "self.attempt, self.delay, self.stalled = 0, None, 0",
        "self.attempt, self.delay = 0, None",
    ),
    Mutation(
        "the end by the limit is an orderly one",
        10,
        _ENGINE,
        "            self._end(limit, now)\n",
        "            self._end(Shutdown(), now)\n",
    ),
    Mutation(
        "the limit gives up the child alone",
        10,
        _ENGINE,
        "            self._give_up(child, limit, now)\n",
        "            self._rest(child, ChildState.STOPPED, limit, now)\n            self._again(now)\n",
    ),
    # Backoff
    Mutation(
        "attempts never forgotten",
        11,
        _CHILD,
        "            if handled or stable:\n",
        "            if False:\n",
    ),
    Mutation(
        "attempts not forgotten at the edge",
        11,
        _CHILD,
        "now - self.up_since >= stable_after",
        "now - self.up_since > stable_after",
    ),
    Mutation(
        "attempts forgotten at once",
        11,
        _CHILD,
        "now - self.up_since >= stable_after",
        "now >= self.up_since",
    ),
    Mutation(
        "the first delay is not waited", 11, _ENGINE, "elif child.spec.backoff is None:", "elif child.attempt <= 1:"
    ),
    Mutation(
        "the delay after a failed attempt is not waited",
        11,
        _ENGINE,
        "            self._wait_alone(child, delay, now)\n            self.effects.backing_off(child, reason, now)\n",
        "            self._wait_alone(child, 0.0, now)\n            self.effects.backing_off(child, reason, now)\n",
    ),
    Mutation(
        "a group waits for the shortest delay",
        12,
        _OPERATION,
        "return max(dues, default=None)",
        "return min(dues, default=None)",
    ),
    Mutation("a group does not wait", 12, _ENGINE, "max(0.0, until - now)", "0.0"),
    Mutation(
        "the delay of a member that joins is not waited",
        12,
        _ENGINE,
        "            self.effects.disarm(operation)\n            operation.show_due()\n",
        "            operation.show_due()\n",
    ),
    Mutation(
        "a request waits for the delay of a group",
        12,
        _ENGINE,
        "asked = child.starter is not None and child.state is ChildState.STARTING",
        "asked = child.starter is not None and child.due is not None",
    ),
    Mutation(
        "a child that waits shows as stopped",
        13,
        _ENGINE,
        """        self.children.enter(child, ChildState.BACKING_OFF, now)
        child.token = self.effects.arm(child, delay)""",
        """        self.children.enter(child, ChildState.STOPPED, now)
        child.token = self.effects.arm(child, delay)""",
    ),
    # A restart that fails
    Mutation(
        "one_for_all keeps what it has started when a start fails",
        15,
        _ENGINE,
        'if self.spec.strategy == "one_for_all" and child.ever_up:',
        'if self.spec.strategy == "one_for_one" and child.ever_up:',
    ),
    Mutation(
        "rest_for_one stops again what it has started when a start fails",
        15,
        _ENGINE,
        'if self.spec.strategy == "one_for_all" and child.ever_up:',
        "if child.ever_up:",
    ),
    Mutation(
        "the timer of a cancelled restart goes on",
        16,
        _ENGINE,
        "        self.effects.disarm(child)\n        child.queued, child.due",
        "        child.queued, child.due",
    ),
    Mutation(
        "terminate_child leaves the next attempt",
        16,
        _ENGINE,
        '            self._rest(child, ChildState.STOPPED, Shutdown("terminate_child"), now)\n',
        "",
    ),
    Mutation(
        "terminate_child leaves the start in a group",
        16,
        _OPERATION,
        """            child = heapq.heappop(self._start)[2]
            if child.queued:
""",
        """            child = heapq.heappop(self._start)[2]
            if not child.live:
""",
    ),
    Mutation(
        "restart_child takes a child that waits",
        16,
        _ENGINE,
        """        elif child.state in (ChildState.STOPPED, ChildState.DECLINED):
            return child""",
        """        elif child.state in (ChildState.STOPPED, ChildState.DECLINED, ChildState.BACKING_OFF):
            return child""",
    ),
    # Stops
    Mutation(
        "all stop at once when the supervisor ends",
        17,
        _ENGINE,
        """        if self.spec.is_dynamic:
            # Unordered""",
        """        if self.spec.children or self.spec.is_dynamic:
            # Unordered""",
    ),
    Mutation(
        "unordered children stop one by one",
        6,
        _ENGINE,
        """        if self.spec.is_dynamic:
            # Unordered""",
        """        if not self.spec.children and not self.spec.is_dynamic:
            # Unordered""",
    ),
    Mutation(
        "the time to stop is not limited",
        17,
        _ENGINE,
        "self.effects.append(Stop(child.id, child.incarnation, child.lives_by.shutdown))",
        'self.effects.append(Stop(child.id, child.incarnation, "infinity"))',
    ),
    Mutation(
        "the supervisor ends before its last child", 18, _ENGINE, "len(self.children) > 0:", "len(self.children) > 1:"
    ),
    Mutation("a child at rest keeps its cell", 18, _ENGINE, "            self.effects.append(Close(child.id))\n", ""),
    # Automatic shutdown
    Mutation(
        "a significant end is ignored",
        21,
        _ENGINE,
        "            if not wanted:\n                self._after_own_end(child, now)\n",
        "",
    ),
    Mutation(
        "any significant end is taken for all",
        21,
        _STRATEGY,
        """        case "all_significant":
            return others_alive == 0""",
        """        case "all_significant":
            return others_alive >= 0""",
    ),
    Mutation(
        "any_significant waits for all",
        21,
        _STRATEGY,
        """        case "any_significant":
            return True""",
        """        case "any_significant":
            return others_alive == 0""",
    ),
    Mutation(
        "the end of an insignificant child counts",
        21,
        _STRATEGY,
        "    if not significant:\n",
        "    if not significant and others_alive:\n",
    ),
    Mutation(
        "terminate_child counts as an end of its own",
        21,
        _ENGINE,
        """            case _:
                self._rest(child, ChildState.STOPPED, reason, now)
        self._advance(now)""",
        """            case _:
                self._rest(child, ChildState.STOPPED, reason, now)
                self._after_own_end(child, now)
        self._advance(now)""",
    ),
    Mutation(
        "a significant child that waits counts as gone",
        21,
        _CHILD,
        "ALIVE = frozenset(set(ChildState) - {ChildState.STOPPED, ChildState.DECLINED})",
        "ALIVE = frozenset(set(ChildState) - {ChildState.STOPPED, ChildState.DECLINED, ChildState.BACKING_OFF})",
    ),
    # The API
    Mutation(
        "start_child takes a significant child under never",
        22,
        _RECONCILE,
        "if (fault := child_fault(supervisor, path, what)) is not None:",
        "if (fault := child_fault(supervisor, path, what)) is not None and not what.significant:",
    ),
    Mutation(
        "start_child takes the id of a child that is down",
        23,
        _RECONCILE,
        """    present = children.get(what.id)
    if present is None:""",
        """    present = children.get(what.id)
    if present is None or not present.live:""",
    ),
    Mutation(
        "a child at rest is said to run",
        23,
        _RECONCILE,
        "if present.live and present.state not in WAITING:",
        "if present.state not in WAITING:",
    ),
    Mutation(
        "delete_child keeps the child",
        23,
        _ENGINE,
        '            self._remove(child, Shutdown("delete_child"), now)\n',
        "",
    ),
    Mutation(
        "a failed start_child leaves the spec",
        23,
        _ENGINE,
        "child.undo = DesiredState.DROP",
        "child.undo = DesiredState.REST",
    ),
    Mutation(
        "a failed restart_child drops the spec",
        23,
        _ENGINE,
        "child.undo = DesiredState.REST",
        "child.undo = DesiredState.DROP",
    ),
    Mutation(
        "start_child is answered before the child is up",
        1,
        _ENGINE,
        "        child.starter = NO_ANSWER if request is None else request\n",
        "        self.effects.answer(request, None)\n        child.starter = NO_ANSWER\n",
    ),
    Mutation(
        "terminate_child is never answered",
        23,
        _EFFECTS,
        "        for request in child.stoppers:\n            self.answer(request, None)\n",
        "",
    ),
    Mutation(
        "count_children counts those at rest as active",
        23,
        _CHILDREN,
        "active=self._states[ChildState.RUNNING],",
        "active=len(self),",
    ),
    Mutation("one child more than max_children", 25, _RECONCILE, "len(children) >= limit", "len(children) > limit"),
    Mutation(
        "children that restart do not count for max_children",
        25,
        _RECONCILE,
        "len(children) >= limit",
        "sum(each.live for each in children) >= limit",
    ),
    # Other specs
    Mutation(
        "an adopted child is restarted",
        23,
        _ENGINE,
        "self._adopt(self._found(id), wanted[id])",
        "self._replace(self._found(id), wanted[id], stop, start, now)",
    ),
    Mutation(
        "what update_specs removes is kept",
        23,
        _ENGINE,
        "        for id in change.removed:\n            self._withdraw(self._found(id), stop, now)\n",
        "",
    ),
    Mutation(
        "the order of the new specs is ignored",
        23,
        _CHILDREN,
        "        named = [self.by_id[id] for id in ids]\n",
        "        named = sorted((self.by_id[id] for id in ids), key=lambda child: child.position)\n",
    ),
    Mutation(
        "update_specs stops in start order",
        23,
        _ENGINE,
        "        operation.add(stop=stop)\n",
        "        self.children.reorder([each.id for each in reversed(list(self.children))])\n"
        "        operation.add(stop=stop)\n",
    ),
    Mutation(
        "update_specs starts what is at rest",
        23,
        _ENGINE,
        "        elif child.state in WAITING and not child.live:\n",
        "        elif not child.live:\n",
    ),
    Mutation(
        "a child that will run something else goes on waiting",
        23,
        _ENGINE,
        "        elif child.state in WAITING and not child.live:\n",
        "        elif child.state in WAITING and not child.live and child.token is None:\n",
    ),
    Mutation(
        "what is replaced stops by its new grace",
        17,
        _ENGINE,
        "self.effects.append(Stop(child.id, child.incarnation, child.lives_by.shutdown))",
        "self.effects.append(Stop(child.id, child.incarnation, child.spec.shutdown))",
    ),
    Mutation(
        "a grace that is adopted counts from the next start",
        23,
        _ENGINE,
        "            child.lives_by = spec\n            self.effects.append(Adopt(child.id, spec))\n",
        "            pass\n",
    ),
    Mutation(
        "a changed budget of its own begins with what was counted",
        23,
        _CHILDREN,
        "        if own != child.own_budget:\n",
        "        if child.window is None or own is None or own.period is None:\n",
    ),
    Mutation(
        "update_specs is answered before it is done",
        23,
        _ENGINE,
        "            operation.requests.append((request, change))\n",
        "            self.effects.answer(request, change)\n",
    ),
    Mutation(
        "what update_specs starts before a group waits with it",
        12,
        _ENGINE,
        'child = operation.next_before_the_wait() if self.spec.strategy == "rest_for_one" else None',
        "child = None",
    ),
    Mutation(
        "another template makes nothing of it",
        23,
        _ENGINE,
        "            self._template.spec = specs[0]\n",
        "",
    ),
    Mutation(
        "a changed strategy is ignored",
        23,
        _ENGINE,
        "self.spec = self.spec.changed(**{name: getattr(spec, name) for name in differ})",
        'self.spec = self.spec.changed(**{name: getattr(spec, name) for name in differ if name != "strategy"})',
    ),
    Mutation(
        "a changed max_children is ignored",
        25,
        _ENGINE,
        "self.spec = self.spec.changed(**{name: getattr(spec, name) for name in differ})",
        'self.spec = self.spec.changed(**{name: getattr(spec, name) for name in differ if name != "max_children"})',
    ),
    Mutation(
        "a changed window begins empty",
        23,
        _BUDGET,
        "            self.window.change(max_restarts, period, now)\n",
        "            self.window = Window(max_restarts, period)\n",
    ),
    Mutation(
        "a changed budget is ignored",
        8,
        _BUDGET,
        "            self.window.change(max_restarts, period, now)\n",
        "            pass\n",
    ),
    # What a restart keeps
    Mutation(
        "a restart makes a new cell",
        26,
        _ENGINE,
        "        if coming is ChildState.RESTARTING:\n",
        "        if coming is ChildState.RESTARTING:\n            self.effects.append(Close(child.id))\n",
    ),
)
