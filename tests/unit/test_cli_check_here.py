"""paf check on a node: its programs and its server are asked, and the rules see what they said."""

import json
import os
import sys
import types

import pytest

from paf import ocf, runner
from paf.cli import check, configuration, finding
from paf.cli.check import ask, hba, peers, serverchecks, slotchecks
from paf.cli.common import Problem
from paf.cli.main import main, parser
from paf.deadline import Deadline
from paf.decide.knowledge import Known, Unknown
from paf.instance import psql
from tests.unit.support import instance_at, NOBODY
from tests.unit.test_cli_check import HBA, SETTINGS, text
from tests.unit.test_nodelist import answering, LINES

__all__ = ["text"]

SAID = {**SETTINGS, "server_version_num": "150018"}
STANDBY = {"settings": SAID, "in_recovery": True, "clock": [0.25], "hba": HBA,
           "slots": [["srv2", "physical", True, "reserved", False, None, False]]}
CONNINFO = "host=10.77.0.2 user=repl application_name=srv1"
IDENTIFIER = "7000000000000000001"


def done(out, status=0, err="", timed_out=False):
    return runner.Result(status, out, err, timed_out)


@pytest.fixture
def instance(tmp_path):
    """A data directory of PostgreSQL 15, without a server."""
    (tmp_path / "PG_VERSION").write_text("15\n")
    return instance_at(tmp_path, bindir="/b", pghost="/run/pg", system_user="nobody")


@pytest.fixture
def programs(monkeypatch, data):
    """What PostgreSQL's programs and ask.py answer (dict of name to runner.Result)."""
    control = (data / "pg_controldata" / "15-in-archive-recovery.txt").read_text()
    shown = "\n".join([f"Database system identifier: {IDENTIFIER}"] + [
        line for line in control.splitlines() if "system identifier" not in line])
    found = {"ask.py": done(json.dumps(STANDBY)), "pg_controldata": done(shown),
             "postgres": done(CONNINFO + "\n"),
             "psql": done(psql.FIELD.join([IDENTIFIER, "1", "0/3000000", ""]))}

    def run(argv, *_, **options):
        name = os.path.basename(argv[2] if argv[0] == sys.executable else argv[0])
        assert options["user"] == NOBODY
        return found[name]
    monkeypatch.setattr(runner, "run", run)
    return found


@pytest.fixture
def running(monkeypatch):
    """A server runs here."""
    monkeypatch.setattr(check.postmaster, "find", lambda _: Known("a postmaster"))


@pytest.fixture
def pacemaker():
    """Pacemaker on srv1."""
    found = answering(LINES.replace("SRV2", "srv2"))
    found.node = lambda: "srv1"
    return found


def server(instance, pacemaker=None, managed=None, configured=None):
    return list(check.of_instance(instance, managed, configured, pacemaker))


# Is there a server that can be asked?


def test_a_server_that_is_not_known_to_run_is_not_called_stopped(instance, monkeypatch):
    monkeypatch.setattr(check.postmaster, "find", lambda _: Unknown("no rights"))
    (name, item), = server(instance)
    assert name == "server" and item.level == finding.WARNING
    assert item.what == "whether a server runs here is not known: no rights"


@pytest.mark.parametrize("owner", [NOBODY, None])
def test_where_no_server_runs_its_settings_are_not_called_good(instance, owner):
    (_, item), = server(instance._replace(owner=owner))
    assert item.level == finding.WARNING and item.what == "no server runs here"


@pytest.mark.parametrize("answer, level, words", [
    (done("", 3), finding.WARNING, "psycopg2 is not installed"),
    (done("", 1, "FATAL:  no\n  entry\n"), finding.ERROR, "refuses our questions: FATAL: no entry"),
    (done("", -9, timed_out=True), finding.ERROR, "refuses our questions: no answer in time")])
def test_a_server_that_does_not_answer_has_one_finding(
        instance, programs, running, answer, level, words):
    programs["ask.py"] = answer
    (name, item), = server(instance)
    assert name == "server" and item.level == level and words in item.what


def test_the_server_is_asked_as_its_owner_where_its_socket_is(instance, programs, monkeypatch):
    calls = []

    def run(argv, *_, **options):
        calls.append((argv, options["user"]))
        return programs["ask.py"]
    monkeypatch.setattr(runner, "run", run)
    assert check._ask(instance) == STANDBY
    (argv, user), = calls
    assert argv[-1].startswith("host='/run/pg' port=5432 user='nobody' dbname=postgres")
    assert argv[-2] == ask.__file__ and user == NOBODY


