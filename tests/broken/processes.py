"""Broken builds of what is known of processes: what cannot be seen has ended, by one line."""

from tests.broken.builds import _COMPONENT, _UNIT, Broken

BUILDS = (
    Broken(1, "what a restore has left makes a primary of a server that recovers from a crash",
           "paf/instance/standby_mode.py", "    forget_recovery(instance)", "    pass",
           (_COMPONENT + "test_crashes.py::"
            "test_a_primary_with_a_recovery_signal_is_demoted_to_a_standby_alone",)),
    Broken(1, "a promotion that failed comes about after the demotion",
           "paf/actions/demote.py", "            and not _may_be_promoted(context)):",
           "            and context):",
           (_COMPONENT + "test_held_up.py::"
            "test_a_promotion_that_failed_does_not_come_about_after_a_demotion",)),
    Broken(5, "a session of the standby holds its promotion up until that fails",
           "paf/instance/server.py", "        held_up.end()", "        pass",
           (_COMPONENT + "test_held_up.py::"
            "test_a_session_of_the_standby_holds_no_promotion_up",)),
    Broken(5, "a primary that crashed in an exclusive backup waits for the end of that",
           "paf/actions/start.py", "        end_backup(context)", "        pass",
           (_COMPONENT + "test_exclusive_backup.py::"
            "test_it_is_recovered_and_promoted_where_it_was",)),
    Broken(7, "the label of a restored backup is set aside, and its data are not whole",
           "paf/instance/backuplabel.py",
           "            and abs(seen.st_ctime - seen.st_mtime) < _MOMENT)",
           "            )",
           (_COMPONENT + "test_exclusive_backup.py::"
            "test_a_restored_backup_is_not_promoted_as_what_was_recovered_where_it_crashed",)),
    Broken(7, "a restored backup that was copied with new times is promoted without an election",
           "paf/instance/backuplabel.py",
           "    return abs(apart) < most and (apart + 1) % step < _WRITING",
           "    return step > _WRITING",
           (_COMPONENT + "test_exclusive_backup.py::"
            "test_a_restored_backup_is_not_promoted_as_what_was_recovered_where_it_crashed",)),
    Broken(5, "a number in a left-over lock file of a socket keeps the instance stopped",
           "paf/instance/server.py",
           "        socketlocks.make_way(instance, deadline)", "        pass",
           (_COMPONENT + "test_pid_files.py::test_a_lock_of_its_socket_does_not_keep_the_server_"
            "down_while_another_has_that_pid",)),
    Broken(1, "a demoted server promotes itself by a trigger file, up to PostgreSQL 11",
           "paf/instance/standby_mode.py",
           '        check_trigger(instance, template_value(text, "trigger_file"))', "        pass",
           (_UNIT + "test_instance.py::"
            "test_a_standby_whose_trigger_file_is_there_is_not_made",)),
    Broken(4, "a standby whose WAL is not mounted is started without it",
           "paf/actions/validate.py",
           "    missing = walfiles.missing(context.instance, control)", '    missing = ""',
           (_COMPONENT + "test_divergence.py::"
            "test_a_standby_without_the_file_system_of_its_wal_is_not_started",)),
    Broken(5, "a hung archive_cleanup_command holds the shutdown of a standby up",
           "paf/instance/shutdown.py",
           "        self._end_programs(programs, titles)", "        pass",
           (_COMPONENT + "test_shutdowns.py::"
            "test_an_archive_cleanup_command_that_hangs_holds_no_shutdown_up",)),
    Broken(2, "what a role may not see of its standbys counts as a base backup",
           "paf/instance/observe.py",
           "        if role and queries.hides_standbys(answer.rows):", "        if False:",
           (_UNIT + "test_sessions.py",)),
    Broken(2, "a function in the schema public decides about lag and position",
           "paf/instance/psql.py",
           '_AT_ONCE = "-c default_transaction_deferrable=off -c search_path=pg_catalog"',
           '_AT_ONCE = "-c default_transaction_deferrable=off"',
           (_COMPONENT + "test_sessions.py::"
            "test_no_function_of_somebody_else_is_called",)),
    Broken(7, "a control file that a program of another version cannot read is damaged",
           "paf/instance/controldata.py", "        if other:", "        if False:",
           (_COMPONENT + "test_identity.py::"
            "test_a_pg_controldata_of_another_version_makes_no_control_file_damaged",)),
    Broken(5, "a promotion that pg_controldata does not show has failed",
           "paf/instance/server.py", "            return _says_primary(instance, deadline)",
           "            return False",
           (_COMPONENT + "test_identity.py::"
            "test_a_promotion_is_seen_where_pg_controldata_gives_no_answer",)),
    Broken(5, "a process whose start cannot be read has ended",
           "paf/instance/proc.py", "    return is_known(now) and (now.value is None",
           "    return not is_known(now) or (now.value is None", (_UNIT + "test_processes.py",)),
    Broken(5, "a process whose name cannot be read is no server",
           "paf/instance/proc.py", "        if error.errno in ENDED:", "        if True:",
           (_UNIT + "test_processes.py",)),
    Broken(7, "a pg_rewind that was just started counts as none, and another one runs beside it",
           "paf/instance/processes.py", "        return found or not _executes(pid, program)",
           "        return True", (_UNIT + "test_processes.py",)),
    Broken(5, "a server whose postmaster.pid is empty does not run",
           "paf/instance/postmaster.py",
           "        return _by_processes(instance, Known(None)) if lines.value else Known(None)",
           "        return Known(None)", (_UNIT + "test_processes.py",)),
    Broken(5, "an instance with a setting below its primary's stays down",
           "paf/actions/start.py",
           "        if not more or postmaster.find(context.instance) != Known(None):",
           "        if True:",
           (_COMPONENT + "test_preconditions.py::"
            "test_an_instance_whose_settings_are_below_its_primarys_starts_with_those",)),
    Broken(4, "a standby without the file system of a tablespace is started",
           "paf/actions/start.py", "    tablespaces.check(context.instance)", "    pass",
           (_COMPONENT + "test_preconditions.py::"
            "test_an_instance_without_a_tablespaces_file_system_is_not_started",)),
    Broken(5, "a demoted server with hot_standby=off never answers",
           "paf/instance/standby_mode.py",
           '    version, settings = local.version(instance), [("hot_standby", "on")]',
           "    version, settings = local.version(instance), []", (_UNIT + "test_instance.py",)),
    Broken(5, "a standby whose replay is paused for a low setting is ended by its promotion",
           "paf/actions/promote.py", "    _let_replay(context, sight)", "    pass",
           (_COMPONENT + "test_preconditions.py::"
            "test_a_standby_whose_replay_is_paused_for_a_low_setting_can_be_promoted",)),
    Broken(5, "a replay that is paused for a low setting counts as well once the file has more",
           "paf/instance/limits.py", '                  if int(mine) < needed.get(name, 0)])',
           '                  if False])',
           (_COMPONENT + "test_preconditions.py::"
            "test_a_standby_whose_replay_is_paused_for_a_low_setting_says_which",)),
    Broken(5, "a postmaster.pid without a number keeps an instance stopped",
           "paf/instance/pidfile.py",
           "    if before is None or postmaster.status(instance)[0] == os.getpid():",
           "    if before is None or not postmaster.status(instance)[0]:",
           (_COMPONENT + "test_pid_files.py::"
            "test_a_pid_file_without_a_number_that_was_left_keeps_no_server_down",)),
    Broken(1, "WAL behind a segment that is not written yet cannot be read",
           "paf/instance/walprogram.py", "    if _unusable(result) is None:", "    if True:",
           (_UNIT + "test_walprogram.py",)),
)
