"""A release of a small project as a durable workflow: check, build, test, approval by a person, publish, announce.

    python examples/release_pipeline.py 1.0        # until the person is asked
    python examples/release_pipeline.py 1.0 yes    # the answer, from another process, hours later

The project, what is published and the runs are in the current folder: shop/, index/, release.db. Any of these processes
may be killed with kill -9 and started again. If the announcement fails, what was published is withdrawn.
"""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

from supervisors import SupervisorSpec, start
from teams import Context, member
from teams.workflows import EngineRef, RunFailure, RunStatus, WorkflowRun, ask, do, engine, workflow

PROJECT = {
    "shop/prices.py": "def total(prices):\n    return sum(prices)\n",
    "shop/test_prices.py": (
        "import unittest\n\nfrom prices import total\n\n\nclass Test(unittest.TestCase):\n"
        "    def test_total(self):\n        self.assertEqual(total([1, 2]), 3)\n"
    ),
}
INDEX = Path("index")
"""Where releases are published: it stands for a package index."""
POLL = 0.05
"""Seconds between two looks at a run that may ask."""


# Steps: each may be begun again after a kill, so each can be done twice


def check(release: dict[str, str]) -> dict[str, Any]:
    """Every file can be parsed."""
    files = sorted(map(str, Path("shop").glob("*.py")))
    for file in files:
        ast.parse(Path(file).read_text(encoding="utf-8"), file)
    say(f"checked {len(files)} files")
    return {"files": files}


def build(asked: dict[str, Any]) -> dict[str, str]:
    """An archive of the sources. It is written beside its place and then moved: a kill leaves no half of one."""
    archive, half = Path(f"shop-{asked['version']}.tar"), Path(f"shop-{asked['version']}.tar.part")
    with tarfile.open(half, "w") as tar:
        for file in asked["files"]:
            info = tar.gettarinfo(file)
            info.mtime = 0  # the same sources make the same archive
            with Path(file).open("rb") as source:
                tar.addfile(info, source)
    half.replace(archive)
    say(f"built {archive}")
    return {"archive": str(archive), "digest": hashlib.sha256(archive.read_bytes()).hexdigest()}


def test(_: object) -> dict[str, str]:
    """The tests of the project, in a process of their own."""
    done = subprocess.run(
        [sys.executable, "-m", "unittest", "-q", "test_prices"], cwd="shop", capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"the tests failed:\n{done.stderr}")
    say("tested")
    return {"tests": "passed"}


def publish(built: dict[str, str], context: Context) -> dict[str, str]:
    """Puts the archive into the index. The key of the work says whether it is there by this very step."""
    INDEX.mkdir(exist_ok=True)
    place, receipt = INDEX / built["archive"], INDEX / f"{built['archive']}.key"
    if place.exists() and receipt.exists() and receipt.read_text(encoding="utf-8") != context.key:
        raise FileExistsError(f"{place} was published by another release")
    receipt.write_text(context.key, encoding="utf-8")
    place.write_bytes(Path(built["archive"]).read_bytes())
    say(f"published {place}")
    return {"place": str(place), "receipt": str(receipt)}


def withdraw(published: dict[str, Any]) -> str:
    """Undoes `publish`. It gets the input and the result of that step."""
    for name in published["result"].values():
        Path(name).unlink(missing_ok=True)
    say(f"withdrew {published['result']['place']}")
    return "withdrawn"


def announce(version: str) -> str:
    """Tells everyone: a line in a file that must be there. Twice is once."""
    news = Path("news.txt")
    line = f"shop {version} is out\n"
    if line not in news.read_text(encoding="utf-8"):
        with news.open("a", encoding="utf-8") as file:
            file.write(line)
    say(f"announced {version}")
    return line.strip()


def say(line: str) -> None:
    """Prints a line at once: a process that is killed flushes nothing."""
    print(line, flush=True)


release = workflow(
    "release",
    do("check", check),
    do("build", build, input={"version": "$input.version", "files": "$check.files"}),
    do("test", "tester", timeout=60.0, retry=1),
    ask("approve", "Publish ${build.archive}, ${build.digest}?", options=["yes", "no"]),
    do("publish", "publisher", input="$build", when="$approve == 'yes'", undo=withdraw),
    do("announce", announce, input="$input.version", when="$approve == 'yes'", on_failure="undo"),
    output={"approved": "$approve", "place": "$publish.place"},
)


def engine_on(store: str) -> SupervisorSpec:
    """The engine that plays releases, with its runs in this store."""
    return engine("engine", member("tester", test), member("publisher", publish), release, store=store)


tree = engine_on("sqlite:///release.db")


def until_it_asks_or_ends(run: WorkflowRun) -> RunStatus:
    """The status of a run that waits for a person, or has ended."""
    while True:
        status: RunStatus = run.status().get(timeout=10)
        if status.questions or status.ended_at is not None:
            return status
        time.sleep(POLL)


def main() -> int:
    version, *answer = sys.argv[1:] or ["1.0"]
    for name, text in PROJECT.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    with start(tree, log=False) as eng:
        assert isinstance(eng, EngineRef)
        run = eng.start_workflow("release", {"version": version}, key=version).get(timeout=10)
        status = until_it_asks_or_ends(run)
        if status.questions and not answer:
            say(f"asked: {status.questions['approve']}")
            return 0
        if status.questions:
            run.answer("approve", answer[0], by="the release manager").get(timeout=10)
        try:
            say(f"result: {run.get(timeout=60)}")
        except RunFailure as error:
            say(f"failed in {error.step}: {error.__cause__}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
