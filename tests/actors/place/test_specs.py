"""What may have a process of its own, and how it is written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar, Literal

import pykka
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import OptionError, ProcessSpec, prioritized
from supervisors import ChildSpec, SpecError, check, child, parse_tree, process, supervisor
from tests.actors.place import cast
from tests.actors.place.cast import AsyncPerformer, Performer, stage
from tests.support import in_loop


class OnlyInProcess(Performer):
    only_host: ClassVar[Literal["process"]] = "process"
    host = process(memory="256 MiB")


class OnlyOnLoop(Performer):
    only_host: ClassVar[Literal["loop"]] = "loop"


class Classic(pykka.ThreadingActor):
    pass


def faults(make: Any) -> str:
    with pytest.raises(SpecError) as caught:
        make()
    return str(caught.value)


def test_a_size_is_a_number_with_a_unit() -> None:
    assert process(memory="512 MiB").memory == 512 << 20
    assert process(memory="1.5GiB").memory == 3 << 29
    assert process(memory="100 MB").memory == 100_000_000
    assert process(memory=1 << 30).memory == 1 << 30
    assert process().memory is None


@given(st.integers(64, 1 << 20))
def test_every_number_of_mebibytes_is_read_exactly(mebibytes: int) -> None:
    assert process(memory=f"{mebibytes} MiB").memory == mebibytes << 20


NO_SIZES = ["", "MiB", "12 pounds", "-5 MiB", "1 MiB", True, [], float("nan"), float("inf"), "9e9"]


@pytest.mark.parametrize("memory", NO_SIZES)
def test_a_size_that_cannot_be_is_refused(memory: Any) -> None:
    with pytest.raises(OptionError, match="memory: must be"):
        process(memory=memory)


def test_all_faults_of_the_options_come_at_once() -> None:
    with pytest.raises(OptionError) as caught:
        process(memory="much", cpus=0, nice=20, prefetch=0, preload="os", memroy=1)  # type: ignore[arg-type, call-arg]
    assert len(caught.value.faults) == 6
    assert "memroy: unknown option; did you mean 'memory'?" in str(caught.value)


def test_the_host_of_a_child_is_a_word_a_spec_or_a_mapping_of_a_file() -> None:
    assert child("a", Performer, host="process").host == ProcessSpec()
    assert child("a", Performer, host=process(prefetch=4)).host == process(prefetch=4)
    tree = parse_tree(
        {
            "id": "root",
            "children": [
                {
                    "id": "a",
                    "start": "tests.actors.place.cast:Performer",
                    "host": {"kind": "process", "memory": "512 MiB"},
                },
                {"id": "b", "start": "tests.actors.place.cast:Performer", "host": "process"},
            ],
        }
    )
    a, b = tree.children
    assert isinstance(a, ChildSpec)
    assert isinstance(b, ChildSpec)
    assert a.host == process(memory="512 MiB")
    assert b.host == process()


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("fiber", "host: must be 'loop', 'thread', 'process', a process() or a ray(), got 'fiber'"),
        ({"kind": "process", "memory": "x", "cpus": 0}, "memory: must be a size such as"),
        ({"memory": "512 MiB"}, "kind: must be 'process' or 'ray', got None"),
        ({"kind": "process", "memroy": 1}, "memroy: unknown option"),
        (3, "host: must be"),
    ],
)
def test_a_host_that_there_is_not_is_a_fault(host: Any, words: str) -> None:
    assert words in faults(lambda: child("a", Performer, host=host))


def test_a_context_manager_has_no_process_of_its_own() -> None:
    words = "host=process() with an asynchronous context manager"
    assert words in faults(lambda: child("a", cast.stage, host=process()))
    assert (
        words
        in check(supervisor("root", child("a", "tests.actors.place.cast:stage", host=process()))).errors[0].message
    )


def test_a_class_that_another_process_cannot_find_is_a_fault() -> None:
    class Hidden(Performer):
        pass

    assert "Hidden is defined in a function" in faults(lambda: child("a", Hidden, host=process()))


def test_a_host_that_the_class_excludes_is_a_fault() -> None:
    assert "runs on the loop only, got 'process'" in faults(lambda: child("a", OnlyOnLoop, host=process()))
    assert "runs in a process only, got 'thread'" in faults(lambda: child("a", OnlyInProcess, host="thread"))
    assert "is a pykka actor" in faults(lambda: child("a", Classic, host=process()))
    assert child("a", OnlyInProcess).host is None
    assert child("a", OnlyInProcess, host=process()).host == process()


def test_prefetch_is_a_fault_beside_what_it_breaks() -> None:
    words = faults(lambda: child("a", AsyncPerformer, host=process(prefetch=8), redeliver=1))
    assert "prefetch=8 with redeliver=1 and concurrency=4" in words
    words = faults(lambda: child("a", Performer, host=process(prefetch=8), mailbox=prioritized(len)))
    assert "prefetch=8 with a priority" in words


def test_check_finds_arguments_that_cannot_be_pickled() -> None:
    tree = supervisor("root", child("a", Performer, args=(lambda: 1,), host=process()))
    (finding,) = check(tree).errors
    assert finding.path == "root/a"
    assert "args: cannot be pickled" in finding.message
    assert not check(supervisor("root", child("a", Performer, args=(1,), host=process()))).errors


MAIN = """
from actors import Actor
from supervisors import child, process, start, supervisor, SpecError

