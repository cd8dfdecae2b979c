"""Options of a child that its class says: `class Poller(Actor): restart = "transient"`."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import pykka
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor
from actors.testing import simulation
from supervisors import (
    ChildSpec,
    ChildStartError,
    SpecError,
    check,
    child,
    constant,
    dynamic_supervisor,
    exponential,
    load_tree,
    parse_tree,
    partition_supervisor,
    start,
    supervisor,
)
from supervisors.testing import ScriptedAction, Trial
from tests.supervisors.cast import running, states
from tests.support import in_loop


class Poller(Actor):
    """Says how it is supervised."""

    restart = "transient"
    shutdown = 10
    backoff = constant(3)
    redeliver = 1
    significant = True
    start_timeout = 2.0
    handler_timeout = 7.0
    max_restarts = 4
    period = 60.0
    on_limit = "drop"

    def on_receive(self, message: Any) -> Any:
        return message(self)


SAYS: dict[str, Any] = {
    "restart": "transient",
    "shutdown": 10.0,
    "backoff": constant(3),
    "redeliver": 1,
    "significant": True,
    "start_timeout": 2.0,
    "handler_timeout": 7.0,
    "max_restarts": 4,
    "period": 60.0,
    "on_limit": "drop",
}
GIVEN: dict[str, Any] = {
    "restart": "temporary",
    "shutdown": "infinity",
    "backoff": None,
    "redeliver": 0,
    "significant": False,
    "start_timeout": None,
    "handler_timeout": None,
    "max_restarts": 2,
    "period": 5.0,
    "on_limit": "escalate",
}
HERE = f"{__name__}:"


class Heir(Poller):
    """Takes over what its base says, and says one thing anew."""

    shutdown = 1


class Strange(Actor):
    """Has attributes of these names that are no options."""

    backoff = property(lambda self: 2.0)
    period = 5.0

    def restart(self) -> None:
        """A method."""

    @classmethod
    def shutdown(cls) -> None:
        """A method of the class."""

    @staticmethod
    def redeliver() -> None:
        """A function."""

    @cached_property
    def significant(self) -> str:
        """A value."""
        return "yes"


class Plain(pykka.ThreadingActor):
    """A program of pykka's has such attributes for reasons of its own."""

    restart = "sometimes"
    backoff = 2.0


class Wrong(Actor):
    """Says what cannot be."""

    restart = "sometimes"
    backoff = 2.0
    shutdown = -1


class Vain(Actor):
    """Is significant in vain, unless its supervisor asks for it."""

    restart = "transient"
    significant = True


class Quiet(Actor):
    """Says a little."""

    restart = "temporary"
    retry_start = True


@given(st.sets(st.sampled_from(sorted(SAYS))))
def test_an_option_of_the_spec_counts_more_than_that_of_its_class(given: set[str]) -> None:
    """For a class at once; for the place of one when it is found."""
    options = {name: GIVEN[name] for name in given}
    if "max_restarts" not in options:
        options.pop("period", None)  # the builder cannot know that a class that it has not found has a budget
    wanted = {**SAYS, **options}
    for spec in (child("a", Poller, **options), child("a", f"{HERE}Poller", **options).settled("root/a")):
        assert {name: getattr(spec, name) for name in SAYS} == wanted
        assert spec == ChildSpec(id="a", start=spec.start, **wanted)
        assert spec.settled("root/a") is spec


def test_a_class_takes_over_what_its_base_says() -> None:
    """Attributes are attributes."""
    spec = child("a", Heir)
    assert (spec.restart, spec.shutdown) == ("transient", 1.0)


def test_methods_and_properties_of_these_names_are_not_options() -> None:
    """Nor is a period without a budget."""
    assert child("a", Strange) == ChildSpec(id="a", start=Strange)


def test_a_plain_actor_of_pykka_is_not_asked() -> None:
    """Its program runs unchanged."""
    assert child("a", Plain) == ChildSpec(id="a", start=Plain)


def test_rule_24_what_a_class_says_wrongly_names_the_class() -> None:
    """All faults at once, with those of the spec."""
    with pytest.raises(SpecError) as caught:
        child("a", Wrong, name="")
    told = {fault.message.partition(":")[0]: fault.message for fault in caught.value.faults}
    assert set(told) == {"restart", "backoff", "shutdown", "name"}
    for option in ("restart", "backoff", "shutdown"):
        assert "The class Wrong says so: give the option in the spec, or rename the attribute" in told[option]
    assert "Wrong" not in told["name"]
    assert child("a", Wrong, restart="permanent", backoff=None, shutdown=1).backoff is None


def test_rule_22_class_and_spec_that_cannot_work_together_are_refused() -> None:
    """With the class that says one half of it."""
    with pytest.raises(SpecError, match="The class Vain says so"):
        child("a", Vain, restart="permanent")
    with pytest.raises(SpecError, match="significant=True under auto_shutdown='never'"):
        supervisor("root", child("a", Vain))
    assert supervisor("root", child("a", Vain), auto_shutdown="any_significant").children[0].significant


