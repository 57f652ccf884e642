"""paf reload: nothing is reloaded with mistakes in the files, and it is seen that it was done."""

import pytest

from paf import runner
from paf.cli.common import ERROR, NOT_DONE, OK, Pacemaker, Problem
from paf.cli.main import main
from paf.cli.operate import reload_verb
from paf.instance import psql
from tests.unit.support import instance_at, printed, programs

_QUESTIONS = {"pg_file_settings": "files", "pg_hba_file_rules": "hba",
              "pg_ident_file_mappings": "ident",
              "pg_conf_load_time": "loaded", "pg_reload_conf": "reload",
              "pending_restart": "pending"}


def shown(*rows):
    return printed("".join(psql.RECORD.join(psql.FIELD.join(row) for row in rows) + "\n"))


class Server:
    """A server that is asked by psql; `said` has rows for each of _QUESTIONS, `asked` the order."""

    def __init__(self, **said):
        self.asked, self.texts = [], []
        self._loads, self._takes = 0, said.pop("takes", True)
        self._said = {"reload": [["t"]], "files": [], "hba": [], "ident": [], "pending": [], **said}

    def __call__(self, argv):
        what = next(name for words, name in _QUESTIONS.items() if words in argv[-1])
        self.asked.append(what)
        self.texts.append(argv[-1])
        if what == "reload" and self._takes:
            self._loads += 1
        if what == "loaded":
            return shown([str(1000 + self._loads)])
        answer = self._said[what]
        return shown(*answer) if isinstance(answer, list) else answer


@pytest.fixture
def reloaded(monkeypatch, data, tmp_path):
    """Return a function that runs paf reload beside a Server of a version."""
    cib = (data / "cli" / "cib.xml").read_text().replace("/var/lib/postgresql/15/main",
                                                         str(tmp_path))
    monkeypatch.setattr(Pacemaker, "cib", lambda self: cib)

    def reload(server, version="15"):
        (tmp_path / "PG_VERSION").write_text(version + "\n")
        programs(monkeypatch, {"psql": server})
        return main(["reload"])
    return reload


def test_a_reload_looks_for_mistakes_first_and_sees_that_it_was_done(reloaded, capsys):
    server = Server()
    assert reloaded(server) == OK and capsys.readouterr() == ("reloaded\n", "")
    assert server.asked == ["files", "hba", "ident", "loaded", "reload", "loaded", "pending"]


@pytest.mark.parametrize("version, asked", [
    ("9.4", ["loaded", "reload", "loaded"]),
    ("14", ["files", "hba", "loaded", "reload", "loaded", "pending"]),
    ("9.6", ["files", "loaded", "reload", "loaded", "pending"])])
def test_a_server_is_not_asked_for_what_its_version_has_not(reloaded, version, asked):
    server = Server()
    assert reloaded(server, version) == OK and server.asked == asked


@pytest.mark.parametrize("mistakes, words", [
    ({"files": [["/x/postgresql.conf", "7", "work_mem", "setting is wrong"]]},
     "/x/postgresql.conf, line 7: work_mem: setting is wrong"),
    ({"hba": [["/x/pg_hba.conf", "3", "", "no such method"]]},
     "/x/pg_hba.conf, line 3: no such method"),
    ({"ident": [["/x/pg_ident.conf", "2", "", "missing entry"]]},
     "/x/pg_ident.conf, line 2: missing entry")])
def test_a_mistake_in_the_files_is_named_and_nothing_reloaded(reloaded, capsys, mistakes, words):
    server = Server(**mistakes)
    assert reloaded(server) == ERROR and "reload" not in server.asked
    assert capsys.readouterr() == ("", f"paf: {words}\npaf: not reloaded\n")


def test_what_waits_for_a_restart_is_named(reloaded, capsys):
    assert reloaded(Server(pending=[["port"], ["wal_level"]])) == NOT_DONE
    assert "wait for a restart: port, wal_level\n" in capsys.readouterr().out


def test_a_server_that_cannot_be_signalled_was_not_reloaded(reloaded, capsys):
    assert reloaded(Server(reload=[["f"]])) == ERROR
    assert "could not be signalled: not reloaded" in capsys.readouterr().err


def test_a_server_that_does_not_read_its_files_was_not_reloaded(reloaded, capsys, monkeypatch):
    monkeypatch.setattr(reload_verb, "_PATIENCE", 0.03)
    assert reloaded(Server(takes=False)) == ERROR
    said = capsys.readouterr()
    assert "and has not within 0 s: its log says why" in said.err and said.out == ""


@pytest.mark.parametrize("answer, words", [
    (printed("", 2, "psql: FATAL:  no\n"), "the server here cannot be asked: FATAL:  no"),
    (runner.NotStarted("psql is not there"), "psql is not there")])
def test_a_server_that_does_not_answer_is_a_problem(tmp_path, monkeypatch, answer, words):
    programs(monkeypatch, {"psql": answer})
    with pytest.raises(Problem) as refused:
        reload_verb.ask(instance_at(tmp_path, bindir="/b"), "SELECT 1")
    assert words.replace("FATAL:  ", "") in str(refused.value)


def test_an_instance_without_a_version_is_a_problem(tmp_path):
    with pytest.raises(Problem, match="cannot read .*PG_VERSION"):
        reload_verb.version_of(instance_at(tmp_path))


def test_the_file_that_is_named_is_the_one_with_the_mistake(reloaded):
    """Since PostgreSQL 16 pg_hba.conf and pg_ident.conf may include others."""
    for version, place in (("15", "current_setting('{0}_file')"), ("16", "file_name")):
        server = Server()
        assert reloaded(server, version) == OK
        assert [text.partition(",")[0] for text in server.texts[1:3]] == [
            "SELECT " + place.format(name) for name in ("hba", "ident")]
