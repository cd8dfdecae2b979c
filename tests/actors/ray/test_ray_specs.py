"""`host=ray()` as a value: its options, its form in files, and what is said where Ray is not installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import MissingExtra, OptionError, RaySpec, process, ray
from actors._ray.connection import is_here, open_fault
from actors.testing import simulation
from supervisors import ChildSpec, SpecError, check, child, parse_tree, supervisor, tasks
from supervisors import ray as ray_of_supervisors
from tests.actors.place import cast
from tests.actors.place.cast import AsyncPerformer, Performer, stage
from tests.support import in_loop


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray seems to be installed."""
    module = ModuleType("ray")
    module.__spec__ = ModuleSpec("ray", None, origin="ray/__init__.py")
    monkeypatch.setitem(sys.modules, "ray", module)


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray seems not to be installed."""
    monkeypatch.setitem(sys.modules, "ray", None)


def test_the_defaults_are_those_that_the_docstring_says() -> None:
    spec = ray()
    assert (spec.kind, spec.num_cpus, spec.num_gpus, spec.resources) == ("ray", 1, 0, {})
    assert (spec.lease, spec.address, spec.runtime_env, spec.prefetch) == (15, None, None, 1)
    assert (spec.memory, spec.nice, spec.preload, spec.insecure) == (None, 0, None, False)
    assert str(spec) == "ray"


@pytest.mark.parametrize(
    ("lease", "seconds"), [("15 s", 15), ("500 ms", 0.5), ("2 min", 120), ("1.5s", 1.5), (7, 7), (0.5, 0.5)]
)
def test_a_lease_is_seconds_or_a_time_with_a_unit(lease: Any, seconds: float) -> None:
    assert ray(lease=lease).lease == seconds


@given(st.integers(1, 10_000))
def test_every_number_of_seconds_of_a_lease_is_read_exactly(seconds: int) -> None:
    assert ray(lease=f"{seconds} s").lease == seconds


NO_LEASES = ["", "s", "15", "15 h", "-1 s", "100 ms", 0, True, [], None, float("nan"), float("inf")]


@pytest.mark.parametrize("lease", NO_LEASES)
def test_a_lease_that_cannot_be_is_refused(lease: Any) -> None:
    with pytest.raises(OptionError, match="lease: must be"):
        ray(lease=lease)


def test_all_faults_of_the_options_of_ray_come_at_once() -> None:
    with pytest.raises(OptionError) as caught:
        ray(
            num_cpus=-1,
            num_gpus=1.5,
            resources={"GPU": 1},
            memory="much",
            lease="soon",
            address="ray://host:10001",
            runtime_env="env",  # type: ignore[arg-type]
            prefetch=0,
            insecure=1,  # type: ignore[arg-type]
            gpus=1,  # type: ignore[call-arg]
        )
    assert len(caught.value.faults) == 10
    assert "GPU has an option of its own" in str(caught.value)
    assert "not of a Ray client" in str(caught.value)
    assert "gpus: unknown option; did you mean 'num_gpus'?" in str(caught.value)


def test_the_resources_are_told_in_words() -> None:
    spec = ray(num_gpus=0.5, resources={"moon": 2}, memory="512 MiB")
    assert spec.wanted == "num_cpus=1, num_gpus=0.5, moon=2, memory=512 MiB"


@pytest.mark.usefixtures("installed")
def test_a_file_says_it_as_a_mapping_with_its_kind() -> None:
    tree = parse_tree(
        {
            "id": "root",
            "children": [
                {"id": "a", "start": "tests.actors.place.cast:Performer", "host": {"kind": "ray", "lease": "30 s"}},
            ],
        }
    )
    (a,) = tree.children
    assert isinstance(a, ChildSpec)
    assert a.host == ray(lease="30 s")
    assert not check(tree).errors


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("host", "words"),
    [
        ({"kind": "ray", "lease": "x"}, "lease: must be a time such as"),
        ({"kind": "ray", "cpus": 1}, "cpus: unknown option"),
        ({"kind": "moon"}, "kind: must be 'process' or 'ray', got 'moon'"),
        ("ray", "host: must be 'loop', 'thread', 'process', a process() or a ray(), got 'ray'"),
    ],
)
def test_a_host_on_ray_that_cannot_be_is_a_fault(host: Any, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        child("a", Performer, host=host)
    assert words in str(caught.value)


@pytest.mark.usefixtures("installed")
def test_the_combinations_of_a_process_are_faults_on_ray_too() -> None:
    class Hidden(Performer):
        pass

    starts: list[tuple[Any, int, str]] = [
        (AsyncPerformer, 1, "prefetch=8 with redeliver=1 and concurrency=4"),
        (Hidden, 0, "Hidden is defined in a function"),
        (cast.pid, 0, "prefetch=8 with a plain function"),
    ]
    for start, redeliver, words in starts:
        with pytest.raises(SpecError) as caught:
            child("a", start, host=ray(prefetch=8), redeliver=redeliver)
        assert words in str(caught.value)
    with pytest.raises(SpecError, match="host=ray.. with tasks: the processes of a pool are on this machine"):
        tasks("cpu", host=ray())  # type: ignore[arg-type]
    (finding,) = check(supervisor("root", child("a", Performer, args=(lambda: 1,), host=ray()))).errors
    assert "args: cannot be pickled" in finding.message


@pytest.mark.usefixtures("missing")
@pytest.mark.parametrize(
    "make",
    [lambda: child("a", Performer, host=ray()), lambda: supervisor("a", child("b", Performer), host=ray())],
    ids=["child", "supervisor"],
)
def test_without_ray_a_spec_is_a_fault_that_names_the_extra(make: Callable[[], object]) -> None:
    with pytest.raises(SpecError) as caught:
        make()
    assert "host=ray(): " in str(caught.value)
    assert "the module ray is not installed. Install it with: pip install 'letitcrash[ray]'" in str(caught.value)


@pytest.mark.usefixtures("missing")
@in_loop
async def test_without_ray_a_spawn_raises_what_names_the_extra() -> None:
    async with stage() as s:
        with pytest.raises(MissingExtra, match=r"letitcrash\[ray\]"):
            await s.runtime.spawn(Performer, host=ray())


@pytest.mark.usefixtures("installed")
def test_what_a_supervisor_on_ray_cannot_start_there_names_its_host() -> None:
    with pytest.raises(SpecError, match=r"a/b: host=ray\(\): a lambda has no name"):
        supervisor("a", child("b", lambda: None), host=ray())
    (fault,) = check(supervisor("a", child("b", "tests.actors.place.test_specs:OnlyInProcess"), host=ray())).errors
    assert fault.message.startswith("host=ray() of its supervisor: it is below a supervisor in a process of its own")
    (fault,) = check(supervisor("a", child("b", Performer, args=(lambda: 1,)), host=ray())).errors
    assert fault.message.startswith("args: cannot be pickled for host=ray(): ")


def test_in_a_simulation_a_node_of_ray_is_a_process_like_any_other() -> None:
    with simulation() as world:
        first, second = world.spawn(Performer, host=ray()), world.spawn(Performer, host=process())
        assert (first.ask("here"), second.ask("there")) == ("here", "there")
        assert first.ask(cast.pid) != second.ask(cast.pid)


@pytest.mark.parametrize("address", ["auto", "local", "127.0.0.1:6379", "localhost:6379", "[::1]:6379"])
def test_a_cluster_of_this_machine_needs_no_token(address: str) -> None:
    assert open_fault(address, "disabled") is None
    assert open_fault(address, None) is None


@pytest.mark.parametrize("mode", ["disabled", None, "TOKEN"])
@pytest.mark.parametrize("address", ["198.51.100.7:6379", "[2001:db8::1]:6379", "nowhere.invalid:6379", "?"])
def test_a_cluster_elsewhere_without_a_token_is_refused(address: str, mode: str | None) -> None:
    problem = open_fault(address, mode)
    assert problem is not None
    assert "Set RAY_AUTH_MODE=token, or say ray(insecure=True)" in problem
    assert open_fault(address, "token") is None


def test_an_address_that_is_not_of_this_machine_is_known_as_such() -> None:
    assert is_here("127.0.0.1")
    assert not is_here("198.51.100.7")


def test_the_name_is_the_same_in_both_facades() -> None:
    assert ray is ray_of_supervisors
    assert isinstance(ray(), RaySpec)


def test_a_spec_on_ray_imports_nothing_of_ray() -> None:
    """Guards the price of an import, and of a spec that is only written."""
    code = (
        "import sys; from actors import Actor, ray; from supervisors import child, start, supervisor\n"
        "class A(Actor): pass\n"
        "with start(supervisor('root', child('a', A))): pass\n"
        "ray(); print([m for m in ('ray', 'actors._place', 'actors._ray') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "[]", done.stderr