@in_loop
async def test_a_class_named_by_its_place_has_its_defaults_from_the_start() -> None:
    """Restart type, backoff and the rest are in force for the first incarnation, and after a restart."""
    tree = supervisor("root", child("a", f"{HERE}Quiet"), child("b", f"{HERE}Heir", significant=False, redeliver=0))
    async with running(tree) as (w, root):
        assert (await root.get_child_spec("a")).restart == "temporary"
        assert (await root.get_child_spec("b")).shutdown == 1.0
        root.child("b").tell(lambda actor: 1 / 0)
        await w.settle()
        assert await states(root) == {"a": "running", "b": "backing_off"}
        await w.advance(3)
        assert await states(root) == {"a": "running", "b": "running"}
        for id in ("a", "b"):
            root.child(id).stop(block=False)
        await w.settle()
        assert await states(root) == {"b": "stopped"}


@in_loop
async def test_a_template_named_by_its_place_is_settled_once() -> None:
    """Also for children with arguments of their own; no child of it looks the class up again."""
    async with running(dynamic_supervisor("root", child("w", f"{HERE}Quiet"))) as (w, root):
        refs = [await root.start_child() for _ in range(3)]
        engine = root._cell.actor._engine
        specs = [await root.get_child_spec(ref) for ref in refs]
        assert {spec.restart for spec in specs} == {"temporary"}
        assert engine.template.is_settled
        assert engine.children.get("2").spec is engine.children.get("3").spec is engine.template


@in_loop
async def test_rule_24_wrong_defaults_of_a_class_fail_the_start_of_the_child() -> None:
    """A class that is found late is checked late."""
    for place, problem in (("Wrong", "The class Wrong says so"), ("Vain", "significant=True under")):
        async with running(supervisor("root")) as (_, root):
            with pytest.raises(ChildStartError) as caught:
                await root.start_child(child("a", f"{HERE}{place}"))
            assert isinstance(caught.value.__cause__, SpecError)
            assert problem in str(caught.value.__cause__)
            assert await states(root) == {}


@in_loop
async def test_update_specs_with_the_same_specs_changes_nothing() -> None:
    """What the class says is not taken for a change."""
    specs = child("a", f"{HERE}Quiet"), child("b", Quiet), supervisor("s", child("c", f"{HERE}Quiet"))
    async with running(supervisor("root", *specs)) as (_, root):
        told = await root.update_specs(*specs)
        assert (told.removed, told.restarted, told.adopted, told.added) == ((), (), (), ())
        told = await root.update_specs(child("a", f"{HERE}Quiet", restart="permanent"), *specs[1:])
        assert told.adopted == ("a",)
        assert (await root.get_child_spec("a")).restart == "permanent"


def test_check_knows_what_the_classes_say(tmp_path: Path) -> None:
    """It looks for every class, and reports wrong defaults with their places."""
    file = tmp_path / "tree.toml"
    file.write_text(
        f'id = "root"\nchildren = [{{id = "a", start = "{HERE}Wrong"}}, {{id = "b", start = "{HERE}Quiet"}}, '
        f'{{id = "c", start = "{HERE}Vain"}}, {{id = "d", start = "{HERE}Quiet", backoff = {{kind = "constant"}}}}]\n'
    )
    found = {(each.severity, each.path, each.message.partition(":")[0]) for each in check(load_tree(file)).findings}
    assert {("error", "root/a", option) for option in ("restart", "backoff", "shutdown")} <= found
    assert any(path == "root/c" and "significant=True under" in message for _, path, message in found)
    assert not any(path == "root/d" and "without effect" in message for _, path, message in found)


def test_a_root_child_named_by_its_place_ends_its_tree_as_its_class_says() -> None:
    """`start(child("a", "module:Class"))`: a transient child that ends normally ends the root."""
    with simulation() as sim:
        ref = sim.start(child("a", f"{HERE}Quiet"))
        ref.child("a").stop(block=False)
        sim.advance(1)
        assert not ref.is_alive()


def test_partitions_and_files_have_the_defaults_of_their_class() -> None:
    """Each of them."""
    spec = partition_supervisor("root", child("p", Quiet), partitions=3)
    assert {each.restart for each in spec.children} == {"temporary"}
    tree = parse_tree({"id": "root", "template": {"start": f"{HERE}Quiet"}, "partitions": 2})
    with start(tree, log=False) as root:
        assert {info.spec.restart for info in root.which_children().get(timeout=10)} == {"temporary"}


def test_a_trial_keeps_an_option_that_differs_from_its_class() -> None:
    """Guards `encode`, which leaves out what a spec has by default."""
    spec = child("a", Quiet, restart="permanent", backoff=exponential())
    trial = Trial(supervisor("root", spec), (ScriptedAction(1.0, "root/a", "stop"),))
    decoded = Trial.decode(trial.encode())
    (again,) = decoded.tree.children
    assert isinstance(again, ChildSpec)
    assert again.settled("root/a").restart == "permanent"
