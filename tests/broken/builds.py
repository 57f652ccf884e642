"""One line for each promise: what it is in the agent, and what breaks the promise.

A line is once in its file, as it is here; when the agent changes, this table changes with it.
"""

from dataclasses import dataclass

_COMPONENT = "tests/component/"
_UNIT = "tests/unit/"
_KNOWN = "tests/unit/test_cluster_model.py::test_no_history_that_is_known_breaks_a_promise[{0}]"


@dataclass(frozen=True)
class Broken:
    """A build with one line changed. tests: pytest ids, of which one at least has to fail."""

    promise: int
    what: str
    file: str
    line: str
    instead: str
    tests: tuple


BUILDS = (
    Broken(1, "a second primary is made where one stays",
           "paf/promotion.py", "    if others:", "    if False:",
           (_UNIT + "test_transition.py",)),
    Broken(1, "a crashed primary is started as what it was",
           "paf/actions/start.py", "    standby_mode.enable(context.instance)", "    pass",
           (_COMPONENT + "test_lifecycle.py::"
            "test_a_start_makes_a_standby_and_a_second_one_changes_nothing",)),
    Broken(1, "a primary that Pacemaker has forgotten votes like a standby",
           "paf/instance/position.py", "        fact = Known(wal.Position(newest + 1, lsn))",
           "        fact = Known(wal.Position(newest, lsn))",
           (_COMPONENT + "test_elections.py::"
            "test_no_standby_is_promoted_beside_a_primary_that_pacemaker_has_forgotten",)),
    Broken(2, "the LSN counts before the timeline",
           "paf/decide/election.py",
           "        return node not in strangers, where.timeline, node == primary, where.lsn",
           "        return where.lsn, where.timeline", (_UNIT + "test_election.py",)),
    Broken(2, "ballots of earlier rounds are counted",
           "paf/cluster/corosync2.py", "            if _round(ballot) == number:",
           "            if _round(ballot):",
           (_UNIT + "test_election_model.py",)),
    Broken(3, "the shutdown checkpoint is not looked for",
           "paf/hindrances.py", "    if received:", "    if True:",
           (_COMPONENT + "test_switchovers.py::"
            "test_a_switchover_without_the_shutdown_checkpoint_is_refused",)),
    Broken(4, "maxlag is forgotten",
           "paf/decide/scores.py", "        late = maxlag > 0 and (replica.lag is None or "
           "replica.lag > maxlag)", "        late = False", (_UNIT + "test_scores.py",)),
    Broken(3, "the address's stop waits for a demotion that may never come",
           "paf/cli/finding.py", '    kind = "Optional" if then == "stop" else "Mandatory"',
           '    kind = "Mandatory"',
           (_UNIT + "test_constraints.py::"
            "test_the_pages_and_paf_create_have_the_orders_of_the_lab",)),
    Broken(6, "what a rule decides by node counts as set",
           "paf/cli/configuration/sets.py", "                    if holds is None:",
           "                    if False:", (_UNIT + "test_cli_configuration.py",)),
    Broken(3, "a constraint on any role counts as a request for a switchover",
           "paf/cluster/rules.py", '    return (role or "").lower() in _PROMOTED',
           "    return True",
           (_UNIT + "test_cib.py",)),
    Broken(3, "a constraint on another resource counts as a request for a switchover",
           "paf/cluster/rules.py",
           '    if location.get("rsc") in names or pattern is not None and matches(pattern, '
           "names[:1]):",
           "    if True:", (_UNIT + "test_cib.py",)),
    Broken(4, "an absent standby counts as if it had been heard",
           "paf/decide/quorum.py", "    absent = holders(rule, primary, nodes) - heard",
           "    absent = set()", (_UNIT + "test_quorum.py",)),
    Broken(4, "a lower bound wins an election",
           "paf/decide/election.py", "    if not is_known(positions[candidate]):",
           "    if positions[candidate].value is None:", (_UNIT + "test_election.py",)),
    Broken(4, "a score of a node that is away does not count at a first start",
           "paf/decide/scores.py", "    return clean_primary and not current",
           "    return clean_primary", (_UNIT + "test_scores.py",)),
    Broken(4, "the standbys that are away are left out of a whole cluster's elections",
           "paf/decide/quorum.py", "    absent = holders(rule, primary, nodes) - heard",
           "    absent = set()",
           (_KNOWN.format("True-a standby that lags, beside one in standby mode"),)),
    Broken(4, "a standby that gives no answer counts as one that is behind",
           "paf/decide/election.py",
           "    doubtful = tuple(node for node in others if not is_known(positions[node]))",
           "    doubtful = ()",
           (_KNOWN.format("True-a synchronous standby that gives no answer"),)),
    Broken(4, "only the old primary boots, and promotes itself",
           "paf/decide/scores.py", "    return clean_primary and not current",
           "    return clean_primary", (_KNOWN.format("True-only the old primary boots"),)),
    Broken(4, "the round overwrites the mark of a cold start",
           "paf/cluster/base.py",
           '        self.notes.write(notes.ROUND, "{0} {1}".format(word, number))',
           '        self.notes.write(notes.ROUND, "{0} {1}".format(word, number)); '
           "self.notes.remove(notes.START)",
           (_KNOWN.format("True-a cold start whose election is killed"),)),
    Broken(3, "a primary that was moved is forgotten with the transition",
           "paf/promotion.py", "            reason = election.check_move(node, mine, words)",
           "            reason = None",
           (_KNOWN.format(
               "True-the primary's node in standby mode, and a standby that is stalled"),)),
    Broken(4, "two timelines of the same number are compared",
           "paf/decide/election.py",
           "        return node not in strangers, where.timeline, node == primary, where.lsn",
           "        return where.timeline, where.lsn",
           (_KNOWN.format("True-an old primary that counted up twice"),)),
    Broken(4, "positions of two histories are compared where the last primary is away",
           "paf/decide/election.py", "    if strangers and primary not in voters:", "    if False:",
           (_KNOWN.format(
               "True-two timelines of the same number, and the last primary is away"),)),
    Broken(4, "a cold start whose election was killed promotes at once",
           "paf/actions/promote.py", "        _await_the_absent(context)", "        pass",
           (_KNOWN.format("True-a cold start whose election is killed"),)),
    Broken(4, "two timelines that began at the same LSN are one",
           "paf/decide/timelines.py", "        elif mine.mark != theirs.mark:",
           "        elif False:",
           (_COMPONENT + "test_divergence.py::"
            "test_two_promotions_at_the_same_lsn_are_distinguished",)),
    Broken(4, "where an earlier timeline began is not compared",
           "paf/instance/divergence.py",
           "    if relation.kind == timelines.UNRELATED or not _same_history(instance, timeline, "
           "primary):", "    if relation.kind == timelines.UNRELATED:",
           (_COMPONENT + "test_divergence.py::"
            "test_a_timeline_of_the_primarys_past_that_began_elsewhere_is_a_divergence",)),
    Broken(5, "a probe finds a dead primary failed",
           "paf/decide/state.py", "    CRASHED_PRIMARY: (ocf.NOT_RUNNING, ocf.FAILED_PROMOTED),",
           "    CRASHED_PRIMARY: (ocf.FAILED_PROMOTED, ocf.FAILED_PROMOTED),",
           (_UNIT + "test_state.py",)),
    Broken(5, "a stop that fails is answered with a hard error",
           "paf/agent.py", '    if action == "stop":', '    if action == "halt":',
           (_UNIT + "test_agent.py",)),
    Broken(1, "another data directory than the one that was checked is started",
           "paf/instance/settings.py",
           "    if (mine.st_dev, mine.st_ino) != (theirs.st_dev, theirs.st_ino):", "    if False:",
           (_COMPONENT + "test_identity.py::"
            "test_a_demotion_does_not_start_another_data_directory",)),
    Broken(1, "a second primary is scored, and not stopped",
           "paf/actions/monitor.py", "    if others:", "    if False:",
           (_COMPONENT + "test_preconditions.py::"
            "test_a_second_primary_fails_and_scores_nobody[Slave]",)),
    Broken(1, "a recovery target is accepted",
           "paf/instance/settings.py", "    if found:", "    if False:",
           (_COMPONENT + "test_preconditions.py::"
            "test_a_start_refuses_a_setting_that_ends_or_holds_recovery"
            "[lines0-recovery_target_name]",)),
    Broken(5, "a process that cannot be looked at is dead",
           "paf/instance/postmaster.py",
           '    return Unknown("cannot see where process {0} works: {1}".format(pid, reason))',
           "    return Known(False)", (_UNIT + "test_instance.py",)),
    Broken(5, "a tool that gave no answer has found damage",
           "paf/instance/controldata.py",
           '        return Unknown("pg_controldata was killed by signal {0}".format('
           "-result.status))", '        return Damaged("killed")',
           (_UNIT + "test_controldata.py",)),
    Broken(5, "a WAL sender that hangs is waited for",
           "paf/instance/shutdown.py", "            if self._hangs(pid, senders[pid], written):",
           "            if False:",
           (_COMPONENT + "test_shutdowns.py::"
            "test_a_logical_consumer_that_hangs_is_ended",)),
    Broken(5, "a wrong parameter is worked with",
           "paf/context.py", "        if parameters.unusable(self.given):", "        if False:",
           (_COMPONENT + "test_preconditions.py::"
            "test_the_last_good_maxlag_goes_on",)),
    Broken(6, "a degraded look is not shown",
           "paf/actions/monitor.py", "    if sight.message:", "    if False:",
           (_COMPONENT + "test_preconditions.py::"
            "test_an_agent_without_a_login_says_so_once_where_people_look",)),
    Broken(6, "a reason is shown without its code",
           "paf/cluster/base.py", "    return plain(with_code(reason))", "    return plain(reason)",
           (_UNIT + "test_attributes.py::test_reasons_are_stored_as_plain_text",)),
    Broken(6, "a refusal does not say why",
           "paf/promotion.py",
           "    context.cluster.explain(context.node, reason, context.deadline)", "    pass",
           (_UNIT + "test_election_model.py",)),
    Broken(4, "a commit that only one node has counts as nothing",
           "paf/decide/loss.py", '    Rule("Transaction/COMMIT", TOLD, "1 commit", "{0} commits",',
           '    Rule("Transaction/COMMIT", NOTHING, "1 commit", "{0} commits",',
           (_UNIT + "test_loss.py",)),
    Broken(4, "an acknowledged commit counts as one that waited",
           "paf/decide/loss.py",
           "        before = [record for record in transactions if record[0] < end]",
           "        before = list(transactions)", (_UNIT + "test_loss.py",)),
    Broken(4, "any commit counts as one of statistics",
           "paf/instance/housekeeping.py", "        relations = _RELATION.findall(text)",
           "        relations = ['2619']",
           (_COMPONENT + "test_rewind.py::test_commits_of_statistics_alone_are_given_up",)),
    Broken(5, "commits that waited are not noted at a shutdown",
           "paf/actions/stop.py",
           "        waiting.end(context.instance, context.log)", "        pass",
           (_COMPONENT + "test_waiting.py::"
            "test_commits_that_waited_when_it_was_shut_down_are_given_up",)),
    Broken(4, "an instance is started in the middle of a rewind",
           "paf/actions/start.py", "    if journal.exists(context.instance):", "    if False:",
           (_COMPONENT + "test_rewind_cut.py::"
            "test_it_is_not_repeated_against_another_history",)),
    Broken(7, "a file too many is written into PGDATA",
           "paf/instance/standby_mode.py", '        put(instance, "standby.signal", "")',
           '        put(instance, "standby.signal", ""); put(instance, "postgresql.auto.conf", "")',
           (_UNIT + "test_instance.py",)),
    Broken(6, "a reason breaks the XML of crm_mon up to 1.1.24",
           "paf/cluster/base.py",
           """_IN_WORDS = (('"', "'"), ("<", "less than"), ("&", "and"))""", "_IN_WORDS = ()",
           (_UNIT + "test_attributes.py",)),
    Broken(6, "a crash is counted under a name that the DC does not use",
           "paf/crash/report.py",
           "    return older if feature_set and feature_set < _BY_OPERATION else newer",
           "    return newer", (_UNIT + "test_attributes.py",)),
    Broken(2, "a standby that has diverged goes unnoticed up to PostgreSQL 9.5",
           "paf/actions/monitor.py", '    if receivers == "":', "    if False:",
           (_UNIT + "test_old_postgresql.py",)),
    Broken(7, "a recovery template that ends recovery by itself is taken",
           "paf/instance/standby_mode.py", "        if values.get(name):", "        if False:",
           (_UNIT + "test_conninfo.py",)),
    Broken(1, "a load balancer gets a primary without quorum",
           "paf/cli/health/judge.py", "    if not facts.quorum:", "    if False:",
           (_UNIT + "test_cli_health.py::test_what_is_not_known_is_no",)),
    Broken(1, "a load balancer gets a primary that Pacemaker has not promoted",
           "paf/cli/health/judge.py", "    if facts.node not in facts.promoted:", "    if False:",
           (_UNIT + "test_cli_health.py::"
            "test_a_primary_that_pacemaker_does_not_have_gets_no_writes",)),
    Broken(6, "an event is announced by every node",
           "paf/cli/alert/fold.py", "    return (promoted or alive or [dc])[-1]",
           "    return (promoted and alive or [dc])[-1]",
           (_UNIT + "test_cli_alert.py::test_who_speaks_is_where_it_was_decided",)),
    Broken(1, "a server whose data directory was renamed counts as stopped",
           "paf/instance/postmaster.py", "    moved = strayed(instance)", "    moved = []",
           (_COMPONENT + "test_identity.py::"
            "test_a_stop_ends_a_server_whose_data_directory_was_renamed[renamed]",)),
    Broken(2, "what was written and not flushed does not count",
           "paf/instance/queries.py",
           '    arrived = _ARRIVED if version >= 130000 else "{received}"',
           '    arrived = "{received}"', (_UNIT + "test_queries.py",)),
    Broken(2, "a server of another cluster votes",
           "paf/instance/peer.py", "    if system[0] != identifier:", "    if False:",
           (_COMPONENT + "test_peer.py::test_a_server_of_another_cluster_does_not_vote",)),
    Broken(2, "a server that still replays votes with its replay position",
           "paf/instance/peer.py", "    if earlier != system:", "    if False:",
           (_COMPONENT + "test_peer.py::"
            "test_a_standby_that_replays_while_it_is_asked_is_a_lower_bound",)),
    Broken(4, "what a primary saw in an earlier reign narrows its rule",
           "paf/synchronous.py", '    current = "{0} {1}".format(sight.epoch, sight.setting)',
           "    current = sight.setting",
           (_UNIT + "test_synchronous.py::"
            "test_what_an_earlier_reign_saw_does_not_narrow_the_rule_of_this_one",)),
    Broken(4, "a published rule that cannot be understood counts as none",
           "paf/synchronous.py", "        if len(entries) < len(facts):    # what cannot be "
           "understood may ask for any standby", "        if False:",
           (_UNIT + "test_synchronous.py::"
            "test_a_rule_that_cannot_be_understood_is_removed_once_no_commit_may_need_it",)),
    Broken(4, "only the beginning of a note is read",
           "paf/cluster/notes.py", "    while parts[-1]:", "    while False:",
           (_UNIT + "test_synchronous.py::"
            "test_a_note_is_read_whole_however_long_it_is",)),
    Broken(2, "a WAL folder that cannot be looked into has no more WAL",
           "paf/instance/walend.py",
           '        raise OcfError("cannot look into {0}: {1}".format(folder, error.strerror))',
           "        names = []",
           (_UNIT + "test_walend.py::test_a_wal_folder_that_is_not_mounted_is_no_end[floor1]",)),
    Broken(2, "a WAL segment that is missing holds nothing",
           "paf/instance/walend.py",
           "           for number in later) or newest is None and floor.lsn % size:",
           "           for number in later):",
           (_UNIT + "test_walend.py::"
            "test_without_the_segment_that_the_floor_is_in_the_end_is_not_known",)),
    Broken(2, "a pg_waldump that failed has found no WAL past the fork",
           "paf/instance/waldump.py",
           "    if found or result is None or result.status == 0 or any(", "    if True or any(",
           (_UNIT + "test_sql.py::"
            "test_a_program_that_failed_has_not_seen_that_there_is_no_record",)),
    Broken(3, "promote forgets what a notification that was killed has not checked",
           "paf/actions/promote.py",
           "    if verdict.promote and context.node not in view.accepted:", "    if False:",
           (_UNIT + "test_promotion.py::"
            "test_promote_checks_what_a_notification_that_was_killed_has_not",)),
    Broken(4, "a short timeout leaves no time to wait for the last primary",
           "paf/promotion.py",
           "    patience = context.deadline.within(max(left / 3, left - _VOTES_TIME))",
           "    patience = context.deadline.within(max(0, left - _VOTES_TIME))",
           (_UNIT + "test_promotion.py::"
            "test_a_short_timeout_still_leaves_time_to_wait_for_the_last_primary",)),
    Broken(4, "a later primary that was stopped in order with less WAL is forgotten",
           "paf/promotion.py",
           "                or is_known(words[node]) and words[node].value.timeline > "
           "mine.timeline):", "                or False):",
           (_UNIT + "test_promotion.py::"
            "test_a_later_primary_that_was_stopped_with_less_wal_is_not_forgotten",)),
    Broken(4, "what an administrator accepted holds until that node is promoted",
           "paf/actions/promote.py", "        for node in sorted(view.accepted):",
           "        for node in view.accepted & set([context.node]):",
           (_UNIT + "test_promotion.py::"
            "test_what_an_administrator_accepted_ends_with_any_promotion",)),
    Broken(4, "a later timeline whose history is unknown outranks the last primary",
           "paf/decide/election.py",
           "                        or lines and _is_later(positions[node], "
           "positions[str(primary)])))", "                        ))",
           (_UNIT + "test_election.py::"
            "test_a_later_timeline_whose_history_is_unknown_counts_less_than_the_last_primary",)),
    Broken(2, "a server that was restarted votes with its replay position",
           "paf/instance/peer.py",
           "    if not (_is_all(received[1], lsn) if len(received) == 2 else streamed):",
           "    if False:",
           (_COMPONENT + "test_peer.py::"
            "test_a_standby_that_cannot_be_known_to_have_read_all_is_a_lower_bound",)),
    Broken(1, "a name is looked up twice, and may lead to this node the second time",
           "paf/instance/peer.py", "    if result.status != 0 or not found:", "    if False:",
           (_COMPONENT + "test_peer.py::test_a_name_that_is_not_looked_up_leads_nowhere",)),
    Broken(4, "of two connections of one name the last one counts",
           "paf/actions/monitor.py",
           "        flushed = found.get(replica.name, replica.flushed)",
           "        flushed = replica.flushed",
           (_UNIT + "test_promotion.py::"
            "test_of_two_connections_of_one_name_the_one_with_less_counts",)),
    Broken(4, "a score that cannot be written keeps the rule from being published",
           "paf/actions/monitor.py", "                failed.append(str(error))",
           "                raise",
           (_UNIT + "test_promotion.py::"
            "test_what_a_monitor_cannot_write_keeps_it_from_nothing_else",)),
    Broken(4, "one that waited itself is not waited for after a cold start",
           "paf/decide/election.py", "                  if (score > 0 or score == WAITING)",
           "                  if score > 0",
           (_UNIT + "test_election.py::"
            "test_one_that_waited_itself_is_waited_for_after_a_cold_start",)),
    Broken(1, "a primary by another name than its own lowers its own score",
           "paf/actions/monitor.py", "    if context.node not in view.online:", "    if False:",
           (_UNIT + "test_promotion.py::"
            "test_a_primary_that_is_no_member_by_its_name_gives_no_scores",)),
    Broken(4, "a copy takes the place of a folder that holds another cluster's tablespace",
           "paf/cli/rebuild/places.py", "    if names:", "    if False:",
           (_UNIT + "test_rebuild_plan.py",)),
    Broken(4, "a copy takes the place of a tablespace and of the data directory around it",
           "paf/cli/rebuild/places.py", "    _apart(places)", "    pass",
           (_UNIT + "test_rebuild_plan.py",)),
    Broken(4, "two rewinds or rebuilds work on one directory",
           "paf/instance/journal.py", "    if started is not None and started == facts.get("
           "\"since\") and pid != os.getpid():", "    if False:",
           (_UNIT + "test_rebuild_cut.py::test_what_is_under_way_is_left_alone",)),
    Broken(4, "what may be back already is emptied again",
           "paf/cli/rebuild/copying.py",
           '        facts["phase"] = rebuild.RETURNING    # from here on they may be back',
           "        pass", (_UNIT + "test_rebuild_cut.py::"
                            "test_a_cut_at_any_step_loses_none_of_the_nodes_own_files",)),
    Broken(5, "a number in a left-over postmaster.pid that was given out again keeps it stopped",
           "paf/instance/server.py", "    pidfile.make_way(instance, deadline)", "    pass",
           (_COMPONENT + "test_crashes.py::test_a_pid_file_left_over_does_not_keep_the_server_down"
            "_while_its_owner_has_that_pid",)),
    Broken(2, "a promotion by force that did not happen hides who was the last primary",
           "paf/cli/operate/promote.py",
           '                if row["node"] == node or (row["score"] or 0) > 1:',
           '                if row["node"] == node:', (_UNIT + "test_cli_operate.py",)),
    Broken(6, "what Pacemaker does not manage is ready for a failover",
           "paf/cli/status/orders.py", "    if names:", "    if False:",
           (_UNIT + "test_cli_status.py",)),
    Broken(4, "a primary that cannot be asked means that nothing is lost",
           "paf/cli/lost.py", "    if not is_known(fact):", "    if False:",
           (_UNIT + "test_cli_lost.py",)),
    Broken(4, "a copy after a rewind that was cut off removes the WAL that was given up",
           "paf/instance/rewind.py", "    kept = _keep(instance, facts)", '    kept = ""',
           (_UNIT + "test_rebuild_cut.py",)),
    Broken(5, "a typo keeps an instance down that has to be started again",
           "paf/actions/validate.py",
           "    known = all(name in kept for name in wrong)", "    known = False",
           (_COMPONENT + "test_preconditions.py::"
            "test_a_mistake_made_while_it_ran_does_not_keep_it_down_after_a_crash",)),
    Broken(6, "a history that was withdrawn counts as one that is not known",
           "paf/cluster/corosync2.py",
           "        return dict((node, lines[node]) for node in lines if lines[node])",
           "        return lines",
           (_UNIT + "test_rounds.py::test_a_line_that_was_withdrawn_is_none",)),
    Broken(4, "what was noted of a narrower rule counts in the next reign of it",
           "paf/synchronous.py", "    context.cluster.notes.remove(notes.NARROWER)", "    pass",
           (_COMPONENT + "test_synchronous.py::"
            "test_a_wider_rule_is_published_at_once_and_a_narrower_one_once_it_holds",)),
)
