"""The host of an actor in a process of its own, here or on a node of Ray, as a value."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from functools import lru_cache, partial
from importlib.util import find_spec
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal, TypeGuard, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from actors._core.options import faults_in, option_model, takes_options
from actors._extras import EXTRA_OF
from actors._name import NAME
from actors._user_code.text import shown
from actors.errors import MissingExtra, OptionError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B|B)?", re.IGNORECASE)
_UNITS = {
    "b": 1,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
}
LEAST_MEMORY = 64 << 20
"""The least memory limit, in bytes: with less an interpreter does not come up."""
MOST_PREFETCH = 65_536
LEAST_LEASE = 0.5
"""The shortest lease, in seconds."""
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min)")
_TIMES = {"ms": 0.001, "s": 1.0, "min": 60.0}
HOSTS = "'loop', 'thread', 'process', a process() or a ray()"
"""The choices of a host, in words."""


def size_in_bytes(value: object) -> int | None:
    """The number of bytes that `512 MiB` says; a number is one of bytes, None no limit. Raises PydanticCustomError."""
    if value is None:
        return None
    size: float
    if isinstance(value, str):
        found = _SIZE.fullmatch(value.strip())
        if found is None:
            raise _fault("must be a size such as '512 MiB' or '2 GB', or a number of bytes")
        size = float(found[1]) * _UNITS[(found[2] or "B").lower()]
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise _fault("must be a size such as '512 MiB', a number of bytes, or None for no limit")
    else:
        size = value
    if not LEAST_MEMORY <= size < 2**63:
        raise _fault(f"must be at least {LEAST_MEMORY >> 20} MiB, without which no Python process comes up")
    return int(size)


def _modules(value: object) -> object:
    """Names of modules, each a text."""
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, list | tuple):
        raise _fault("must be a list of module names, or None for the module of the actor class")
    wrong = [each for each in value if not isinstance(each, str) or not all(map(str.isidentifier, each.split(".")))]
    if wrong:
        raise _fault(f"must be names of modules, and {shown(wrong[0], 60)} is not one")
    return tuple(value)


def _amount(value: object) -> float:
    """How much of a resource."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < inf:
        raise _fault("must be a number >= 0")
    if value > 1 and value != int(value):
        raise _fault("must be an integer, or less than 1")
    return float(value)


def _resources(value: object) -> dict[str, float]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(name, str) and name for name in value):
        raise _fault("must be a mapping of names of resources to amounts, or None")
    if ours := [name for name in value if name in ("CPU", "GPU", "memory")]:
        raise _fault(f"{ours[0]} has an option of its own: num_cpus, num_gpus or memory")
    return {name: _amount(amount) for name, amount in value.items()}


def _lease(value: object) -> float:
    """The seconds of a lease."""
    found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is not None:
        value = float(found[1]) * _TIMES[found[2]]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _fault("must be a time such as '15 s' or '500 ms', or a number of seconds")
    if not LEAST_LEASE <= value < inf:
        raise _fault(f"must be at least {LEAST_LEASE:g} seconds")
    return float(value)


