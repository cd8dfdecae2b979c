"""`python -m benchmarks.growth`: what one operation costs beside 10, 1,000 and 10,000 others, as a Markdown table.

Each module `_growth_*` offers `ROWS`: by name a function that takes a number of others and returns the seconds that one
operation takes beside so many. No cost may grow with that number but by its logarithm.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from benchmarks import _growth_actors, _growth_supervisors, _growth_teams
from benchmarks._table import quantity

SIZES = (10, 1_000, 10_000)
ROWS: Mapping[str, Callable[[int], float]] = {**_growth_actors.ROWS, **_growth_supervisors.ROWS, **_growth_teams.ROWS}


def chosen(only: str) -> list[str]:
    """The names of the rows that contain the text."""
    return [name for name in ROWS if only in name]


def lines(names: Sequence[str], sizes: Sequence[int] = SIZES) -> Iterator[str]:
    """The table, a line each, as the rows are measured."""
    yield f"| operation | {' | '.join(f'{size:,}' for size in sizes)} |"
    yield "|---|" + "---|" * len(sizes)
    for name in names:
        yield f"| {name} | {' | '.join(quantity(ROWS[name](size) * 1e6, 'us') for size in sizes)} |"


def main(arguments: Sequence[str]) -> int:
    """Prints the table. Returns 2 when no row has the name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__, allow_abbrev=False)
    parser.add_argument("--only", metavar="TEXT", default="", help="only rows whose name contains TEXT")
    only = parser.parse_args(arguments).only
    names = chosen(only)
    if not names:
        print(f"--only: no row contains {only!r}. The rows: {'; '.join(ROWS)}", file=sys.stderr)
        return 2
    for line in lines(names):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
