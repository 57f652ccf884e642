"""Broken builds of paf rebuild: what is in the way is not named, own files are lost."""

from tests.broken.builds import _COMPONENT, _UNIT, Broken

BUILDS = (
    Broken(7, "the first segment of a promotion that was cut off is the primary's timeline",
           "paf/instance/divergence.py",
           "        return _before_a_promotion(instance, primary, control, timeline, deadline)",
           "        return None", (_COMPONENT + "test_divergence.py::"
                                   "test_one_whose_own_promotion_was_cut_off_has_still_diverged[commits]",)),
    Broken(7, "whose name a copy has is asked of the directory that it will replace",
           "paf/instance/naming.py",
           "        datadir=folder, start_opts=_asking(mine.start_opts, folder)))",
           "        datadir=folder))",
           (_COMPONENT + "test_rebuild_configuration.py::"
            "test_a_copy_into_an_empty_folder_has_this_nodes_name[start_opts-False]",)),
    Broken(7, "statistics of WAL that are not understood count as WAL without a commit",
           "paf/instance/waldump.py",
           "    if end > start.lsn and (not counts or sum(counts.values()) != _total(result.out)):",
           "    if False:",
           (_UNIT + "test_waldump.py::"
            "test_statistics_that_are_not_understood_do_not_mean_that_no_commit_is_there",)),
    Broken(2, "what a pg_rewind by hand has left half done is started",
           "paf/actions/start.py", "        _check_history(context, sight)", "        pass",
           (_COMPONENT + "test_rewind.py::"
            "test_what_a_pg_rewind_by_hand_has_left_half_done_is_not_started",)),
    Broken(7, "another major version is copied",
           "paf/cli/rebuild/source.py", "    if _major(theirs) != _major(mine):", "    if False:",
           (_UNIT + "test_rebuild_source.py::test_another_major_version_is_named",)),
    Broken(7, "a primary without a free WAL sender is found out after the old directory "
           "was given up",
           "paf/cli/rebuild/source.py", "        if int(most) - int(used) < _NEEDED:",
           "        if False:",
           (_UNIT + "test_rebuild_source.py::"
            "test_pg_basebackup_finds_its_senders_or_it_is_said_before",)),
    Broken(7, "a mount point is to be renamed",
           "paf/cli/rebuild/plan.py", "    if _is_mounted(place):", "    if False:",
           (_UNIT + "test_rebuild_plan.py::"
            "test_a_mount_point_cannot_be_renamed_so_it_is_given_up_or_refused",)),
    Broken(7, "an empty folder that configuration includes is lost",
           "paf/instance/configfiles.py", "        found.add(target)", "        pass",
           (_UNIT + "test_ownfiles.py::"
            "test_a_folder_that_is_included_is_the_nodes_own_as_a_whole",)),
    Broken(7, "a folder that the server fills goes back over the primary's",
           "paf/instance/ownfiles.py",
           "                    _leads_to_storage(words) or _is_made_by_the_server(one, words)):",
           "                    _leads_to_storage(words)):",
           (_UNIT + "test_ownfiles.py::"
            "test_a_folder_that_the_server_fills_is_never_the_nodes_own",)),
    Broken(7, "what a copy that has not run yet has alone is given up without a word",
           "paf/cli/rebuild/rebuild.py", "            self._examine_copy()", "            pass",
           (_UNIT + "test_rebuild_source.py::"
            "test_a_copy_that_has_not_run_yet_may_have_what_the_primary_has_not",)),
    Broken(7, "a disk that is full before pg_rewind leaves a file of its own behind",
           "paf/instance/rewind.py", "    journal.write(instance, dict(facts, phase=phase))",
           "    facts['phase'] = phase\n    journal.write(instance, facts)",
           (_UNIT + "test_journal.py::"
            "test_a_disk_that_is_full_before_pg_rewind_leaves_the_directory_as_it_was",)),
    Broken(7, "a password file in the data directory is out of reach once the old one was given up",
           "paf/instance/libpqfiles.py",
           "        for place in (aside, here):",
           "        for place in (here,):",
           (_COMPONENT + "test_password_files.py::"
            "test_a_copy_reaches_the_primary_after_the_old_directory_was_given_up",)),
    Broken(7, "WAL that was received and not replayed survives a rewind",
           "paf/instance/rewind.py",
           "        fork is not None and controldata.lower_bound(control).lsn > fork.lsn)",
           "        True)",
           (_COMPONENT + "test_rewind_losses.py::"
            "test_a_standby_that_had_not_replayed_what_only_it_received_follows_again",)),
    Broken(4, "a truncation hides what else its transaction wrote",
           "paf/instance/housekeeping.py",
           "            if manager not in _CHANGES or not relations or "
           "set(relations) - _STATISTICS:",
           "            if False:", (_UNIT + "test_housekeeping.py::test_anything_else_counts",)),
    Broken(7, "pg_rewind comes to its end half way where a tablespace has no folder",
           "paf/instance/rewindrole.py",
           "    reason = tablespaces.problem_of_new(instance, psql.rows(result.out))",
           "    reason = None",
           (_COMPONENT + "test_rebuild_places.py::"
            "test_a_tablespace_that_only_the_primary_has_needs_its_folder_before_a_rewind",)),
    Broken(7, "a copy on a disk that is not mounted counts as in its place",
           "paf/instance/replacement.py",
           "        elif not _is_swapped(instance, place, aside):", "        elif False:",
           (_UNIT + "test_unmounted.py::"
            "test_a_copy_whose_disk_is_not_mounted_has_not_taken_its_place",)),
    Broken(7, "what a mount point held goes into the folder below it",
           "paf/instance/journal.py",
           "        if not os.path.ismount(place):  # novm", "        if False:",
           (_UNIT + "test_unmounted.py::test_paf_rebuild_moves_nothing_below_a_mount_point",)),
)