class Answer:
    def __init__(self, number):
        self.number = number

class Mine(Actor):
    def on_receive(self, message):
        return Answer(message + 1)

{guard}
    try:
        with start(supervisor("root", child("a", Mine, host=process()))) as root:
            found = root.child("a").ask(1)
            print(found.number, type(found) is Answer)
    except SpecError as error:
        print(error)
"""


def run(folder: Path, source: str, *arguments: str) -> str:
    file = folder / "program.py"
    file.write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", *(arguments or (str(file),))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_class_of_a_guarded_main_module_is_found(tmp_path: Path) -> None:
    assert run(tmp_path, MAIN.format(guard='if __name__ == "__main__":')).strip() == "2 True"


def test_a_class_of_an_unguarded_main_module_is_a_fault(tmp_path: Path) -> None:
    assert 'Put what starts the program under `if __name__ == "__main__":`' in run(
        tmp_path, MAIN.format(guard="if True:")
    )


CLOSED = """
import os, sys
from pathlib import Path
from actors import Actor, Runtime, process

class Mine(Actor):
    def on_receive(self, message):
        print("nowhere")
        os.write(1, b"nowhere")
        return message + 1

if __name__ == "__main__":
    with Runtime(log=False) as runtime:
        refs = [runtime.spawn(Mine, host=process()).get() for _ in range(2)]
        Path("found").write_text(str([each.ask(1) for each in refs]))
"""


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_program_that_has_closed_its_streams_has_processes(closed: str, tmp_path: Path) -> None:
    """Guards a daemon: no descriptor of ours gets the number of a stream, and what is written there goes nowhere."""
    (tmp_path / "program.py").write_text(CLOSED, encoding="utf-8")
    subprocess.run(
        ["sh", "-c", f'exec "$0" -P program.py {closed}', sys.executable],
        timeout=60,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    assert (tmp_path / "found").read_text(encoding="utf-8") == "[2, 2]"


@in_loop
async def test_a_host_of_the_class_counts_unless_the_spec_says_another() -> None:
    async with stage() as s:
        a = await s.runtime.spawn(OnlyInProcess)
        assert a.status().host == "process"
        with pytest.raises(ValueError, match="in a process only"):
            await s.runtime.spawn(OnlyInProcess, host="loop")


def test_importing_the_packages_loads_nothing_of_processes() -> None:
    """Guards the price of an import, and of a tree that has no place."""
    code = (
        "import sys; from actors import Actor, Runtime, process; from supervisors import child, start, supervisor\n"
        "class A(Actor): pass\n"
        "with start(supervisor('root', child('a', A))): pass\n"
        "process(); print([m for m in ('multiprocessing', 'actors._place', 'actors._peer') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_names_are_the_same_in_both_facades() -> None:
    import actors
    import supervisors

    assert actors.process is supervisors.process
