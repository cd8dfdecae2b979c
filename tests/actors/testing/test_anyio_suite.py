"""anyio's own tests pass on the loop of a simulation: others' word for "it is an event loop of asyncio".

`make test` downloads the source archive of anyio with its test environment.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.anyio_suite import run, unpack

ARCHIVES = sorted((Path(sys.prefix) / "anyio").glob("anyio-*.tar.gz"))


@pytest.mark.skipif(not ARCHIVES, reason="no source of anyio: python -m benchmarks.anyio_suite downloads it")
def test_the_test_suite_of_anyio_passes_on_the_simulated_loop(tmp_path: Path) -> None:
    """All of it that needs neither sockets, processes nor signals."""
    outcome = run(unpack(ARCHIVES[-1], tmp_path))
    assert outcome.unexpected == [], outcome.output
    assert len(outcome.passed) > 500, outcome.output
