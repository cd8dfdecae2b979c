"""The configuration of an engine: arguments, then the environment, then a file; the first that says something counts.

Nothing is read by itself. `EngineConfig.load` reads when it is called, and so do the commands of `letitcrash workflow`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict, Unpack

from actors.spi import ENVIRONMENT
from supervisors.spi import SpecError, SpecFault, nearest, read_document, unknown_key
from teams._files.form import seconds
from teams._journal.codec import LIMIT
from teams._journal.store import Durability
from teams.workflows._engine.engine import EngineOptions
from teams.workflows._graph.workflow import EXECUTIONS, PARALLEL_THRESHOLD, Execution
from teams.workflows._quality.domain import DOMAINS

DURABILITIES: tuple[Durability, ...] = ("disk", "process")
MODES: Mapping[str, Execution] = {"basic": "sequential", "enhanced": "ready", "parallel": "auto"}
"""The modes of other guides, and how steps run in each."""
OF_ENVIRONMENT = "environment"
"""The place of a fault of a variable."""
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


# How a value is read. What it cannot be is a ValueError, in words.


def _address(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be an address such as 'sqlite:///runs.db', got {value!r}")
    return value


def _one_of(known: Iterable[str]) -> Callable[[object], Any]:
    words = tuple(known)

    def read(value: object) -> object:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}, got {value!r}; {nearest(str(value), words)}")
        return value

    return read


def _mode(value: object) -> Execution:
    return MODES[_one_of(MODES)(value)]


def _count(value: object) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"must be an integer >= 1, got {value!r}")
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, got {value!r}")
    return value


def _timeout(value: object) -> float | None:
    """Seconds; None and "none" are without a limit."""
    if value is None or value == "none":
        return None
    try:
        return seconds(value)
    except ValueError as error:
        raise ValueError(f'{error}; "none" for no limit') from None


def _retain(value: object) -> dict[str, float | None]:
    if not isinstance(value, Mapping):
        raise ValueError(f"must be a mapping from states to seconds, got {value!r}")
    found, wrong = {}, []
    for state, each in value.items():
        try:
            found[str(state)] = _timeout(each)
        except ValueError as error:
            wrong.append(f"{state}: {error}")
    if wrong:
        raise ValueError("; ".join(wrong))
    return found


class Setting(NamedTuple):
    """A name under which something is set."""

    field: str
    """The field of `EngineConfig`."""
    read: Callable[[object], Any]


NAMES: Mapping[str, Setting] = {
    "store": Setting("store", _address),
    "durability": Setting("durability", _one_of(DURABILITIES)),
    "max_concurrent_workflows": Setting("max_concurrent_workflows", _count),
    "max_value_bytes": Setting("max_value_bytes", _count),
    "default_timeout": Setting("default_timeout", _timeout),
    "default_timeout_seconds": Setting("default_timeout", _timeout),
    "retain": Setting("retain", _retain),
    "tracing": Setting("tracing", _truth),
    "enable_tracing": Setting("tracing", _truth),
    "enable_observability": Setting("tracing", _truth),
    "execution": Setting("execution", _one_of(EXECUTIONS)),
    "orchestration_mode": Setting("execution", _mode),
    "parallel_threshold": Setting("parallel_threshold", _count),
    "quality_domain": Setting("quality_domain", _one_of(DOMAINS)),
    "default_quality_domain": Setting("quality_domain", _one_of(DOMAINS)),
}
"""Every name: those of the fields, and those that other guides have for them."""
NOT_NEEDED: Mapping[str, str] = {
    "enable_quality_validation": "a step that has a quality is always scored; take quality out of the step",
    "enable_phase_7_streaming": "events of runs are always published, and cost nothing where nothing listens",
    "connection_pool_size": "an engine has one connection to its store, and all its runs share its commits",
}
"""Names of other guides for what is so in any case, with the reason."""
_REFUSED = frozenset({"enable_quality_validation"})
"""Of these, what is refused if it is false: the result would be another one."""
GUIDES = frozenset(
    {
        "connection_pool_size",
        "default_quality_domain",
        "default_timeout_seconds",
        "enable_observability",
        "enable_phase_7_streaming",
        "enable_quality_validation",
        "max_concurrent_workflows",
        "orchestration_mode",
        "parallel_threshold",
    }
)
"""Names of other guides that are variables of the environment without a prefix, too."""
OF_FILES = frozenset(NAMES) | NOT_NEEDED.keys()
OF_SUPERVISORS = {"id"} | (EngineOptions.__optional_keys__ - {"on_give_up"})
"""The other keys of the table `engine` in a file."""


@dataclass
class ConfigValues:
    """The values of one source, and their faults."""

    values: dict[str, Any] = field(default_factory=dict)
    """By field."""
    faults: list[SpecFault] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """The settings without effect, and the reasons."""
    said: dict[str, str] = field(default_factory=dict)
    """The name under which each field was set."""

    def take(self, path: str, said: str, name: str, value: object) -> None:
        """Takes a value. `said` is its name in the source."""
        setting = NAMES[name]
        if setting.field in self.said:
            self.faults.append(SpecFault(path, f"{said}: is the same as {self.said[setting.field]}; give one of them"))
            return
        self.said[setting.field] = said
        try:
            self.values[setting.field] = setting.read(value)
        except ValueError as error:
            self.faults.append(SpecFault(path, f"{said}: {error}"))


def table_values(path: str, table: Mapping[str, object]) -> ConfigValues:
    """The settings in a mapping: the arguments of a call, or the table of a file. Other keys are left alone."""
    found = ConfigValues()
    for key, value in table.items():
        if key in NAMES:
            found.take(path, key, key, value)
        elif key in NOT_NEEDED and value is not True:
            found.faults.append(SpecFault(path, f"{key}: has no meaning here: {NOT_NEEDED[key]}"))
    return found


def environment_values(environ: Mapping[str, str] | None = None) -> ConfigValues:
    """The settings in the environment. An empty variable says nothing. None: that of the process."""
    environ = os.environ if environ is None else environ
    found, path = ConfigValues(), OF_ENVIRONMENT
    for name in NAMES:
        if name != "retain" and (text := environ.get(variable := f"{ENVIRONMENT}{name.upper()}")):
            found.take(path, variable, name, _from_text(NAMES[name], text))
    for name in sorted(GUIDES & NAMES.keys()):
        text = environ.get(name.upper())
        if text and NAMES[name].field not in found.said:
            found.take(path, name.upper(), name, _from_text(NAMES[name], text))
    for name, why in NOT_NEEDED.items():
        for variable in (f"{ENVIRONMENT}{name.upper()}", name.upper()):
            text = environ.get(variable)
            if not text or text.lower() in _TRUE:
                continue
            if name in _REFUSED:
                found.faults.append(SpecFault(path, f"{variable}: cannot be {text!r}: {why}"))
            else:
                found.remarks.append(f"{variable} has no effect: {why}")
    return found


def _from_text(setting: Setting, text: str) -> object:
    """The value of a variable, as the reader of the setting takes it. Other values stay strings."""
    if setting.read is _truth and text.lower() in _TRUE + _FALSE:
        return text.lower() in _TRUE
    if setting.read is _count and text.isascii() and text.isdecimal() and len(text) < 19:
        return int(text)
    if setting.read is _timeout and text.isascii() and text.replace(".", "", 1).isdecimal():
        return float(text)
    return text


class EngineArguments(TypedDict, total=False):
    """The arguments of `engine` that a configuration has."""

    store: str
    durability: Durability
    max_concurrent_workflows: int
    max_value_bytes: int
    default_timeout: float | None
    retain: Mapping[str, float | None] | None
    tracing: bool


class ConfigOptions(TypedDict, total=False):
    """The arguments of `EngineConfig.load`, with the names of other guides."""

    store: str
    durability: Durability
    max_concurrent_workflows: int
    max_value_bytes: int
    default_timeout: float | str | None
    default_timeout_seconds: float | str | None
    retain: Mapping[str, float | str | None]
    tracing: bool
    enable_tracing: bool
    enable_observability: bool
    execution: Execution
    orchestration_mode: str
    parallel_threshold: int
    quality_domain: str
    default_quality_domain: str
    enable_quality_validation: bool
    enable_phase_7_streaming: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """The configuration of an engine. `EngineConfig.load` reads it."""

    store: str = "sqlite:///runs.db"
    durability: Durability = "disk"
    max_concurrent_workflows: int = 100
    max_value_bytes: int = LIMIT
    """The most bytes of an input, a result and a signal."""
    default_timeout: float | None = 300.0
    """Seconds; None: no limit."""
    retain: Mapping[str, float | None] | None = None
    """Seconds for which ended runs are kept, by state. None: as `engine` has it."""
    tracing: bool = False
    execution: Execution = "ready"
    """How the steps of a DAG run whose workflow does not say it."""
    parallel_threshold: int = PARALLEL_THRESHOLD
    """That of a DAG whose workflow does not say it."""
    quality_domain: str = "GENERIC"
    """The domain of a step with `on_low` that names none."""
    remarks: tuple[str, ...] = ()
    """The settings without effect, and the reasons."""

    @classmethod
    def load(
        cls,
        file: str | os.PathLike[str] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        **args: Unpack[ConfigOptions],
    ) -> EngineConfig:
        """The configuration that arguments, the environment and a file say together. Arguments count before the
        environment, and that before the file.

        Args:
            file: A `.toml`, `.yaml` or `.yml` file, of which the table `engine` is read; it may be the file of an
                engine. None: no file. Default: None.
            environ: The environment: `LETITCRASH_MAX_CONCURRENT_WORKFLOWS` and so on, and the names of other guides,
                such as `ORCHESTRATION_MODE`. None: that of this process. Default: None.
            args: The fields of the configuration, and the names of other guides for them.

        Raises:
            SpecError: the file cannot be read, or a value is wrong: all faults of all three, each with its place
        """
        given: Mapping[str, object] = {**args}
        sources = [table_values("EngineConfig", given), environment_values(environ)]
        faults = [unknown_key("EngineConfig", key, sorted(OF_FILES)) for key in given if key not in OF_FILES]
        if file is not None:
            table = read_document(file, "engine").get("engine", {})
            if isinstance(table, Mapping):
                known = sorted(OF_FILES | OF_SUPERVISORS)
                faults += [unknown_key(str(file), str(key), known) for key in table if key not in known]
                sources.append(table_values(str(file), table))
            else:
                faults.append(SpecFault(str(file), f"engine: must be a table, got {table!r}"))
        faults = [*(fault for each in sources for fault in each.faults), *faults]
        if faults:
            raise SpecError(faults)
        values: dict[str, Any] = {}
        for each in reversed(sources):
            values |= each.values
        return cls(**values, remarks=tuple(remark for each in sources for remark in each.remarks))

    @property
    def options(self) -> EngineArguments:
        """The arguments of `engine`: `engine("desk", *parts, **config.options)`."""
        return {
            "store": self.store,
            "durability": self.durability,
            "max_concurrent_workflows": self.max_concurrent_workflows,
            "max_value_bytes": self.max_value_bytes,
            "default_timeout": self.default_timeout,
            "retain": self.retain,
            "tracing": self.tracing,
        }
