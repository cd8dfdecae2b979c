"""A whole subtree on a node of Ray is used as one in a process of this machine."""

from tests.places.test_subtrees import (  # noqa: F401
    test_an_inner_crash_is_decided_inside_and_the_process_stays,
    test_every_operation_of_a_supervisor_is_answered_inside,
    test_inner_giving_up_reaches_the_ledger_outside,
    test_links_cross_the_process_in_both_directions,
    test_names_and_groups_of_inner_actors_are_those_of_the_program,
    test_start_returns_when_the_whole_subtree_is_up,
    test_tell_ask_call_and_proxy_reach_an_inner_actor,
    test_the_death_of_the_process_restarts_the_whole_subtree,
    test_the_event_says_how_many_messages_waited_inside,
    test_what_waits_in_the_program_is_handled_by_the_next_process,
    test_what_was_under_way_when_the_process_died_is_told,
)
