"""paf create: what is rehearsed on a copy, looked at, and only then applied."""

import io
import pathlib
from types import SimpleNamespace

import pytest

from paf import runner
from paf.cli import create, finding
from paf.cli.common import ERROR, INTERRUPTED, NOT_DONE, OK, Problem
from paf.cli.main import main, parser
from tests.unit.support import printed
from tests.unit.test_cli_check import text

__all__ = ["text"]

WORDS = ["create", "--bindir", "/b", "--pgdata", "/d"]
WARNING = finding.warning("odd", "cause")


class Cluster:
    """A cluster without resources of PAF, and a pcs whose first command makes all of them."""

    def __init__(self, new):
        self._new, self.rehearsed, self.asked = new, [], []

    def cib(self):
        return '<cib><configuration><resources/></configuration></cib>'

    def run(self, *argv):
        self.asked.append(argv)
        old, new = (pathlib.Path(argv[argv.index(word) + 1]).read_text()
                    for word in ("--original", "--new"))
        assert old == self.cib() and new == self._new
        return printed("<diff/>")

    failure: BaseException | None = None

    def wait(self, _seconds, *argv):
        assert pathlib.Path(argv[-1]).read_text() == "<diff/>"
        self.asked.append(argv)
        if self.failure is not None:
            raise self.failure

    def shell(self, argv, _deadline, env):
        self.rehearsed.append(argv)
        pathlib.Path(env["CIB_file"]).write_text(self._new)
        return printed()


