"""The mutations of `benchmarks.mutants`, by what they are in."""

from __future__ import annotations

from benchmarks._mutations_actors import OF_ACTORS
from benchmarks._mutations_engine import OF_THE_ENGINE
from benchmarks._mutations_supervisors import OF_SUPERVISORS

MUTATIONS = (*OF_THE_ENGINE, *OF_SUPERVISORS, *OF_ACTORS)
