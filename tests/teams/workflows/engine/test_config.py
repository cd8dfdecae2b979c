"""The configuration of an engine by arguments, environment and file: their order, their names, their faults."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import teams
from supervisors import SpecError
from teams.workflows import EngineConfig, do, engine, workflow
from teams.workflows._engine.config import GUIDES, MODES, NAMES, NOT_NEEDED, ConfigOptions, EngineArguments
from teams.workflows._engine.file import engine_from
from teams.workflows._engine.parts import address_of, settings_of, with_config

PAGE = (Path(__file__).parents[4] / "docs/how-to/configure.md").read_text(encoding="utf-8")
DOCUMENTED = {
    "ORCHESTRATION_MODE": "enhanced",
    "ENABLE_PHASE_7_STREAMING": "true",
    "ENABLE_OBSERVABILITY": "true",
    "PARALLEL_THRESHOLD": "3",
    "CONNECTION_POOL_SIZE": "20",
    "ENABLE_QUALITY_VALIDATION": "true",
    "DEFAULT_QUALITY_DOMAIN": "GENERIC",
}
"""The variables of the first document."""
SAID: dict[str, tuple[str, Any]] = {
    "store": ("sqlite:///{}.db", "sqlite:///{}.db"),
    "max_concurrent_workflows": ("{}", 0),
    "max_value_bytes": ("{}", 0),
    "default_timeout": ("{}s", 0.0),
    "parallel_threshold": ("{}", 0),
}
"""Settings, how the environment says a number of each, and what the field is then; numbers say themselves."""


def faults(*args: Any, **options: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        EngineConfig.load(*args, **{"environ": {}, **options})
    return [str(each) for each in caught.value.faults]


def toml(folder: Path, *lines: str) -> Path:
    path = folder / "engine.toml"
    path.write_text("\n".join(["[engine]", *lines]), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("first", ["arguments", "environment", "file", "default"])
def test_arguments_count_before_the_environment_and_that_before_the_file(tmp_path: Path, name: str, first: str) -> None:
    text, kind = SAID[name]

    def field(number: int) -> Any:
        return text.format(number) if isinstance(kind, str) else type(kind)(number)

    order = ["arguments", "environment", "file", "default"]
    said = order[order.index(first) :]
    args: Any = {name: field(7)} if "arguments" in said else {}
    environ = {f"LETITCRASH_{name.upper()}": text.format(8)} if "environment" in said else {}
    file = toml(tmp_path, f"{name} = {field(9)!r}") if "file" in said else None
    found = getattr(EngineConfig.load(file, environ=environ, **args), name)
    wanted = {
        "arguments": field(7),
        "environment": field(8),
        "file": field(9),
        "default": getattr(EngineConfig(), name),
    }
    assert found == wanted[first]


def test_nothing_said_is_the_defaults_of_engine() -> None:
    config = EngineConfig.load(environ={})
    assert config == EngineConfig()
    spec, plain = engine("e", do_nothing(), **config.options), engine("e", do_nothing())
    assert settings_of(spec) == settings_of(plain)
    assert address_of(spec) == address_of(plain)


def do_nothing() -> Any:
    return workflow("w", do("a", str.upper))


def test_the_variables_of_the_documents_mean_what_they_say() -> None:
    config = EngineConfig.load(environ=DOCUMENTED)
    assert (config.execution, config.parallel_threshold, config.tracing) == ("ready", 3, True)
    assert config.quality_domain == "GENERIC"
    assert config.remarks == (f"CONNECTION_POOL_SIZE has no effect: {NOT_NEEDED['connection_pool_size']}",)


def test_the_engine_config_of_the_documents_can_be_written_as_it_stands() -> None:
    config = EngineConfig.load(
        environ={}, max_concurrent_workflows=100, default_timeout_seconds=300, enable_tracing=True
    )
    settings = settings_of(engine("e", do_nothing(), **config.options))
    assert (settings.max_concurrent_workflows, settings.default_timeout, settings.tracing) == (100, 300.0, True)


@pytest.mark.parametrize(("mode", "execution"), MODES.items())
def test_each_mode_of_the_documents_is_an_execution(mode: str, execution: str) -> None:
    assert EngineConfig.load(environ={"ORCHESTRATION_MODE": mode}).execution == execution


def test_a_variable_with_the_prefix_counts_before_one_without() -> None:
    environ = {"PARALLEL_THRESHOLD": "5", "LETITCRASH_PARALLEL_THRESHOLD": "4", "ENABLE_OBSERVABILITY": "true"}
    config = EngineConfig.load(environ={**environ, "LETITCRASH_TRACING": "off"})
    assert (config.parallel_threshold, config.tracing) == (4, False)


def test_variables_that_no_guide_has_need_the_prefix() -> None:
    """Guards against `STORE` or `TRACING` of another program."""
    environ = {name.upper(): "x" for name in NAMES.keys() - GUIDES}
    assert EngineConfig.load(environ=environ) == EngineConfig()


def test_an_empty_variable_says_nothing() -> None:
    names = [*NAMES, *NOT_NEEDED]
    environ = {each.upper(): "" for each in names} | {f"LETITCRASH_{each.upper()}": "" for each in names}
    assert EngineConfig.load(environ=environ) == EngineConfig()


def test_all_faults_of_all_sources_come_at_once(tmp_path: Path) -> None:
    file = toml(tmp_path, "parallel_threshold = 0", "paralel_threshold = 3", 'retain = { done = "soon", failed = -1 }')
    environ = {"LETITCRASH_TRACING": "perhaps", "ORCHESTRATION_MODE": "basics", "ENABLE_QUALITY_VALIDATION": "false"}
    said = faults(file, environ=environ, max_concurrent_workflows=0, default_timeout=-1, default_timeout_seconds=3)
    time = "must be seconds above 0, or a string such as '30s', '500ms' or '5m', got"
    none = '"none" for no limit'
    scored = "a step that has a quality is always scored; take quality out of the step"
    modes = "must be one of basic, enhanced, parallel, got 'basics'; did you mean 'basic'?"
    assert said == [
        "EngineConfig: max_concurrent_workflows: must be an integer >= 1, got 0",
        f"EngineConfig: default_timeout: {time} -1; {none}",
        "EngineConfig: default_timeout_seconds: is the same as default_timeout; give one of them",
        "environment: LETITCRASH_TRACING: must be true or false, got 'perhaps'",
        f"environment: ORCHESTRATION_MODE: {modes}",
        f"environment: ENABLE_QUALITY_VALIDATION: cannot be 'false': {scored}",
        f"{file}: parallel_threshold: must be an integer >= 1, got 0",
        f"{file}: retain: done: {time} 'soon'; {none}; failed: {time} -1; {none}",
        f"{file}: paralel_threshold: unknown key; did you mean 'parallel_threshold'?",
    ]


@pytest.mark.parametrize("name", sorted(NOT_NEEDED))
def test_what_has_no_meaning_is_told_with_its_reason(name: str, tmp_path: Path) -> None:
    (said,) = faults(toml(tmp_path, f"{name} = false"))
    assert f"{name}: has no meaning here: {NOT_NEEDED[name]}" in said
    if name == "enable_quality_validation":
        (said,) = faults(environ={name.upper(): "0"})
        assert NOT_NEEDED[name] in said
    else:
        (remark,) = EngineConfig.load(environ={f"LETITCRASH_{name.upper()}": "0"}).remarks
        assert remark == f"LETITCRASH_{name.upper()} has no effect: {NOT_NEEDED[name]}"


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    assert "cannot be read" in faults(tmp_path / "missing.toml")[0]
    (tmp_path / "odd.toml").write_text("engine = 3", encoding="utf-8")
    assert "engine: must be a table, got 3" in faults(tmp_path / "odd.toml")[0]
    (tmp_path / "none.yaml").write_text("workflow: w", encoding="utf-8")
    assert EngineConfig.load(tmp_path / "none.yaml", environ={}) == EngineConfig()


def test_the_file_may_be_that_of_an_engine() -> None:
    file = Path(__file__).parents[4] / "examples/support.toml"
    assert EngineConfig.load(file, environ={}).store == "sqlite:///support.db"


def test_unknown_arguments_are_told_with_the_nearest() -> None:
    assert faults(stroe="memory:") == ["EngineConfig: stroe: unknown key; did you mean 'store'?"]


@given(
    st.dictionaries(st.sampled_from([*NAMES, *NOT_NEEDED]), st.text(max_size=8) | st.sampled_from(["1", "true", "5m"]))
)
def test_any_environment_is_a_configuration_or_told_with_faults(said: dict[str, str]) -> None:
    for prefix in ("", "LETITCRASH_"):
        environ = {f"{prefix}{name.upper()}": text for name, text in said.items()}
        try:
            config = EngineConfig.load(environ=environ)
        except SpecError as error:
            told = [each.message.partition(":")[0] for each in error.faults]
        else:
            told = []
            engine("e", do_nothing(), **{**config.options, "store": "memory:"})  # type: ignore[arg-type]
        assert set(told) <= environ.keys()


def test_the_environment_of_the_process_is_read_only_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards imports and `engine()`: a wrong variable is of no account to them."""
    monkeypatch.setenv("LETITCRASH_MAX_CONCURRENT_WORKFLOWS", "no number")
    monkeypatch.setenv("LETITCRASH_STORE", "sqlite:///other.db")
    spec = engine_from({"workflow": "w", "steps": [{"id": "a", "sleep": 1}]})
    assert settings_of(spec).max_concurrent_workflows == 100
    assert address_of(spec) == "sqlite:///runs.db"
    with pytest.raises(SpecError, match="LETITCRASH_MAX_CONCURRENT_WORKFLOWS: must be an integer"):
        EngineConfig.load()
    root = Path(teams.__file__).parent
    readers = [path for path in root.rglob("*.py") if re.search(r"os\.(environ|getenv)", path.read_text("utf-8"))]
    outside = {str(path.relative_to(root)) for path in readers if path.parent.name != "cli"}
    assert outside == {"workflows/_engine/config.py"}


