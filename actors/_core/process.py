"""The host of an actor in a process of its own, as a value."""

from __future__ import annotations

import ast
import re
import sys
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeGuard

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from actors._user_code.text import shown
from actors.errors import OptionError

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
HOSTS = "'loop', 'thread', 'process' or a process()"
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


def _fault(text: str) -> PydanticCustomError:
    return PydanticCustomError("spec", "{message}", {"message": text})


class ProcessSpec(BaseModel):
    """A process of the actor's own. `process` makes it and explains the fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["process"] = "process"
    memory: Annotated[int | None, BeforeValidator(size_in_bytes)] = None
    cpus: Annotated[int, Field(strict=True, ge=1)] | None = None
    nice: Annotated[int, Field(strict=True, ge=0, le=19)] = 0
    prefetch: Annotated[int, Field(strict=True, ge=1, le=MOST_PREFETCH)] = 1
    preload: Annotated[tuple[str, ...] | None, BeforeValidator(_modules)] = None
    silent_after: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = 30.0

    def __str__(self) -> str:
        return "process"


HostName = Literal["loop", "thread", "process"]
HostChoice = str | ProcessSpec
"""The host that an option names. `is_host` says whether there is one."""


def process(
    *,
    memory: str | int | None = None,
    cpus: int | None = None,
    nice: int = 0,
    prefetch: int = 1,
    preload: list[str] | tuple[str, ...] | None = None,
    silent_after: float | None = 30.0,
    **unknown: object,
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
        unknown: There are no other options.

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
        **unknown,
    }
    try:
        return ProcessSpec.model_validate(given)
    except ValidationError as error:
        raise OptionError("process()", tuple(faults_in(error))) from None


def faults_in(error: ValidationError) -> list[str]:
    """The faults of the options of a process, a sentence each."""
    known = ", ".join(name for name in ProcessSpec.model_fields if name != "kind")
    faults = []
    for each in error.errors(include_url=False):
        option = ".".join(map(str, each["loc"])) or "host"
        if each["type"] == "extra_forbidden":
            faults.append(f"{option}: unknown option; the options are {known}")
        else:
            message = each["msg"].replace("Input should be", "must be")
            faults.append(f"{option}: {message}, got {shown(each['input'], 60)}")
    return list(dict.fromkeys(faults))


def is_host(value: object) -> TypeGuard[HostChoice]:
    """Whether an actor can have this as its host."""
    return isinstance(value, ProcessSpec) or (isinstance(value, str) and value in ("loop", "thread", "process"))


def host_name(host: object) -> str:
    """The kind of a host in one word."""
    return host.kind if isinstance(host, ProcessSpec) else str(host)


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