def _address(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.isprintable() or not value.strip():
        raise _fault("must be an address such as 'auto' or '10.0.0.1:6379', or None")
    if "://" in value:
        raise _fault("must be the address of the cluster itself, such as '10.0.0.1:6379': not of a Ray client")
    return value


def _environment(value: object) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise _fault("must be a mapping, as `ray.init(runtime_env=...)` takes it, or None")
    return dict(value)


def _fault(text: str) -> PydanticCustomError:
    return PydanticCustomError("spec", "{message}", {"message": text})


@option_model
class PlaceSpec(BaseModel):
    """A process of the actor's own, on any machine: what `process` and `ray` have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    memory: Annotated[int | None, BeforeValidator(size_in_bytes)] = None
    nice: Annotated[int, Field(strict=True, ge=0, le=19)] = 0
    prefetch: Annotated[int, Field(strict=True, ge=1, le=MOST_PREFETCH)] = 1
    preload: Annotated[tuple[str, ...] | None, BeforeValidator(_modules)] = None
    silent_after: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = 30.0

    def __str__(self) -> str:
        return self.kind


class ProcessSpec(PlaceSpec):
    """A process of the actor's own. `process` makes it and explains the fields."""

    kind: Literal["process"] = "process"
    cpus: Annotated[int, Field(strict=True, ge=1)] | None = None


class RaySpec(PlaceSpec):
    """A process of the actor's own on a node of Ray. `ray` makes it and explains the fields."""

    kind: Literal["ray"] = "ray"
    num_cpus: Annotated[float, BeforeValidator(_amount)] = 1.0
    num_gpus: Annotated[float, BeforeValidator(_amount)] = 0.0
    resources: Annotated[dict[str, float], BeforeValidator(_resources)] = {}
    lease: Annotated[float, BeforeValidator(_lease)] = 15.0
    address: Annotated[str | None, BeforeValidator(_address)] = None
    runtime_env: Annotated[dict[str, Any] | None, BeforeValidator(_environment)] = None
    insecure: Annotated[bool, Field(strict=True)] = False

    @property
    def wanted(self) -> str:
        """The resources in words, such as `num_cpus=1, num_gpus=1`."""
        amounts = {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus, **self.resources}
        words = [f"{name}={amount:g}" for name, amount in amounts.items() if amount or name == "num_cpus"]
        return ", ".join(words if self.memory is None else [*words, f"memory={self.memory >> 20} MiB"])


_Spec = TypeVar("_Spec", bound=PlaceSpec)
HostName = Literal["loop", "thread", "process"]
HostChoice = str | PlaceSpec
"""The host that an option names. `is_host` says whether there is one."""


@takes_options("process()")
def process(
    *,
    memory: str | int | None = None,
    cpus: int | None = None,
    nice: int = 0,
    prefetch: int = 1,
    preload: list[str] | tuple[str, ...] | None = None,
    silent_after: float | None = 30.0,
) -> ProcessSpec:
    """A process of the actor's own, as the `host` of a child or of `Runtime.spawn`. It needs Linux.

    A segfault, a leak or a C call that never returns ends that process alone: the exit of the actor is `Lost`, and its
    supervisor decides. Each incarnation has a new process. Arguments, messages, answers and exceptions are pickled.

    Args:
        memory: The most memory for data, such as "512 MiB", or a number of bytes (RLIMIT_DATA). Beyond it an allocation
            raises MemoryError, or ends the process. None: no limit. Default: None.
        cpus: On how many processors the process may run. None: on all. Default: None.
        nice: Added to the niceness of the process, 0 to 19: with more, it gives way to others. Default: 0.
        prefetch: How many messages may be under way to the process at once, >= 1. With 1 the next message is sent when
            the last one was handled. With more there are more messages a second; a message waits there, and no longer
            by its priority. A `concurrency` of the class that is larger counts instead. Default: 1.
        preload: Modules that are imported once, before processes are forked. They must start no thread. None: the
            module of the actor class. Default: None.
        silent_after: Seconds after which the event `PlaceSilent` says that the process has messages under way and its
            event loop does not answer. None: it is not asked. Default: 30.0.

    Raises:
        OptionError: options are wrong or unknown; it holds all faults
    """
    given = {
        "memory": memory,
        "cpus": cpus,
        "nice": nice,
        "prefetch": prefetch,
        "preload": preload,
        "silent_after": silent_after,
    }
    return _made(ProcessSpec, given)


@takes_options("ray()")
def ray(
    *,
    num_cpus: float = 1,
    num_gpus: float = 0,
    resources: Mapping[str, float] | None = None,
    memory: str | int | None = None,
    lease: str | float = "15 s",
    address: str | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    nice: int = 0,
    prefetch: int = 1,
    preload: list[str] | tuple[str, ...] | None = None,
    silent_after: float | None = 30.0,
    insecure: bool = False,
) -> RaySpec:
    """A process of the actor's own on a node of a Ray cluster, as the `host` of a child or of `Runtime.spawn`. It needs
    the extra `ray`, and Linux on the nodes.

    Ray decides on which node: one that has the resources. A Ray actor there holds them until this actor terminates, and
    starts a process for each incarnation of it. The rules, reasons and messages are those of `process`; Ray restarts
    nothing. A node that does not answer is given up 1.5 leases after its last answer: the exit of the actor is `Lost`.

    Args:
        num_cpus: How many processors of the node it takes, as Ray counts them. Default: 1.
        num_gpus: How many GPUs of the node it takes, as Ray counts them. Default: 0.
        resources: Other resources of Ray, each with its amount. None: none. Default: None.
        memory: The most memory for data, as for `process`. Ray counts it, too: the node must have that much left. None:
            no limit. Default: None.
        lease: How long the node works on without hearing from the program, such as "15 s", or seconds, >= 0.5. When the
            lease is over, the node ends the process. Default: 15 seconds.
        address: The address of the cluster, or "auto" for the one that runs on this machine. None: the cluster that the
            program is connected to, else the one that the environment variable RAY_ADDRESS names, else a new one on
            this machine. Default: None.
        runtime_env: What Ray prepares on the node before the start, such as {"working_dir": "."}. Default: None.
        nice: Added to the niceness of the process, 0 to 19. Default: 0.
        prefetch: How many messages may be under way to the node at once, >= 1, as for `process`. Default: 1.
        preload: Modules that are imported once on the node, as for `process`. None: that of the actor class.
            Default: None.
        silent_after: Seconds after which the event `PlaceSilent` tells of it, as for `process`. None: never.
            Default: 30.0.
        insecure: Whether an address that is not of this machine may be used without the token authentication of Ray:
            every client that reaches the ports of that cluster can run code there. Default: False.

    Raises:
        OptionError: options are wrong or unknown; it holds all faults
    """
    given = {
        "num_cpus": num_cpus,
        "num_gpus": num_gpus,
        "resources": resources,
        "memory": memory,
        "lease": lease,
        "address": address,
        "runtime_env": runtime_env,
        "nice": nice,
        "prefetch": prefetch,
        "preload": preload,
        "silent_after": silent_after,
        "insecure": insecure,
    }
    return _made(RaySpec, given)


def _made(spec: type[_Spec], given: Mapping[str, object]) -> _Spec:
    """The host with these options. Raises `OptionError` with all faults."""
    try:
        return spec.model_validate(given)
    except ValidationError as error:
        kind: str = spec.model_fields["kind"].default
        raise OptionError(f"{kind}()", tuple(faults_in(error, spec))) from None


def place_spec(options: Mapping[object, object]) -> PlaceSpec:
    """The host that a mapping describes, as in a file. Raises ValueError with the faults, a sentence each."""
    kinds: dict[object, type[PlaceSpec]] = {"process": ProcessSpec, "ray": RaySpec}
    kind = options.get("kind")
    made = kinds.get(kind) if type(kind) is str else None
    if made is None:
        raise ValueError(f"kind: must be 'process' or 'ray', got {shown(kind, 60)}")
    try:
        return made.model_validate(options)
    except ValidationError as error:
        raise ValueError("; ".join(faults_in(error, made))) from None


def is_host(value: object) -> TypeGuard[HostChoice]:
    """Whether an actor can have this as its host."""
    return isinstance(value, PlaceSpec) or (isinstance(value, str) and value in ("loop", "thread", "process"))


def require_extra(host: PlaceSpec) -> None:
    """Raises `MissingExtra` if what the host needs is not installed. Imports nothing."""
    module = host.kind
    found = find_spec(module) if module in EXTRA_OF else None
    if module in EXTRA_OF and (found is None or found.origin is None):  # a folder of that name is not the package
        raise MissingExtra(module, f"{NAME}[{EXTRA_OF[module]}]")


def extra_fault(host: PlaceSpec) -> str | None:
    """Why this host cannot be had with what is installed; None: it can."""
    try:
        require_extra(host)
    except MissingExtra as error:
        return str(error)
    return None


def host_name(host: object) -> str:
    """The kind of a host in one word."""
    return host.kind if isinstance(host, PlaceSpec) else str(host)


def module_of(start: object) -> str:
    """The module in which another process finds this class or function."""
    return str(getattr(_named(start), "__module__", None) or "builtins")


def name_of(start: object) -> str:
    """The name of this class or function, as a reader knows it."""
    return str(_named(start).__qualname__)


def _named(start: object) -> Any:
    """The class or function by whose name this is pickled: that of a partial, or the class of an object."""
    while isinstance(start, partial):
        start = start.func
    return start if hasattr(start, "__qualname__") else type(start)


def sending_fault(start: object) -> str | None:
    """Why another process cannot find this class or function by its name; None: it can, as far as is known."""
    named = _named(start)
    name = str(named.__qualname__)
    if name.rpartition(".")[2] == "<lambda>":
        return "a lambda has no name by which its process finds it. Define a function at the top of a module"
    if "<locals>" in name:
        return f"{name} is defined in a function, where its process does not find it. Define it at the top of a module"
    if module_of(named) != "__main__" or (problem := main_fault()) is None:
        return None
    return f"{name} is defined in {problem}"


def main_fault() -> str | None:
    """Why another process cannot import the main module, in words that begin with it; None: it can."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    if file is None:
        return "an interactive session, which its process cannot import. Define it in a module"
    if not is_guarded(file):
        return (
            "the main module, and its process would run that whole module. Put what starts the program under "
            '`if __name__ == "__main__":`'
        )
    return None


@lru_cache(maxsize=16)
def is_guarded(file: str) -> bool:
    """Whether a file asks at its top level whether it is the main module. One that cannot be read is taken for such."""
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, ValueError, SyntaxError):
        return True
    return any(isinstance(node, ast.If) and _asks_name(node.test) for node in tree.body)


def _asks_name(test: ast.expr) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "__name__" for each in ast.walk(test))