def test_an_engine_gets_settings_in_place_of_its_own() -> None:
    spec = engine("e", do_nothing(), store=lambda: None, max_concurrent_workflows=3)  # type: ignore[arg-type, return-value]
    assert address_of(with_config(spec, {"durability": "process"})) is None
    other = with_config(spec, {"store": "sqlite:///x.db", "durability": "process", "default_timeout": None})
    assert address_of(other) == "sqlite:///x.db"
    assert "process" in repr(next(each for each in other.children if each.id == "store"))
    assert (settings_of(other).default_timeout, settings_of(other).max_concurrent_workflows) == (None, 3)
    assert with_config(spec, {}) == spec


@pytest.mark.parametrize("values", [{"execution": "auto", "parallel_threshold": 2}, {"orchestration_mode": "parallel"}])
def test_workflows_of_a_file_that_do_not_say_how_they_run_get_it(values: dict[str, Any]) -> None:
    tasks = [{"id": "a", "sleep": 1}, {"id": "b", "sleep": 1}]
    inner = {"workflow": "inner", "tasks": tasks}
    spec = engine_from(
        {
            "engine": values,
            "workflows": [
                {"workflow": "open", "tasks": tasks},
                {"workflow": "own", "tasks": tasks, "execution": "levels", "parallel_threshold": 5},
                {"workflow": "chain", "steps": tasks},
                {"workflow": "outer", "tasks": [{"id": "a", "workflow": inner}]},
            ],
        }
    )
    flows: dict[str, Any] = dict(settings_of(spec).workflows)
    assert (
        flows["open"].execution
        == flows["outer"].execution
        == flows["outer"].graph["a"].what.definition.execution
        == "auto"
    )
    assert flows["open"].parallel_threshold == values.get("parallel_threshold", 3)
    assert (flows["own"].execution, flows["own"].parallel_threshold) == ("levels", 5)
    assert (flows["chain"].execution, flows["chain"].graph.by_data) == ("ready", False)


def test_a_step_without_a_domain_gets_that_of_the_configuration() -> None:
    step = {"id": "a", "run": "json:dumps", "on_low": "warn", "quality_threshold": 0.5}
    spec = engine_from({"engine": {"quality_domain": "ANALYTICAL"}, "workflow": "w", "steps": [step]})
    flow: Any = settings_of(spec).workflows["w"]
    assert flow.graph["a"].quality.scoring.domain.name == "ANALYTICAL"


def test_the_page_and_the_types_have_every_name() -> None:
    for name in (*NAMES, *NOT_NEEDED):
        assert f"`{name}`" in PAGE or f"`{name.upper()}`" in PAGE, name
    assert NAMES.keys() | NOT_NEEDED.keys() == ConfigOptions.__optional_keys__ | {"connection_pool_size"}
    assert EngineArguments.__optional_keys__ <= {each.field for each in NAMES.values()}
