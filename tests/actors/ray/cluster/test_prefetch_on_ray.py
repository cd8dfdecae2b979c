"""More than one message under way to a node of Ray: they are handled in order, and none is lost with the process."""

# Not `test_a_handler_timeout_counts_from_the_beginning_of_its_handler`: the program learns a moment later that a
# handler has begun, and the clock of that test leaves no moment.
from tests.actors.place.test_prefetch import (  # noqa: F401
    test_a_kill_refuses_what_has_begun_and_keeps_what_waits,
    test_an_exception_leaves_what_waits_behind_it_to_the_next_incarnation,
    test_askers_of_concurrent_handlers_are_all_told_of_the_end,
    test_every_message_is_handled_or_refused_whatever_ends_the_process,
    test_messages_are_handled_in_order_and_a_stop_waits_for_them,
    test_only_the_message_that_did_it_counts_as_the_cause,
    test_questions_that_wait_behind_a_crash_are_answered_by_the_next,
    test_what_waits_in_a_process_that_ends_is_handled_next_in_order,
)
