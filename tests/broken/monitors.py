"""Broken builds of the monitor: what it says of an instance that runs, made untrue by one line."""

from tests.broken.builds import _UNIT, Broken

BUILDS = (
    Broken(4, "a primary that flushes no WAL is well", "paf/stuckwal.py",
           "    if failed:", "    if False:",
           (_UNIT + "test_stuck_wal.py::test_one_that_flushes_nothing_has_failed",)),
    Broken(4, "a place that was seen before nothing waited counts", "paf/stuckwal.py",
           "    if not place:", "    if False:",
           (_UNIT + "test_stuck_wal.py::test_one_commit_after_a_long_rest_is_no_failure",)),
    Broken(7, "a server whose shared memory was removed counts as one that refuses a login",
           "paf/instance/sharedmemory.py",
           "    if server is not None and is_removed(server.pid):", "    if server is False:",
           (_UNIT + "test_shared_memory.py::test_a_server_that_is_not_known_has_lost_nothing",)),
    Broken(7, "a disk without room is not said",
           "paf/remarks.py", "            if seen.f_bavail * seen.f_frsize < _BLOCK:",
           "            if seen is None:",
           (_UNIT + "test_remarks.py::test_a_disk_without_room_is_said",)),
    Broken(6, "a standby that does not stream ends its monitor as degraded",
           "paf/actions/monitor.py", "            _look_after(context, sight)",
           "            return _look_after(context, sight) or 190",
           ("tests/component/test_degraded.py::"
            "test_a_standby_that_does_not_stream_for_a_while_is_degraded",)),
    Broken(6, "commits that wait for a standby which is away are no worry",
           "paf/decide/quorum.py", "    if len(able) >= rule.number:", "    if able is not None:",
           (_UNIT + "test_quorum.py::"
            "test_too_few_standbys_to_acknowledge_a_commit_are_a_worry",)),
    Broken(7, "slots are dropped where the cluster's nodes are not known",
           "paf/decide/slots.py", "    if me not in nodes:", "    if me in (None,):",
           (_UNIT + "test_slots.py::"
            "test_only_the_agents_slots_of_nodes_that_left_are_dropped",)),
    Broken(7, "a standby's slot is advanced past what the primary's keeps",
           "paf/decide/slots.py", "    if member.bound is None:", "    if member.node is None:",
           (_UNIT + "test_slots.py::test_what_is_done_with_a_slot",)),
    Broken(3, "a primary that was cut off changes the CIB",
           "paf/cluster/cib.py",
           "    if 'have-quorum=\"0\"' not in xml[begin:xml.find(\">\", begin)]:", "    if xml:",
           (_UNIT + "test_cib.py::"
            "test_a_partition_without_quorum_decides_nothing_unless_that_is_ignored",)),
    Broken(3, "a shutdown that writes its checkpoint counts as one that cannot end",
           "paf/instance/shutdown.py",
           "        started = not is_known(control) or control.value.state not in _NOT_STARTED",
           "        started = False", (_UNIT + "test_shutdown.py",)),
    Broken(1, "a primary whose machine was paused goes on",
           "paf/crash/pauseguard.py",
           "        if paused < max(self._silence, clocks.LEAST) or not self._is_primary():",
           "        if True:", (_UNIT + "test_pause_guard.py",)),
    Broken(4, "a server that was asked for its role alone has no standbys",
           "paf/instance/observe.py",
           "        return sight._replace(rows=[], message=str(error)) if sight.rows else sight",
           "        return sight", (_UNIT + "test_role_alone.py",)),
)
