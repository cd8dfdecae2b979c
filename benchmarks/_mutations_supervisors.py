"""The mutations in the rest of supervisors. The rule is the one that the mutant breaks; another may notice it."""

from __future__ import annotations

from benchmarks._mutation import Mutation

_BACKOFF = "supervisors/_specs/backoff.py"
_SPEC = "supervisors/_specs/spec.py"
_SUPERVISOR = "supervisors/_supervisor/actor.py"

OF_SUPERVISORS = (
    # Backoff
    Mutation(
        "linear backoff counts from 0",
        11,
        _BACKOFF,
        "return min(self.cap, self.initial + step * (attempt - 1))",
        "return min(self.cap, self.initial + step * attempt)",
    ),
    Mutation(
        "linear backoff without its cap",
        11,
        _BACKOFF,
        "return min(self.cap, self.initial + step * (attempt - 1))",
        "return self.initial + step * (attempt - 1)",
    ),
    Mutation(
        "exponential backoff counts from 0",
        11,
        _BACKOFF,
        "return min(self.cap, self.initial * self.factor ** (attempt - 1))",
        "return min(self.cap, self.initial * self.factor**attempt)",
    ),
    Mutation("full jitter too wide", 11, _BACKOFF, "random.uniform(0.0, base)\n", "random.uniform(0.0, 2 * base)\n"),
    Mutation(
        "equal jitter too wide",
        11,
        _BACKOFF,
        "drawn = base / 2 + random.uniform(0.0, base / 2)",
        "drawn = random.uniform(0.0, base)",
    ),
    Mutation(
        "decorrelated jitter too wide",
        11,
        _BACKOFF,
        "drawn = random.uniform(self.initial, 3 *",
        "drawn = random.uniform(self.initial, 6 *",
    ),
    Mutation("jitter beyond the cap", 11, _BACKOFF, "return min(self.cap, drawn)", "return drawn"),
    Mutation(
        "reset_after ignored",
        11,
        _BACKOFF,
        "return self.cap if self.reset_after is None else self.reset_after",
        "return self.cap",
    ),
    Mutation(
        "every delay is cut short",
        11,
        _SUPERVISOR,
        "                self._now() + delay, lambda",
        "                self._now() + delay / 2, lambda",
    ),
    # Stops
    Mutation(
        "half the time to stop",
        17,
        _SUPERVISOR,
        "            cell.stop(Shutdown(), float(grace))\n",
        "            cell.stop(Shutdown(), float(grace) / 2)\n",
    ),
    Mutation(
        "no time limit for unordered children",
        17,
        _SUPERVISOR,
        "                if self._in_grace:\n                    self._time_graces()\n",
        "                self._in_grace.clear()\n",
    ),
    Mutation(
        "brutal_kill asks first",
        17,
        _SUPERVISOR,
        '            cell.kill_ordered(Killed("brutal_kill"))\n',
        "            cell.stop(Shutdown(), 5.0)\n",
    ),
    Mutation(
        "timers of a killed supervisor go on",
        18,
        _SUPERVISOR,
        "for timer in (*self._timers.values(), *self._graces.values()):",
        "for timer in self._graces.values():",
    ),
    # The API
    Mutation(
        "what waits when the supervisor is killed is never answered",
        23,
        _SUPERVISOR,
        "        self._engine.abandon()\n",
        "",
    ),
    # Other specs
    Mutation(
        "settings that change restart what is below",
        23,
        _SPEC,
        '_INSIDE = ("name",',
        '_INSIDE = ("max_restarts", "period", "strategy", "auto_shutdown", "max_children", "name",',
    ),
    Mutation(
        "adopted settings do not reach the supervisor",
        23,
        _SUPERVISOR,
        "            cell.put_urgent(AdoptSpec(spec))\n",
        "                    pass\n",
    ),
)
