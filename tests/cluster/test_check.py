"""`paf check` names each mistake, and the commands that it prints fix it."""

import contextlib
import json

import pytest

from lab.tools import LabError, wait_until
from tests.cluster import mistakes

LAB = {"nodes": 3}
COPY = "/tmp/copy.xml"


def shell(node, command, check=True, **environment):
    return node.run(["sh", "-c", command], check=check, env=environment)


def found(node, *options):
    """Return what `paf check` finds: a list of dictionaries."""
    result = node.run(["paf", "check", "--output", "json", *options], check=False)
    try:
        rows = [row for row in json.loads(result.output) if row["level"] not in ("OK", "UNSEEN")]
    except ValueError as error:
        raise LabError(f"{node.name}: {result}") from error
    assert result.status == (2 if any(row["level"] == "ERROR" for row in rows) else
                             1 if rows else 0)
    return rows


def settled(look, wanted):
    """Look until what is found is as wanted; return what was found last, as wanted or not.

    A server reads its files a moment after it was asked to, and one that is asked too late is found
    not to answer.
    """
    rows = []

    def seen():
        rows[:] = [look()]
        return wanted(rows[0])
    with contextlib.suppress(LabError):
        wait_until(seen, 60, "what is to be found", step=0.5)
    return rows[0] if rows else look()


@pytest.fixture
def good(lab):
    """A lab with nothing to find: its image starts PostgreSQL at boot, as packages do."""
    for node in lab.nodes.values():
        shell(node, "sed -i s/^auto/manual/ /etc/postgresql/15/main/start.conf")
    return lab


def test_a_good_cluster_is_all_ok_on_every_node(good):
    for node in good.nodes.values():
        assert settled(lambda node=node: found(node), lambda rows: not rows) == []


def test_the_servers_of_all_nodes_are_compared_from_any_of_them(good):
    odd = good.nodes[good.standbys()[0]]
    try:
        odd.sql("alter system set wal_sender_timeout = '17s'")
        odd.sql("alter system set max_connections = 120")
        odd.sql("select pg_reload_conf()")
        wanted = (f"17000 on {odd.name}",
                  f"on {odd.name} a restart is pending for max_connections")
        for node in good.nodes.values():
            rows = settled(lambda node=node: found(node, "--all"), lambda rows: all(
                any(words in row["what"] for row in rows) for words in wanted))
            assert [words for words in wanted
                    if not any(words in row["what"] for row in rows)] == [], rows
    finally:
        odd.sql("alter system reset wal_sender_timeout")
        odd.sql("alter system reset max_connections")
        odd.sql("select pg_reload_conf()")


def problems(mistake, spelling, look, mend):
    """Return what is wrong with the finding about a mistake, or with its cure: a list."""
    def mine(rows):
        return [row for row in rows if mistake.words in row["what"]]
    rows = settled(look, lambda rows: len(mine(rows)) == 1)
    if len(mine(rows)) != 1:
        return [(mistake.name, "found", rows)]
    failed = [result for result in map(mend, mine(rows)[0][spelling]) if not result.ok]
    left = settled(look, lambda rows: not rows)
    return [(mistake.name, "left", failed, left)] if failed or left else []


@pytest.mark.long
@pytest.mark.parametrize("spelling", ["pcs", "crm"])
def test_the_cure_for_each_mistake_in_the_configuration(good, spelling):
    node = good.any_node()
    shell(node, f"cibadmin --query > {COPY}.good")

    def mend(command):
        return shell(node, command.replace("pcs ", f"pcs -f {COPY} ", 1), False, CIB_file=COPY)
    wrong = []
    for mistake in mistakes.IN_THE_CIB:
        if spelling == "crm" and mistake.needs_no_shell:
            continue    # the same command, tried already
        shell(node, f"cp {COPY}.good {COPY} && {mistake.seed}", CIB_file=COPY)
        wrong += problems(mistake, spelling, lambda: found(node, "--cib", COPY), mend)
    assert wrong == []


@pytest.mark.long
def test_the_cure_for_each_mistake_on_a_node(good):
    node = good.nodes[good.standbys()[0]]
    wrong = []
    for mistake in mistakes.ON_A_NODE:
        shell(node, mistake.seed)
        wrong += problems(mistake, "pcs", lambda: found(node),
                          lambda command: shell(node, command, False))
    assert wrong == []


def test_before_the_resource_exists_and_without_python_packages(good):
    node = good.nodes[good.primary()]
    instance = ["--bindir", good.settings.bindir, "--pgdata", good.settings.pgdata]
    assert settled(lambda: found(node, *instance), lambda rows: not rows) == []
    wrong = found(node, "--bindir", "/usr/bin", "--pgdata", good.settings.pgdata)
    assert any("bindir /usr/bin lacks" in row["what"] for row in wrong)
    # as if neither lxml nor psycopg2 was installed
    program = ("import sys; sys.modules['lxml'] = None; sys.path.insert(0, sys.argv.pop(1)); "
               "from paf.cli.main import main; sys.exit(main())")
    result = node.run(["python3", "-ISB", "-c", program, "/usr/share/resource-agents-paf", "check"],
                      check=False)
    assert "python3-lxml is not installed" in result.output, result
