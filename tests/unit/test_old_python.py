"""What Python 2 takes otherwise than Python 3, under each old interpreter that is there."""

import json
import os
import subprocess

import pytest

from paf.cluster import attributetext
from paf import runner
from paf.decide import quorum
from paf.instance import conninfo, journal
from tests import interpreters

OLD = sorted(version for version in interpreters.found() if version.startswith("2."))
ALL = sorted(interpreters.found())

pytestmark = pytest.mark.skipif(
    not OLD and os.geteuid() != 0, reason="no Python 2 here: tests/install-interpreters.sh")


def test_where_all_tests_run_there_is_a_python_2():
    assert OLD, "none was found: tests/install-interpreters.sh"


def answers(version, text):
    """Return what a program prints as JSON under an interpreter."""
    run = subprocess.run(
        [interpreters.found()[version], "-B", "-c", f"import json\n{text}"], timeout=60,
        cwd=interpreters.REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


#: With all that a node's name may have.
NAMES = ("db-1.example.org", "db_2", "Srv3", "a b%c", "*")


@pytest.mark.parametrize("version", OLD)
def test_a_rule_travels_as_it_does_from_a_newer_python(version):
    """A primary published none, and in a synchronous cluster no standby could be promoted."""
    entry = quorum.Entry(7, quorum.Rule(1, NAMES))
    found = answers(version, f"""
from paf.decide import quorum
entry = quorum.Entry(7, quorum.Rule(1, {NAMES!r}))
copy = quorum.copy_to_wire("db-1", entry)
print(json.dumps([quorum.to_wire(entry), copy, quorum.copy_from_wire(copy).value]))
""")
    assert found[:2] == [quorum.to_wire(entry), quorum.copy_to_wire("db-1", entry)]
    assert found[2] == ["db-1", [7, [1, sorted(NAMES)]]]


@pytest.mark.parametrize("version", OLD)
def test_a_configuration_is_read(version):
    """The variable of a list's loop is the function's there: no verb of paf could read a CIB."""
    found = answers(version, """
from paf.cli import configuration
found = configuration.parse(open("tests/data/cli/cib.xml").read(), 0)
print(json.dumps([configuration.find(found).name, len(found.constraints), found.nodes]))
""")
    assert found == ["pgsqld", 6, ["srv1", "srv2", "srv3"]]


@pytest.mark.parametrize("version", OLD)
def test_a_message_may_have_the_title_of_a_session_of_whatever_role(version):
    """A stop failed, and its node was fenced, where the connection of such a one held it up."""
    title = "postgres: walsender j\u00f6rg 192.0.2.1(4711) streaming 0/3000000"
    found = answers(version, f"""
from paf.instance import proc
proc.content = lambda pid, name: {title.encode("utf-8")!r}
print(json.dumps("{{0}} does not get on".format(proc.title(1))))
""")
    assert found == title.replace("\u00f6", "??") + " does not get on"


@pytest.mark.parametrize("version", OLD)
def test_a_reason_is_stored_as_by_a_newer_python(version):
    text = "Authentifizierung f\u00fcr \u00bbpostgres\u00ab <1> \u63a5\u7d9a"
    found = answers(version, f"""
from paf.cluster import attributetext
print(json.dumps(attributetext.plain({text.encode("utf-8")!r})))
""")
    assert found == attributetext.plain(text)


@pytest.mark.parametrize("version", OLD)
def test_a_journal_takes_names_and_passwords_of_any_character_set(version, tmp_path):
    """A file of a name in Latin-1 in the data directory: no rewind and no rebuild could begin."""
    (tmp_path / "main").mkdir()
    (tmp_path / "main" / "PG_VERSION").write_text("9.6\n")
    found = answers(version, f"""
import pwd, os
from paf import instance, ocf, parameters
from paf.instance import conninfo, journal
here = instance.of(parameters.read(ocf.Environment({{
    "OCF_RESKEY_pgdata": {str(tmp_path / "main")!r},
    "OCF_RESKEY_system_user": pwd.getpwuid(os.geteuid()).pw_name}})))
facts = {{"what": "rewind", "phase": "keeping", "conninfo": "password=\\xe9 user=j\\xc3\\xb6rg",
         "top": ["r\\xe9sum\\xe9", "\\xed\\xb3\\xa9", "log"], "deep": [], "timeline": 2}}
journal.begin(here, facts)
print(json.dumps([journal.read(here) == facts]))
""")
    assert found == [True]
    name = tmp_path / ".main.pgsqlms" / "state.json"
    facts = journal.native(json.loads(name.read_text()))
    assert runner.data(facts["conninfo"]) == b"password=\xe9 user=j\xc3\xb6rg"
    assert [runner.data(one) for one in facts["top"]] == [b"r\xe9sum\xe9", b"\xed\xb3\xa9", b"log"]


@pytest.mark.parametrize("version", OLD)
def test_a_connection_string_may_have_letters_of_any_language(version):
    """A user or a password with an umlaut, in a URI: each start ended as a mistake in the agent."""
    texts = ["postgresql://j\u00f6rg:p%C3%A4ss@h\u00f6st/?application_name=a%2db\u00fc",
             "host=h user=j\u00f6rg password=p\u00e4ss sslpassword=\u00fc application_name=a"]
    found = answers(version, f"""
from paf.instance import conninfo
print(json.dumps([[sorted(conninfo.values(text).items()), list(conninfo.connection(text))]
                  for text in {[text.encode("utf-8") for text in texts]!r}]))
""")
    wanted = json.dumps([[sorted(conninfo.values(text).items()), list(conninfo.connection(text))]
                         for text in texts])
    assert found == json.loads(wanted)


@pytest.mark.parametrize("version", ALL)
def test_a_program_gets_words_and_settings_of_any_character_set_without_a_locale(version):
    """A password with an umlaut: up to Python 3.6, psql was not started, and so no standby."""
    word = b"user=j\xc3\xb6rg \xe9"
    run = subprocess.run(
        [interpreters.found()[version], "-B", "-c", f"""
import sys
from paf import runner
from paf.deadline import Deadline
word = runner.text({word!r})
argv = ["/bin/sh", "-c", 'printf "%s" "$1$X"', "sh", word]
found = runner.run(argv, Deadline(30), env={{"X": word}})
getattr(sys.stdout, "buffer", sys.stdout).write(runner.data(found.out))
"""], timeout=60, cwd=interpreters.REPOSITORY, capture_output=True, env={"LC_ALL": "C"},
        check=False)
    assert (run.stdout, run.stderr) == (word + word, b"")