@pytest.mark.parametrize("version", ["15", "17"])
def test_the_session_is_as_safe_as_the_agents(instance, tmp_path, monkeypatch, version):
    """No function of a user's is called, and a standby answers whatever the defaults are."""
    seen = []

    def run(*_, **options):
        seen.append(options["env"]["PGOPTIONS"])
        return done("", 1, 'FATAL:  permission denied to set parameter "event_triggers"')
    (tmp_path / "PG_VERSION").write_text(version + "\n")
    monkeypatch.setattr(runner, "run", run)
    assert "permission denied" in check._ask(instance)["error"]
    for options in ("search_path=pg_catalog", "role=none",
                    "default_transaction_isolation=read\\ committed"):
        assert all("-c " + options in text for text in seen), options
    # of a setting that the session has, the server shows no other value
    assert not any(name + "=" in text for text in seen for name in ask.SETTINGS)
    assert ["event_triggers=off" in text for text in seen] == (
        [False] if version == "15" else [True, False])


# What the rules look at


def subject(instance, pacemaker, monkeypatch, answer, managed=None, configured=None):
    """Return the Checked that the rules were given."""
    seen = []
    monkeypatch.setattr(serverchecks, "RULES", (("all", lambda it: seen.append(it) or []),))
    for module in (slotchecks, check.primary):
        monkeypatch.setattr(module, "RULES", ())
    monkeypatch.setattr(check, "_ask", lambda _: answer)
    assert server(instance, pacemaker, managed, configured) == [("all", None)]
    return seen[0]


def test_the_rules_see_what_server_programs_and_cluster_say(
        instance, programs, running, pacemaker, monkeypatch, data):
    configured = configuration.parse((data / "cli" / "cib.xml").read_text())
    found = subject(instance, pacemaker, monkeypatch, STANDBY, configuration.find(configured),
                    configured)
    assert found.conninfo == CONNINFO and found.node == "srv1" and found.own == ["10.77.0.1"]
    assert found.nodes == ["srv1", "srv2", "srv3"] and found.vips == [
        vip.parameters["ip"] for vip in configuration.vips_of(
            configured, configuration.find(configured))] != []
    assert found.mine == {"system_identifier": IDENTIFIER, "major": 15}
    assert found.upstream["system_identifier"] == IDENTIFIER
    assert found.resource == "pgsqld-clone" and found.clock == 0.25
    assert [rule.method for rule in found.rules] == [row[6] for row in HBA]
    assert [slot.name for slot in found.slots] == ["srv2"]
    assert found.restart == ["crm_resource --restart --resource pgsqld-clone --node srv1"]


def test_without_a_resource_the_nodes_are_corosyncs(
        instance, programs, running, pacemaker, monkeypatch):
    found = subject(instance, pacemaker, monkeypatch, {**STANDBY, "clock": []})
    assert found.nodes == ["srv1", "srv2"] and found.vips == [] and found.resource == "RESOURCE"
    assert found.clock is None
    monkeypatch.setattr(hba, "resolved", lambda name: ["of " + name])
    assert subject(instance, pacemaker, monkeypatch, STANDBY).own == ["of 10.77.0.1"]
    pacemaker.node = lambda: "srv9"
    found = subject(instance, pacemaker, monkeypatch, STANDBY)
    assert found.own == ["of srv9"]


def test_a_primary_is_not_compared_with_whom_it_would_follow(
        instance, programs, running, pacemaker, monkeypatch):
    found = subject(instance, pacemaker, monkeypatch, {**STANDBY, "in_recovery": False})
    assert found.upstream == {} and found.mine["system_identifier"] == IDENTIFIER


def test_where_the_files_cannot_be_read_the_server_says_its_primary_conninfo(
        instance, programs, running, pacemaker, monkeypatch):
    programs["postgres"] = done("", 1, "FATAL: no")
    programs["pg_controldata"] = done("", 1)
    answer = {**STANDBY, "settings": {**SAID, "primary_conninfo": "host=x"}}
    found = subject(instance, pacemaker, monkeypatch, answer)
    assert found.conninfo == "host=x" and found.limits is None
    assert found.mine["system_identifier"] is None


# ask.py, with a substitute for psycopg2


class Database(types.ModuleType):
    """A psycopg2 whose connection is of a server of one version, and notes what it is asked."""

    Error = type("Error", (Exception,), {})

    def __init__(self, version, problem=None):
        super().__init__("psycopg2")
        self.server_version, self.asked, self._problem = version, [], problem

    def connect(self, _target):
        if self._problem:
            raise self.Error(self._problem)
        return self

    def cursor(self):
        return self

    def execute(self, query, _parameters):
        self.asked.append(query)

    def fetchall(self):
        query = self.asked[-1]
        if "pg_settings" in query:
            return [("wal_level", "replica", "postmaster")]
        return [(True,)] if "in_recovery" in query else [("1.5",)]


