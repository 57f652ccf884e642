"""Broken builds of the command: what it says, made untrue by one line each."""

from tests.broken.builds import _UNIT, Broken

BUILDS = (
    Broken(1, "a load balancer is given what was kept of a primary that became a standby",
           "bin/paf-health", '[ "$role" = "$standby" ] || become "$@"', ":",
           (_UNIT + "test_front.py::test_a_primary_says_so",)),
    Broken(1, "a load balancer is given what was kept of a server that ended",
           "bin/paf-health", 'is_the_server ${stat##*) } || become "$@"', ":",
           (_UNIT + "test_front.py::test_what_may_not_be_given_any_more_is_looked_at",)),
    Broken(1, "a load balancer is given what was kept before the node lost its quorum",
           "paf/cli/health/kept.py", "        _remove(path)", "        pass",
           (_UNIT + "test_cli_kept.py::test_a_look_that_finds_no_well_node_ends_what_was_kept",)),
    Broken(1, "a load balancer gets an answer that is too old",
           "paf/cli/health/kept.py", "    if not int(begin) <= _hundredths(moment) < int(end):",
           "    if False:",
           (_UNIT + "test_cli_kept.py::test_what_is_kept_is_given_again_for_a_while",)),
    Broken(1, "a load balancer gets the kept answer of a primary that has ended",
           "paf/cli/health/kept.py", "    if started(int(pid)) != start:", "    if False:",
           (_UNIT + "test_cli_kept.py::"
            "test_the_server_of_an_answer_that_is_given_still_runs",)),
    Broken(5, "a load balancer gets the kept answer of a standby that is promoted",
           "paf/cli/health/kept.py", '    if os.path.lexists(signal) != (is_standby == "1"):',
           "    if False:",
           (_UNIT + "test_cli_kept.py::test_a_standby_that_is_promoted_is_looked_at",)),
    Broken(4, "--discard gives configuration up that is not known",
           "paf/cli/rebuild/copying.py", "    if discard:", "    if False:",
           (_UNIT + "test_rebuild_cut.py::"
            "test_configuration_that_is_not_known_is_not_given_up",)),
    Broken(4, "a copy that was cut off at its end is started under the primary's name",
           "paf/instance/replacement.py",
           "        if all(name in facts for name in naming.FACTS):", "        if False:",
           (_UNIT + "test_rebuild_cut.py::"
            "test_a_cut_after_the_files_are_back_still_names_the_node",)),
    Broken(7, "promotions that cannot be compared are the same for paf lost",
           "paf/cli/promotions.py", '            return Unknown(fact.reason or other.reason), ""',
           '            return fact, ""',
           (_UNIT + "test_cli_lost.py::"
            "test_a_promotion_that_may_be_another_one_is_not_nothing_lost",)),
    Broken(7, "pg_rewind runs where it finds a tablespace's files twice",
           "paf/instance/rewind.py",
           "    if inside:    # pg_rewind finds their files twice, and fails half way",
           "    if False:",
           (_UNIT + "test_rebuild_cut.py::"
            "test_where_tablespaces_and_wal_are_is_none_of_the_nodes_own",)),
    Broken(7, "rows that a transaction wrote before count as none",
           "paf/cli/walrecords.py",
           "    return start is not None and xid not in start.early and (",
           "    return start is None or xid not in start.early or (",
           (_UNIT + "test_cli_lost.py::"
            "test_rows_of_a_transaction_that_may_have_started_before_are_not_known",)),
    Broken(7, "a damaged journal is given up before the directory is marked as half made",
           "paf/cli/rebuild/spoilt.py",
           '        journal.write(instance, replacement.half({"mounted": mounted}, spoilt=True))',
           "        pass",
           (_UNIT + "test_journal.py::"
            "test_a_damaged_journal_is_refused_and_paf_rebuild_leads_out_of_it",)),
    Broken(4, "paf status promises what synchronous_commit=off does not keep",
           "paf/cli/status/failover.py", "            or commits.level in (None,) + NO_WAIT):",
           "            or False):",
           (_UNIT + "test_cli_questions.py::"
            "test_a_synchronous_standby_is_one_for_those_whose_commits_wait",)),
    Broken(6, "half of what crm_simulate prints is an answer",
           "paf/cli/status/simulate.py",
           '    revised = re.search("^Revised cluster status", text, re.IGNORECASE | re.MULTILINE)',
           '    revised = re.search("", text)', (
               _UNIT + "test_cli_questions.py::"
               "test_what_crm_simulate_printed_in_part_says_nothing",)),
    Broken(6, "a restart that Pacemaker did not make is one", "paf/cli/operate/restart.py",
           "    if starts(pacemaker, sight.managed.name, node) == before:", "    if False:", (
               _UNIT + "test_cli_restart.py::"
               "test_a_restart_that_pacemaker_did_not_make_is_not_one",)),
    Broken(6, "a move that Pacemaker would not make is tried", "paf/cli/switchover.py",
           "    if not outcome.unknown and outcome.promoted != target:", "    if False:", (
               _UNIT + "test_cli_switchover.py::"
               "test_a_move_that_pacemaker_would_not_make_is_refused_beforehand",)),
    Broken(6, "a paused primary is looked at again, and loses its address for a moment",
           "paf/cli/operate/resume.py", '                row["failures"] or not known):',
           "                True):", (
               _UNIT + "test_cli_operate.py::"
               "test_pacemaker_looks_again_only_where_it_may_be_wrong",)),
    Broken(1, "a pause ends though a server's role is not known",
           "paf/cli/operate/resume.py", '        if row["in_recovery"] is None:',
           "        if False:", (_UNIT + "test_cli_operate.py::"
                                 "test_a_pause_is_not_ended_while_a_server_has_another_role",)),
    Broken(6, "a log that cannot be read is passed over in silence",
           "paf/cli/timeline/logs.py", "            broken.append(problem)", "            pass",
           (_UNIT + "test_cli_logs.py::"
            "test_what_cannot_be_read_is_named_and_the_rest_is_read",)),
    Broken(6, "an outage is cut in pieces by the boot of a node",
           "paf/cli/timeline/events.py", "    if _is_gone(group, resource, primary):",
           "    if False:",
           (_UNIT + "test_cli_history.py::"
            "test_a_primary_that_was_fenced_and_the_next_one_are_one_event",)),
    Broken(6, "a failover is foreseen that the agents would refuse",
           "paf/cli/status/succession.py", "    if len(no) == len(verdicts):", "    if False:",
           (_UNIT + "test_cli_succession.py::test_a_node_that_may_hold_acknowledged_commits_and_"
            "does_not_vote_prevents_it",)),
)
