"""A supervisor on a node of Ray: the whole subtree runs there, and is used from the program as any other."""

from tests.actors.place.test_subtree_operations import (  # noqa: F401
    test_every_operation_of_a_supervisor_is_answered_inside,
    test_names_and_groups_of_inner_actors_are_those_of_the_program,
)
from tests.actors.place.test_subtrees import (  # noqa: F401
    test_a_subtree_stops_in_order,
    test_an_inner_crash_is_decided_inside_and_the_process_stays,
    test_inner_giving_up_reaches_the_ledger_outside,
    test_tell_ask_call_and_proxy_reach_an_inner_actor,
    test_the_death_of_the_process_restarts_the_whole_subtree,
    test_what_was_under_way_when_the_process_died_is_told,
)
