"""The children of a supervisor in start order (rule 6)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from supervisors import child
from supervisors._engine.children import Children
from tests.supervisors.cast import Worker

steps = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "reorder", "look"]), st.integers(0, 99)), min_size=1, max_size=40
)


@given(steps)
def test_the_place_of_a_child_is_where_it_stands_in_the_start_order(steps: list[tuple[str, int]]) -> None:
    """Whatever comes, goes and is put in another order; and what comes or goes does not make the order anew."""
    roster, spec, made = Children(), child("a", Worker), 0
    for step, number in steps:
        ids = [each.id for each in roster]
        match step:
            case "add":
                made += 1
                roster.add(str(made), spec)
            case "remove" if ids:
                gone = roster.get(ids[number % len(ids)])
                assert gone is not None
                roster.remove(gone, 0.0)
            case "reorder":
                named = ids[number % (len(ids) + 1) :]
                roster.reorder(reversed(named))
            case "look":
                order = roster.order()
                assert list(order) == list(roster)
                assert [roster.place(each) for each in roster] == list(range(len(roster)))
                roster.remove(roster.add("one more", spec), 0.0)
                assert roster.order() is order
    assert list(roster.order()) == list(roster)
