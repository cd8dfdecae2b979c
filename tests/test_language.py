"""Plain language: the words of the product, and the names of all tests (CONTRIBUTING.md, "Language")."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_docs import BANNED

TESTS = Path(__file__).parent
PRODUCT = [path for package in ("actors", "supervisors", "teams") for path in (TESTS.parent / package).rglob("*.py")]
BAD = re.compile(
    rf"(?<![a-z])(?<!there )({'|'.join(each.strip() for each in BANNED)}|are no)(?! longer)(?![a-z0-9])", re.IGNORECASE
)
"""An underscore ends a word, too. Right are "there is no actor" and "is no longer"."""
MARKS = re.compile(r"^(#|[a-z]{0,2}['\"]+)|['\"]+$", re.IGNORECASE)
"""What begins or ends a comment or a string."""
RIGHT = {"answered_to_nobody", "_NOBODY"}
"""Identifiers that may stay."""
LONGEST = 70
"""Characters of a test's name."""
WORDS = {"whoever", "whom", "somebody", "somebodys", "nobody", "nobodys"}
"""What has no place in a name: say caller, sender, actor."""
STILL_TO_RENAME = frozenset(
    [
        "test_a_bad_argument_is_refused_where_it_is_given_and_costs_the_team_nothing",
        "test_a_bad_intention_is_refused_with_all_its_faults_and_crashes_nobody",
        "test_a_bound_holds_over_members_that_block_whoever_crashes",
        "test_a_broadcast_is_answered_and_loses_no_answer_whoever_crashes",
        "test_a_broadcast_reports_who_answered_who_failed_and_who_did_not_answer",
        "test_a_broadcast_to_a_role_that_nobody_plays_is_a_typed_failure",
        "test_a_bus_that_is_killed_while_an_event_is_tried_again_goes_on_with_it",
        "test_a_call_inside_as_many_as_there_are_slots_is_refused_at_once_and_named",
        "test_a_call_whose_thread_does_not_come_up_fails_and_gives_back_its_slot",
        "test_a_caller_that_leaves_early_is_left_out_and_one_that_leaves_late_disturbs_nobody",
        "test_a_candidate_for_nobody_says_so_once_and_stands_when_there_is_somebody",
        "test_a_candidate_leads_only_while_whom_it_stands_for_is_up",
        "test_a_chain_ends_whole_or_undone_whoever_crashes",
        "test_a_child_removed_while_it_backs_off_ages_out_of_the_window_by_the_clock",
        "test_a_choreography_of_nobody_and_bad_topics_are_refused",
        "test_a_decorator_that_hides_what_a_function_takes_does_not_keep_its_context_from_it",
        "test_a_dynamic_supervisor_is_served_while_a_thousand_children_come_and_go",
        "test_a_failing_start_raises_when_the_block_is_entered_and_leaves_nothing",
        "test_a_fatal_failure_is_not_tried_again_and_is_no_fault_of_the_subscriber",
        "test_a_fatal_failure_or_nobody_who_takes_the_message_ends_a_send_at_once",
        "test_a_folder_called_actors_without_code_is_in_nobodys_way",
        "test_a_function_that_blocks_holds_its_slot_until_it_returns_though_it_is_called_off",
        "test_a_function_that_cannot_be_called_with_work_is_refused_when_it_is_made_a_member",
        "test_a_generator_is_no_result_in_an_actor_with_a_thread_of_its_own_either",
        "test_a_goal_that_tells_the_team_of_something_is_reached_when_the_chain_has_ended",
        "test_a_group_adds_the_budgets_of_those_whose_restart_takes_the_child_along",
        "test_a_group_restart_does_not_bring_back_a_child_that_is_being_terminated",
        "test_a_key_function_that_raises_is_the_askers_error_and_nobody_elses",
        "test_a_member_that_answers_nonsense_fails_its_own_work_and_nobody_elses",
        "test_a_member_that_is_gone_for_good_fails_the_chain_and_one_that_undoes_is_named",
        "test_a_member_that_is_killed_while_its_function_blocks_leaves_nothing_behind",
        "test_a_member_whose_move_cannot_be_ends_the_mesh_and_does_not_stop_in_silence",
        "test_a_notice_says_who_sent_it_and_when_and_belongs_to_what_is_being_handled",
        "test_a_partition_supervisor_has_a_child_for_each_partition_and_restarts_it",
        "test_a_peer_acts_when_nobody_objects",
        "test_a_pipe_that_nobody_reads_any_more_stops_the_tree_in_order",
        "test_a_pipeline_has_every_item_in_its_place_whoever_crashes",
        "test_a_pipeline_without_attempts_has_a_result_or_a_failure_for_every_item",
        "test_a_plain_function_that_returns_a_value_is_refused_and_told_what_to_do",
        "test_a_policy_inside_is_around_the_whole_batch_and_one_outside_around_each_call",
        "test_a_policy_without_an_actor_tells_nobody",
        "test_a_question_nobody_can_answer_here_still_ends",
        "test_a_request_that_waits_in_the_queue_of_a_killed_supervisor_is_served_by_the_next_one",
        "test_a_restart_of_resources_forgets_nobody",
        "test_a_role_without_members_in_the_team_is_known_but_has_nobody",
        "test_a_run_that_crashes_at_any_step_does_every_step_once_and_has_its_result",
        "test_a_seat_is_free_again_when_the_coordinator_crashes_over_work_that_was_called_off",
        "test_a_step_for_nobody_is_a_typed_failure",
        "test_a_subscriber_that_always_crashes_is_quarantined_and_the_others_are_unharmed",
        "test_a_subscriber_that_is_gone_for_good_is_unsubscribed_and_its_events_are_dead",
        "test_a_supervised_supervisor_that_is_stopped_by_its_ref_is_restarted_if_permanent",
        "test_a_supervisors_own_budget_limits_how_often_what_is_below_it_begins_anew",
        "test_a_task_that_raises_gives_its_exception_to_whoever_waits",
        "test_a_team_decides_and_whoever_fails_abstains_with_the_reason",
        "test_a_team_that_does_not_reach_its_goal_exits_with_1_and_prints_no_result",
        "test_a_terminated_child_of_a_template_is_gone_and_terminating_it_again_is_no_error",
        "test_a_timeout_counts_from_the_asking_though_the_team_had_to_be_started_first",
        "test_an_action_that_changes_nothing_is_not_repeated_until_something_changes",
        "test_an_actor_named_by_its_module_is_refused_on_the_wrong_host_where_it_is_imported",
        "test_an_actor_that_is_made_for_one_host_is_refused_on_the_other_with_all_other_faults",
        "test_an_async_function_is_refused_where_nobody_awaits_it",
        "test_an_event_nobody_subscribes_to_is_a_dead_event_and_told",
        "test_an_event_that_is_unheard_further_on_or_ends_a_choreography_fails_no_chain",
        "test_an_event_that_nobody_emits_or_hears_is_a_finding",
        "test_an_event_with_a_known_id_is_published_once_for_as_long_as_it_is_remembered",
        "test_an_impossible_topic_fails_the_chain_and_undoes_the_step_that_emitted_it",
        "test_an_object_whose_call_is_async_works_on_the_loop_and_gets_its_context",
        "test_an_order_goes_from_member_to_member_and_nobody_conducts",
        "test_an_unheard_event_is_delivered_when_somebody_subscribes_and_it_is_redelivered",
        "test_at_its_deadline_a_chain_fails_and_a_step_that_is_completed_later_is_undone_then",
        "test_attempts_are_for_crashes_of_whoever_does_it",
        "test_bad_questions_are_refused_with_all_their_faults_and_leave_the_person_alive",
        "test_bad_subscriptions_are_refused_with_all_their_faults_and_leave_the_bus_alive",
        "test_centralised_lets_nobody_but_the_planner_decide",
        "test_check_remarks_on_nothing_a_team_is_made_of_that_nobody_wrote",
        "test_children_that_come_with_a_class_are_not_remarked_on_but_what_is_below_them_is",
        "test_completed_steps_are_undone_in_reverse_none_twice_and_none_that_was_not_completed",
        "test_complexity_is_one_and_one_for_each_decision_of_the_function_itself",
        "test_decorrelated_jitter_draws_between_initial_and_three_times_the_last",
        "test_equal_keys_go_to_the_same_partition_whatever_happens_to_the_others",
        "test_event_driven_on_a_topic_that_nobody_hears_fails_and_names_the_nearest",
        "test_every_item_goes_out_once_in_a_batch_that_is_not_too_big_and_gets_its_own_result",
        "test_everything_that_is_wrong_with_the_arguments_of_a_member_is_told_at_once",
        "test_everything_that_is_wrong_with_the_arguments_of_a_team_is_told_at_once",
        "test_exactly_one_member_owns_a_work_at_every_moment_and_every_asker_is_answered",
        "test_fail_fast_ends_at_the_first_failure_with_what_is_done_in_the_error",
        "test_from_the_threshold_on_the_fast_function_answers_with_the_same_arguments",
        "test_it_ends_what_is_under_way_and_refuses_what_comes_until_it_is_reset",
        "test_members_that_do_not_exist_are_all_named_with_the_nearest_that_does",
        "test_most_restarts_are_the_product_of_the_budgets_above_less_the_first_start",
        "test_nobody_can_change_what_the_state_owns_but_by_a_message",
        "test_nobody_joins_under_a_name_that_could_mean_a_role_or_a_member",
        "test_nobody_tries_again_but_a_fallback_may_answer",
        "test_nobody_waits_behind_more_than_ageing_allows",
        "test_nobody_waits_for_a_member_that_left",
        "test_nothing_is_exceeded_and_nothing_is_lost_whoever_crashes",
        "test_rule_10_giving_up_stops_in_reverse_and_exits_with_an_abnormal_reason",
        "test_rule_10_giving_up_stops_the_children_in_reverse_and_exits_abnormally",
        "test_rule_11_the_default_is_exponential_from_a_tenth_of_a_second_with_full_jitter",
        "test_rule_12_terminating_the_child_that_a_group_waits_for_lets_the_group_go_on",
        "test_rule_15_a_retry_of_a_group_waits_for_its_backoff_with_the_rest_stopped",
        "test_rule_17_a_child_that_ignores_its_stop_is_killed_after_its_own_grace",
        "test_rule_17_a_child_told_to_stop_while_it_starts_is_still_killed_when_its_stop_hangs",
        "test_rule_17_a_supervisor_with_a_grace_of_seconds_is_killed_with_all_below",
        "test_rule_17_a_thread_that_blocks_in_its_stop_is_left_behind_after_its_grace",
        "test_rule_17_an_on_stop_that_misbehaves_does_not_abort_the_siblings_shutdown",
        "test_rule_17_an_on_stop_that_raises_system_exit_is_a_crash_of_that_actor_alone",
        "test_rule_17_the_defaults_are_five_seconds_for_a_worker_and_infinity_for_a_supervisor",
        "test_rule_18_a_starting_child_is_stopped_too_before_the_supervisor_ends",
        "test_rule_18_a_supervisor_reports_its_end_only_after_every_descendant_is_gone",
        "test_rule_18_a_thread_that_ignores_everything_is_left_behind_and_said_so",
        "test_rule_1_requests_that_come_meanwhile_do_not_start_the_next_child_early",
        "test_rule_20_a_restarted_supervisor_does_not_hear_the_timers_of_its_killed_predecessor",
        "test_rule_20_killing_a_supervisor_ends_children_in_threads_before_it_is_gone",
        "test_rule_20_requests_that_wait_are_answered_when_the_supervisor_is_killed",
        "test_rule_20_when_a_supervisor_is_killed_its_descendants_are_killed_too",
        "test_rule_21_a_subtree_that_reached_its_goal_ends_as_a_transient_child_does",
        "test_rule_21_all_significant_waits_for_the_last_and_one_that_backs_off_is_alive",
        "test_rule_22_a_running_supervisor_refuses_what_could_not_have_been_built",
        "test_rule_22_combinations_that_can_never_work_are_refused_with_both_names",
        "test_rule_23_a_child_added_by_an_update_whose_start_fails_is_restarted_like_any",
        "test_rule_23_a_child_that_is_stopped_is_already_present_until_it_is_deleted",
        "test_rule_23_a_failing_start_child_leaves_nothing_behind_and_costs_no_budget",
        "test_rule_23_a_message_that_is_no_request_is_unhandled_and_harms_nobody",
        "test_rule_23_a_request_nobody_waits_for_is_carried_out_all_the_same",
        "test_rule_23_a_stopped_child_restarts_in_a_fresh_cell_and_can_be_deleted",
        "test_rule_23_a_supervisor_in_the_place_of_a_worker_has_a_ref_that_serves_its_api",
        "test_rule_23_an_id_that_is_no_string_is_not_found_and_harms_nobody",
        "test_rule_23_start_child_with_nonsense_is_a_spec_error_and_harms_nobody",
        "test_rule_23_terminate_child_answers_when_the_child_is_gone_and_its_messages_are_dead_letters",
        "test_rule_23_update_specs_stops_what_is_gone_starts_what_is_new_and_leaves_the_rest",
        "test_rule_23_update_specs_with_nonsense_is_a_spec_error_and_harms_nobody",
        "test_rule_23_whoever_does_not_exist_is_not_found",
        "test_rule_24_a_class_that_cannot_be_found_fails_the_start_of_its_child_alone",
        "test_rule_2_a_failed_first_start_stops_the_others_in_reverse_and_fails_the_supervisor",
        "test_rule_2_a_failed_first_start_undoes_the_others_in_reverse_and_fails_the_tree",
        "test_rule_2_a_name_that_is_taken_fails_the_start_and_stays_with_its_owner",
        "test_rule_2_retry_start_puts_a_first_start_under_backoff_and_the_next_child_waits",
        "test_rule_30_the_ledger_has_one_entry_for_each_incarnation_that_was_replaced",
        "test_rule_3_a_child_that_declines_is_kept_and_a_temporary_one_is_dropped",
        "test_rule_5_an_exit_that_asks_for_no_restart_never_touches_the_siblings",
        "test_rule_6_a_bystander_that_ignores_its_stop_is_killed_and_the_group_goes_on",
        "test_rule_6_children_of_a_template_start_with_extra_arguments_and_restart_alone",
        "test_rule_7_a_crash_of_a_member_the_attempt_had_started_is_a_fresh_cause",
        "test_rule_8_a_restart_leaves_the_window_when_its_child_was_up_for_the_period",
        "test_settling_takes_the_default_when_nobody_answers",
        "test_settling_with_nobody_is_refused_before_anything_is_resolved",
        "test_steps_that_have_not_begun_are_withdrawn_and_those_that_have_are_waited_for",
        "test_stop_times_add_up_down_the_order_and_the_longest_counts_in_parallel",
        "test_terminate_child_takes_a_member_out_of_the_group_restart_that_stops_it",
        "test_the_default_is_exponential_from_a_tenth_to_thirty_seconds_with_full_jitter",
        "test_the_second_owner_of_a_file_is_refused_by_name_and_the_first_goes_on",
        "test_what_a_policy_does_for_functions_that_wait_it_does_for_those_that_block",
        "test_what_a_run_keeps_of_a_pipeline_is_bounded_by_the_places_of_its_stages",
        "test_what_is_written_to_a_store_that_was_not_loaded_comes_after_what_it_holds",
        "test_what_nobody_could_decide_is_refused",
        "test_what_the_function_raises_reaches_each_caller_and_nobody_else",
        "test_when_nobody_is_left_to_try_again_the_last_failure_is_the_cause",
        "test_whoever_crashes_or_is_late_loses_that_turn_and_nothing_else",
        "test_whoever_leaves_the_line_leaves_its_place_to_the_next",
        "test_whoever_no_longer_wants_to_know_is_not_told",
        "test_whoever_waits_for_a_chain_hears_of_the_end_of_the_topics",
        "test_whoever_waits_for_a_goal_is_answered_when_the_team_ends_before_it",
        "test_whoever_waits_for_a_leader_is_told_when_the_candidate_is_gone",
        "test_whoever_waits_for_a_team_that_does_not_come_back_is_answered",
        "test_whoever_waits_for_the_subscribers_hears_of_each_of_them",
        "test_whoever_waits_hears_of_the_end_of_the_courier",
        "test_whoever_waits_hears_of_the_end_of_the_topics",
        "test_whom_a_candidate_stands_for_may_start_later_or_be_restarted_without_a_word",
        "test_with_a_limit_no_more_full_calls_are_under_way_than_the_threshold_allows",
        "test_with_more_concurrency_a_subscriber_is_given_so_many_events_at_once",
        "test_work_is_delegated_until_somebody_takes_it",
        "test_work_of_a_pool_over_which_a_member_is_lost_for_good_is_tried_by_another",
        "test_work_that_nobody_takes_is_a_typed_error_with_all_reasons",
    ]
)
"""Names of folders that are being renamed elsewhere. Temporary: empty it when they are done."""


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Each name, comment and string of a file, with its line. Comments and strings that follow each other are one."""
    kind, line, parts = 0, 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NL or (token.type == tokenize.NAME and token.string in RIGHT):
            continue
        if token.type != kind or kind == tokenize.NAME:
            yield line, " ".join(" ".join(parts).split())
            kind, line, parts = token.type, token.start[0], []
        if kind in (tokenize.NAME, tokenize.COMMENT, tokenize.STRING):
            parts.append(MARKS.sub("", token.string))
    yield line, " ".join(" ".join(parts).split())


def bad_words(source: str) -> list[str]:
    """The banned words of a file, each with its line and what stands around it."""
    return [
        f"{line}: ...{text[max(0, found.start() - 30) : found.end() + 30]}..."
        for line, text in texts(source)
        for found in BAD.finditer(text)
    ]


@pytest.mark.parametrize("file", PRODUCT, ids=lambda file: str(file.relative_to(TESTS.parent)))
def test_no_name_comment_or_string_uses_the_words_the_style_bans(file: Path) -> None:
    """Guards docstrings and messages, too."""
    assert bad_words(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    ["def ask_nobody(): ...", "# one that is\n# no actor", 'f(\n    "it is "\n    "to stop"\n)', '"""Whoever asks."""'],
)
def test_a_banned_word_is_found_across_lines(source: str) -> None:
    assert bad_words(source + "\n")


@pytest.mark.parametrize("source", ["# there is no actor", "# it is no longer there", "class NobodyTook: ..."])
def test_plain_english_is_not_found(source: str) -> None:
    assert not bad_words(source + "\n")


def names() -> Iterator[tuple[str, str]]:
    """File and name of every test."""
    for path in sorted(TESTS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield str(path.relative_to(TESTS)), node.name


def faults(name: str) -> list[str]:
    """What is wrong with the name of a test."""
    long = [f"{len(name)} characters"] if len(name) > LONGEST else []
    return long + sorted(WORDS.intersection(name.split("_")))


def test_the_name_of_a_test_has_at_most_70_characters_and_plain_words() -> None:
    wrong = [f"{path}::{name}: {', '.join(found)}" for path, name in names() if (found := faults(name))]
    assert [line for line in wrong if line.split("::")[1].split(":")[0] not in STILL_TO_RENAME] == []


def test_what_is_still_to_rename_holds_wrong_names_only() -> None:
    assert sorted(name for name in STILL_TO_RENAME if not faults(name)) == []


@pytest.mark.parametrize("name", ["test_" + "x" * 66, "test_nobody_answers"])
def test_a_long_name_and_a_word_of_no_use_are_found(name: str) -> None:
    assert faults(name)