@pytest.fixture
def cluster(text, tmp_path, monkeypatch):  # noqa: F811
    found = Cluster(text)
    for name in ("pcs", "crm"):
        (tmp_path / name).touch(0o755)
    monkeypatch.setattr(create, "_FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(create, "Pacemaker", lambda: found)
    monkeypatch.setattr(create.tempfile, "mkdtemp", lambda **_: _made(tmp_path / "copy"))
    monkeypatch.setattr(runner, "run", found.shell)
    monkeypatch.setattr(create.check, "of_host", lambda _: [("programs", None)])
    return found


def _made(folder):
    folder.mkdir()
    return str(folder)


def test_without_apply_the_commands_are_shown_and_only_the_copy_is_changed(
        cluster, tmp_path, capsys):
    assert main(WORDS) == OK and cluster.asked == []
    said = capsys.readouterr().out
    assert "pcs cluster cib-push paf.xml" in said and "done" not in said
    assert all(argv[:3] == [str(tmp_path / "pcs"), "-f", str(tmp_path / "copy" / "new.xml")]
               for argv in cluster.rehearsed) and cluster.rehearsed
    assert not (tmp_path / "copy").exists()


def test_what_is_applied_is_the_difference_that_the_rehearsal_made(cluster, tmp_path, capsys):
    assert main([*WORDS, "--apply", "--yes"]) == OK
    assert [argv[0] for argv in cluster.asked] == ["crm_diff", "cibadmin"]
    assert capsys.readouterr().out.endswith("done: look at paf status\n")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("failure, status", [
    (Problem("no end"), ERROR), (KeyboardInterrupt(), INTERRUPTED)])
def test_a_change_without_an_answer_is_made_once_and_not_called_none(
        cluster, capsys, failure, status):
    cluster.failure = failure
    assert main([*WORDS, "--apply", "--yes"]) == status
    assert [argv[0] for argv in cluster.asked] == ["crm_diff", "cibadmin"]
    assert "whether the configuration was changed is not known" in capsys.readouterr().err


@pytest.mark.parametrize("answer, status", [(True, OK), (False, NOT_DONE)])
def test_what_is_not_confirmed_is_not_applied(cluster, monkeypatch, capsys, answer, status):
    monkeypatch.setattr(create, "confirmed", lambda _: answer)
    assert main([*WORDS, "--apply"]) == status
    assert bool(cluster.asked) == answer
    assert ("nothing was changed" in capsys.readouterr().err) == (not answer)


@pytest.mark.parametrize("words, said", [
    (["--apply", "--yes"], "not applied: fix the errors first"),
    ([], "fix the errors before you run these commands")])
def test_with_an_error_on_this_host_nothing_is_applied(
        cluster, monkeypatch, capsys, words, said):
    monkeypatch.setattr(create.check, "of_host", lambda _: [
        ("programs", finding.error("no psql", "why"))])
    assert main([*WORDS, *words]) == ERROR and cluster.asked == []
    shown = capsys.readouterr()
    assert said in shown.err and "ERROR    programs: no psql" in shown.out


def test_a_warning_is_shown_and_keeps_nothing_from_being_applied(cluster, monkeypatch, capsys):
    monkeypatch.setattr(create.check, "of_host", lambda _: [("logout", WARNING)])
    assert main([*WORDS, "--apply", "--yes"]) == OK and cluster.asked
    assert "WARNING  logout: odd" in capsys.readouterr().out


def test_an_error_in_the_copy_keeps_it_from_being_applied(cluster, text, capsys):  # noqa: F811
    cluster._new = text.replace('name="stonith-enabled" value="true"',
                                'name="stonith-enabled" value="false"')
    assert main([*WORDS, "--apply", "--yes"]) == ERROR and cluster.asked == []
    assert "fencing is off" in capsys.readouterr().out


def test_a_name_that_is_taken_is_refused_before_anything_is_rehearsed(
        cluster, text, monkeypatch, tmp_path, capsys):  # noqa: F811
    monkeypatch.setattr(cluster, "cib", lambda: text)
    assert main(WORDS) == ERROR and cluster.rehearsed == []
    assert "there is a resource pgsqld already" in capsys.readouterr().err
    assert not (tmp_path / "copy").exists()


def test_crmsh_is_taken_where_there_is_no_pcs_and_none_where_there_is_neither(
        cluster, tmp_path, capsys):
    (tmp_path / "pcs").unlink()
    assert main(WORDS) == OK
    assert capsys.readouterr().out.startswith("crm configure <<'END'\n")
    assert {argv[0] for argv in cluster.rehearsed} == {str(tmp_path / "crm")}
    assert main([*WORDS, "--pcs"]) == ERROR
    assert "pcs is not installed here" in capsys.readouterr().err


def test_the_copy_has_the_bytes_of_the_cib_in_any_locale(cluster, monkeypatch):
    """In one that is not UTF-8, a description was written as what no program takes for XML."""
    seen = []
    monkeypatch.setattr(create.check, "of_cib", lambda found, _: seen.append(found) or [])
    copy, cib = create.Copy(), '<cib a="\u00e9\udce9"/>'    # and a byte that is no UTF-8
    copy.fill(cib)
    assert pathlib.Path(copy.name).read_bytes() == b'<cib a="\xc3\xa9\xe9"/>'
    assert create._examine(parser().parse_args(WORDS), copy) == [] and seen == [cib]


def test_a_shell_that_cannot_be_started_is_a_problem(monkeypatch):
    def run(*_, **__):
        raise runner.NotStarted("crm: No such file or directory")
    monkeypatch.setattr(runner, "run", run)
    with pytest.raises(Problem, match="crm: No such file or directory"):
        create._call(["crm", "configure"], {})


def test_what_is_missing_is_asked_for_on_a_terminal(monkeypatch, capsys):
    typed = io.StringIO("/b\n/d\n\n")
    monkeypatch.setattr(typed, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(create.sys, "stdin", typed)
    options = SimpleNamespace(name="pgsqld", bindir=None, pgdata=None, vip=None)
    create._complete(options)
    assert (options.bindir, options.pgdata, options.vip) == ("/b", "/d", None)
    assert "Data directory: " in capsys.readouterr().out


def test_the_address_may_have_a_device():
    for shell in ("pcs", "crm"):
        options = SimpleNamespace(vip="10.0.0.5", nic="eth1")
        words = create._vip(options, "ip", shell)
        assert "nic=eth1" in words and not any(word.startswith("cidr") for word in words)