@pytest.mark.parametrize("version, hba_rows, slots, clock", [
    (90300, [], [], []), (90400, [], [["1.5"]], []), (90600, [], [["1.5"]], [1.5]),
    (100000, [["1.5"]], [["1.5"]], [1.5])])
def test_a_server_is_asked_only_for_what_its_version_has(
        monkeypatch, capsys, version, hba_rows, slots, clock):
    monkeypatch.setitem(sys.modules, "psycopg2", Database(version))
    assert ask.main(["ask.py", "host=x"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "settings": {"wal_level": "replica"}, "in_recovery": True, "clock": clock,
        "hba": hba_rows, "slots": slots}


def test_a_refused_connection_and_a_missing_module_have_exit_codes_of_their_own(
        monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "psycopg2", Database(150018, "no pg_hba.conf entry"))
    assert ask.main(["ask.py", "host=x"]) == 1
    assert capsys.readouterr() == ("", "no pg_hba.conf entry")
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    assert ask.main(["ask.py", "host=x"]) == 3


# This host


def test_a_comment_in_another_encoding_hides_no_line_of_a_file(tmp_path):
    """The folder of the socket, and RemoveIPC=no, were called missing."""
    for name, line in (("etc/tmpfiles.d/pg.conf", b"d /run/postgresql 2775 postgres postgres -"),
                       ("etc/systemd/logind.conf", b"RemoveIPC=no")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"# f\xfcr PostgreSQL\n" + line + b"\n")
    one = instance_at(tmp_path, pghost="/run/postgresql")
    assert list(check.host.reboot(one, str(tmp_path))) == []
    assert list(check.host.logout(one, str(tmp_path))) == []


@pytest.mark.parametrize("uid, level", [(0, finding.ERROR), (65534, finding.WARNING)])
def test_what_only_root_may_look_at_is_no_mistake(instance, monkeypatch, uid, level):
    def refuse(*_):
        raise ocf.OcfError("cannot read /d: Permission denied")
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(os, "access", lambda *_: True)
    monkeypatch.setattr(check.host.settings, "check_programs", refuse)
    monkeypatch.setattr(check.host.local, "version", refuse)
    for found in (check.host.programs(instance), check.host.directory(instance, Deadline(1.0))):
        item, = found
        assert item.level == level and "cannot read /d" in item.what


def test_a_host_without_the_agent_is_named(instance, monkeypatch, tmp_path):
    monkeypatch.setattr(check.host.settings, "check_programs", lambda *_: None)
    item, = check.host.programs(instance, str(tmp_path))
    assert item.level == finding.ERROR and item.what.endswith("heartbeat/pgsqlms is missing")


def test_each_mistake_of_a_data_directory_is_named(instance, monkeypatch, tmp_path):
    monkeypatch.setattr(check.host.controldata, "read", lambda *_: Known("a control file"))
    other = instance._replace(owner=NOBODY._replace(uid=os.geteuid() + 1))
    assert "does not belong to nobody" in [
        item.what for item in check.host.directory(other, Deadline(1.0))][0]
    mine = NOBODY._replace(uid=os.geteuid())
    good = instance._replace(owner=mine)
    assert list(check.host.directory(good, Deadline(1.0))) == []
    template = tmp_path / "recovery.conf.pcmk"
    template.touch()
    with_template = instance_at(tmp_path, recovery_template=str(template))._replace(owner=mine)
    monkeypatch.setattr(check.host.controldata, "read", lambda *_: Unknown("no answer"))
    found = [item.what for item in check.host.directory(with_template, Deadline(1.0))]
    assert found == ["the control file cannot be read: no answer", f"{template} exists"]
    (tmp_path / "PG_VERSION").write_text("11\n")
    assert len(list(check.host.directory(with_template, Deadline(1.0)))) == 1


# All of it


def test_before_there_is_a_resource_the_instance_is_that_of_the_options(tmp_path, monkeypatch):
    options = parser().parse_args(["check", "--pgdata", str(tmp_path), "--bindir", "/b",
                                   "--pgport", "5499"])
    seen = []
    monkeypatch.setattr(check, "of_host", lambda instance: seen.append(instance.parameters) or [])
    monkeypatch.setattr(check, "of_instance", lambda *given: [("server", given[1:3])])
    assert list(check.examine(options, None)) == [("server", (None, None))]
    assert (seen[0].pgdata, seen[0].bindir, str(seen[0].pgport)) == (str(tmp_path), "/b", "5499")


def test_this_host_is_looked_at_and_other_nodes_where_that_is_requested(
        instance, monkeypatch, pacemaker):
    for name in ("of_host", "of_instance", "of_all"):
        monkeypatch.setattr(check, name, lambda *_, name=name: [(name, None)])
    for wanted, last in ((True, ["of_all"]), (False, [])):
        found = check._of_this_node(types.SimpleNamespace(all=wanted), instance, None, None,
                                    pacemaker)
        assert [name for name, _ in found] == ["of_host", "of_instance", *last]


def test_a_node_that_is_to_run_no_instance_has_no_server_to_be_asked(
        instance, monkeypatch, pacemaker, text):
    """One for the quorum alone was reported as one whose server does not answer."""
    configured = configuration.parse(text.replace("</constraints>", (
        '<rsc_location id="quorum-only" rsc="pgsqld-clone" node="srv2" score="-INFINITY"/>'
        "</constraints>")))
    nodes = []
    monkeypatch.setattr(check, "of_host", lambda *_: [])
    for name in ("of_instance", "of_all"):
        monkeypatch.setattr(check, name, lambda *given: nodes.append(given[-2].nodes) or [])
    assert not list(check._of_this_node(types.SimpleNamespace(all=True), instance,
                                        configuration.find(configured), configured, pacemaker))
    assert nodes == [["srv1", "srv3"]] * 2
    pacemaker.node = lambda: "srv2"
    assert list(check._of_this_node(
        types.SimpleNamespace(all=True), instance, configuration.find(configured), configured,
        pacemaker)) == [("no instance is to run here", None)]


def test_each_check_of_the_host_is_named_also_where_it_finds_nothing(instance, monkeypatch):
    none = finding.warning("no programs", "why")
    for name in ("directory", "service", "reboot", "logout"):
        monkeypatch.setattr(check.host, name, lambda *_: [])
    monkeypatch.setattr(check.host, "programs", lambda *_: [none])
    assert list(check.of_host(instance)) == [
        ("programs", none), ("data directory", None), ("service", None), ("after a reboot", None),
        ("logout", None)]


def test_each_node_is_asked_at_its_address_and_this_one_by_its_socket(
        instance, programs, pacemaker, monkeypatch):
    asked, nothing = [], peers.Seen({}, None, "", "no")
    monkeypatch.setattr(peers, "here", lambda *given: asked.append(given[1:]) or nothing)
    monkeypatch.setattr(peers, "there", lambda *given: asked.append(given[1:]) or nothing)
    configured = types.SimpleNamespace(nodes=["srv1", "srv2", "srv3"])
    assert list(check.of_all(instance, configured, pacemaker))
    assert asked == [(150000,), (CONNINFO, "10.77.0.2", 150000), (CONNINFO, "srv3", 150000)]
    del asked[:]
    assert list(check.of_all(instance, None, pacemaker))
    assert len(asked) == 2


@pytest.mark.parametrize("uid, what, why", [
    (0, "the other nodes' servers were not asked: ", "run paf check --all on another node"),
    (65534, "not looked at: ", "run paf check as root")])
def test_other_nodes_that_cannot_be_asked_are_not_called_alike(
        instance, programs, pacemaker, monkeypatch, uid, what, why):
    programs["postgres"] = done("", 1, "FATAL: Permission denied")
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    (name, item), = check.of_all(instance, None, pacemaker)
    assert name == "all nodes" and item.level == finding.WARNING
    assert item.what.startswith(what) and item.why.endswith(why)


def test_what_is_missing_is_named_with_the_command_that_installs_it(text, monkeypatch):
    monkeypatch.setattr(check.schemas, "lxml_or_none", lambda: None)
    name, item = list(check.of_cib(text, ""))[-1]
    assert name == "schemas" and item.what == "python3-lxml is not installed"
    for there, command in ((True, "apt-get install"), (False, "yum install")):
        monkeypatch.setattr(os.path, "exists", lambda _, there=there: there)
        assert check._missing("lxml", "x").pcs == [command + " python3-lxml"]


def test_the_text_for_people_has_commands_once_where_both_shells_have_the_same(
        monkeypatch, capsys):
    found = [("good", None), ("one", finding.error("wrong", "reason", finding.both("do it"))),
             ("two", finding.warning("odd", "cause", (["pcs this"], ["crm that"])))]
    monkeypatch.setattr(check, "examine", lambda *_: found)
    assert main(["check"]) == 2
    assert capsys.readouterr().out.splitlines() == [
        "OK       good", "ERROR    one: wrong", "         why: reason", "         run: do it",
        "WARNING  two: odd", "         why: cause", "         pcs: pcs this",
        "         crm: crm that"]


def test_a_cib_that_cannot_be_read_is_a_problem_that_names_the_file(tmp_path):
    with pytest.raises(Problem, match="cannot read .*none: No such file"):
        check._read(str(tmp_path / "none"))
