"""`make install`, the one place that knows the layout, and what is made from the meta-data."""

import ast
import contextlib
import re

import pytest

from paf import VERSION, parameters
from tests.packaging.support import (
    AGENT, ALERT, COMMAND, COMMAND_MANUAL, DOCS, LIBRARY, MANUAL, REPOSITORY, need, pages, run)

REFUSED = {
    "VARIANT=corosync3": "VARIANT must be corosync1 or corosync2, not 'corosync3'",
    "VARIANT=": "VARIANT must be corosync1 or corosync2, not ''",
    "PYTHON=python3": "PYTHON must be the absolute path of a Python, not 'python3'",
    "PYTHON=/usr/bin/perl": "PYTHON must be the absolute path of a Python, not '/usr/bin/perl'",
    "PYTHON=/usr/bin/python3 -O": "PYTHON must be the absolute path of a Python",
    "DESTDIR=root": "DESTDIR must be an absolute path without spaces, not 'root'",
    "OCF=2.0": "OCF must be 1.0, 1.1 or auto, not '2.0'",
    "BUILD_PYTHON=": "set BUILD_PYTHON",
}


def make(*words, check=True, **options):
    """Run make in the checkout."""
    need("make", "make")
    return run("make", "-s", *words, cwd=REPOSITORY, check=check, **options)


@pytest.mark.parametrize("word", REFUSED)
def test_a_value_that_makes_no_sense_is_refused_with_a_sentence(word, tmp_path):
    words = [f"DESTDIR={tmp_path}", word] if not word.startswith("DESTDIR") else [word]
    result = make("install", *words, check=False)
    assert result.returncode
    assert REFUSED[word] in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words, sentence", [
    (("deb", "VARIANT=corosync3"), "VARIANT must be"),
    (("rpm", "VARIANT=corosync3"), "VARIANT must be"),
    (("rpm", "RHEL=5"), "RHEL must be 6, 7, 8, 9 or 10, not '5'"),
    (("deb", "PYTHON=/usr/bin/python3"), "PYTHON and DESTDIR are for make install"),
    (("rpm", "DESTDIR=/tmp"), "PYTHON and DESTDIR are for make install"),
])
def test_a_package_that_cannot_be_is_refused_with_a_sentence(words, sentence):
    result = make(*words, check=False)
    assert result.returncode
    assert sentence in result.stderr


def test_debian_rules_refuse_an_unknown_variant():
    result = run("debian/rules", "clean", cwd=REPOSITORY, env={"PAF_VARIANT": "corosync3"},
                 check=False)
    assert result.returncode
    assert 'PAF_VARIANT must be corosync1 or corosync2, not "corosync3"' in result.stderr


@pytest.mark.parametrize("interpreter, flags", [
    ("/usr/bin/python", "-ESsB"), ("/usr/bin/python2.6", "-ESsB"), ("/usr/bin/python3", "-ISB"),
    ("/usr/libexec/platform-python", "-ISB"),
])
def test_each_interpreter_gets_the_flags_it_knows(interpreter, flags, tmp_path):
    make("install", f"DESTDIR={tmp_path}", f"PYTHON={interpreter}")
    agent = tmp_path / AGENT[1:]
    assert agent.read_text().splitlines()[0] == f"#!{interpreter} {flags}"


def test_only_the_agent_is_executable_where_pacemaker_looks(tmp_path):
    make("install", f"DESTDIR={tmp_path}")
    assert [path.name for path in (tmp_path / AGENT[1:]).parent.iterdir()] == ["pgsqlms"]
    for path in (tmp_path / LIBRARY[1:]).rglob("*.py"):
        assert path.stat().st_mode & 0o777 == 0o644, path


def test_a_call_that_starts_while_it_is_installed_again_reads_a_whole_program(tmp_path):
    """Of a file that is empty for a moment Python makes a success, of `stop` as well."""
    make("install", f"DESTDIR={tmp_path}")
    paths = [tmp_path / name[1:] for name in (AGENT, COMMAND, ALERT, f"{LIBRARY}/paf/variant.py")]
    before = [path.read_text() for path in paths]
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(path.open()) for path in paths]
        make("install", f"DESTDIR={tmp_path}", "PYTHON=/usr/bin/python2", "VARIANT=corosync1")
        assert [stream.read() for stream in streams] == before
    assert all(path.read_text() != text for path, text in zip(paths, before))


def test_an_install_over_another_variant_leaves_none_of_its_bytecode(tmp_path):
    """Both have the same size and time: Python would go on with what it compiled of the first."""
    said = []
    for variant in ("corosync1", "corosync2"):
        make("install", f"DESTDIR={tmp_path}", f"VARIANT={variant}")
        program = ("import sys; sys.path.insert(0, sys.argv[1])\n"
                   "from paf import variant; print(variant.NAME)")
        said.append(run("python3", "-I", "-c", program, tmp_path / LIBRARY[1:]).stdout)
    assert said == ["corosync1\n", "corosync2\n"]


def test_the_version_is_the_same_everywhere():
    spec = (REPOSITORY / "rpm/resource-agents-paf.spec").read_text()
    assert re.search(r"^Version: *(\S+)$", spec, re.MULTILINE).group(1) == VERSION
    assert f" - 1:{VERSION}-1\n" in spec
    changelog = (REPOSITORY / "debian/changelog").read_text()
    assert changelog.startswith(f"resource-agents-paf ({VERSION}-1) ")
    assert f"## {VERSION}" in (REPOSITORY / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("variant, words", [
    ("corosync1", ["role=Master", "ms pgsql-ha pgsqld", "can not check before a switchover"]),
    ("corosync2", ["role=Promoted", "promotable pgsql-ha notify=true"]),
])
def test_the_manual_page_describes_the_build(variant, words, tmp_path):
    need("man", "man-db")
    make("install", f"DESTDIR={tmp_path}", f"VARIANT={variant}", "PGHOST=/srv/sockets")
    result = run("man", "--warnings", "--local-file", tmp_path / MANUAL[1:],
                 env={"MANWIDTH": "200"})
    assert result.stderr == ""
    text = " ".join(result.stdout.split())
    for word in [*words, 'default "/srv/sockets"']:
        assert word in text
    for parameter in parameters.DECLARED:
        assert f" {parameter.name} {parameter.text.split()[0]} " in text, parameter.name


def test_nothing_of_the_builders_shell_is_in_what_is_installed(tmp_path):
    run("sh", "-c", 'umask 077; exec make -s install "$1"', "sh", f"DESTDIR={tmp_path}/root",
        cwd=REPOSITORY, env={"PGHOST": "db.example.com"})
    values = (tmp_path / "root" / LIBRARY[1:] / "paf" / "variant.py").read_text()
    assert "db.example.com" not in values
    for path in (tmp_path / "root").rglob("*"):
        assert path.stat().st_mode & 0o044 == 0o044, path


def test_systemd_has_nothing_to_say_of_the_units(tmp_path):
    """And none has what later releases of it complain of."""
    need("systemd-analyze", "systemd")
    make("install", f"DESTDIR={tmp_path}")
    folder = tmp_path / "usr/lib/systemd/system"
    for unit in folder.iterdir():
        # CPUQuota implies it; 258 and later ignore it, with a line in the journal
        assert "CPUAccounting" not in unit.read_text()
        text = unit.read_text().replace("=/usr/", f"={tmp_path}/usr/").replace(
            "=-/usr/", f"=-{tmp_path}/usr/")
        unit.write_text(text)
    names = [unit.name.replace("@", "@1") for unit in folder.iterdir()]
    result = run("systemd-analyze", "verify", "--man=no", *names,
                 env={"SYSTEMD_UNIT_PATH": f"{folder}:"})
    assert result.stderr == ""


def _modes(folder):
    """Return what is in a folder: a dict of relative path to permissions."""
    return {path.relative_to(folder).as_posix(): path.stat().st_mode & 0o777
            for path in folder.rglob("*")}


def test_the_source_is_the_same_from_any_checkout(tmp_path):
    """As git has it, or unpacked from a release's archive, and whatever the umask was and is."""
    run(REPOSITORY / "tools/copy-source.sh", tmp_path / "git")
    run("sh", "-c", 'umask 077; cp -R "$1" "$2"', "sh", tmp_path / "git", tmp_path / "archive")
    run("sh", "-c", 'umask 077; exec "$1"/tools/copy-source.sh "$2"', "sh", tmp_path / "archive",
        tmp_path / "again")
    assert _modes(tmp_path / "again") == _modes(tmp_path / "git")
    assert set(_modes(tmp_path / "git").values()) == {0o644, 0o755}


@pytest.mark.parametrize("git", ["of another user", "not installed"])
def test_the_source_is_whole_also_where_git_says_nothing(git, tmp_path):
    """Git refuses to list another user's checkout; a checkout may have been copied to a machine."""
    need("git", "git")
    for command in (["tools/copy-source.sh", tmp_path / "its"], ["git", "-C", tmp_path / "its",
                    "init", "-q"], ["git", "-C", tmp_path / "its", "add", "-A"]):
        run(*command, cwd=REPOSITORY)
    environment = {}
    if git == "not installed":
        programs = tmp_path / "programs"
        programs.mkdir()
        for name in ("sh", "dirname", "mkdir", "find", "tar"):
            (programs / name).symlink_to(f"/usr/bin/{name}")
        environment["PATH"] = str(programs)
    else:
        run("chown", "-R", "nobody", tmp_path / "its")
    run(tmp_path / "its/tools/copy-source.sh", tmp_path / "copy", env=environment)
    expected = {name: mode for name, mode in _modes(tmp_path / "its").items()
                if not name.startswith(".git/") and name != ".git"}
    assert _modes(tmp_path / "copy") == expected


_PAGE = re.compile(r"((?:docs|\{\d\})/|PAGES \+ \"\"?\"?/)([a-z0-9/-]+\.(?:md|json))")


def test_each_page_that_a_message_names_is_installed_where_it_says(tmp_path):
    make("install", f"DESTDIR={tmp_path}")
    folder = tmp_path / DOCS[1:] / "docs"
    assert {f"/{path.relative_to(tmp_path)}" for path in folder.rglob("*.*")} == pages(REPOSITORY)
    named = {found.group(2) for path in (tmp_path / LIBRARY[1:]).rglob("*.py")
             for found in _PAGE.finditer(path.read_text())}
    assert {"troubleshooting.md", "schemas/status.json"} < named
    assert [name for name in sorted(named) if not (folder / name).is_file()] == []
    shown = set(re.findall(r"[\w/-]*docs/[\w/-]+\.\w+", (tmp_path / COMMAND_MANUAL[1:]).read_text(
    ).replace("\\-", "-")))
    assert [path for path in sorted(shown) if not (tmp_path / path[1:]).is_file()] == []


def test_no_message_names_the_folder_that_only_a_checkout_has():
    wrong = []
    for path in (REPOSITORY / "paf").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        comments = {ast.get_docstring(node, clean=False) for node in nodes if isinstance(
            node, (ast.Module, ast.FunctionDef, ast.ClassDef))}
        wrong += [f"{path}: {node.value}" for node in nodes if isinstance(node, ast.Constant)
                  and isinstance(node.value, str) and "docs/" in node.value
                  and node.value not in comments]
    assert wrong == []


def test_the_manual_page_has_no_macro_by_accident(tmp_path):
    make("install", f"DESTDIR={tmp_path}")
    known = {".TH", ".SH", ".B", ".BR", ".PP", ".TP", ".sp", ".nf", ".fi", ".ad", ".nh"}
    for line in (tmp_path / MANUAL[1:]).read_text().splitlines():
        assert not line.startswith("'")
        assert not line.startswith(".") or line.split()[0] in known, line


def test_the_agent_says_the_same_under_every_python(pythons, tmp_path):
    """Also compiles and imports every module: what vermin cannot know, a real interpreter does."""
    imports = ("import sys; sys.path.insert(0, sys.argv[1])\n"
               "for name in sys.argv[2:]: __import__(name)\n")
    modules = [".".join(path.relative_to(REPOSITORY).with_suffix("").parts).replace(".__init__", "")
               for path in sorted((REPOSITORY / "paf").rglob("*.py")) if "cli" not in path.parts]
    said = {}
    for version, path in pythons.items():
        run(path, "-B", "-c", imports, REPOSITORY, *modules, cwd=tmp_path)
        said[version] = run(path, "-SB", REPOSITORY / "resource.d/pgsqlms", "meta-data").stdout
    assert len(set(said.values())) == 1, said


@pytest.mark.parametrize("words", [(), ("OCF=auto",)])
@pytest.mark.parametrize("files, version", [
    ((), "1.1"), (("pacemaker-1.0.rng", "pacemaker-3.6.rng"), "1.0"),
    (("pacemaker-1.0.rng", "pacemaker-3.6.rng", "pacemaker-3.7.rng"), "1.1")])
def test_one_package_serves_all_releases(files, version, words, tmp_path):
    """As is the default, the agent uses the words that the node's Pacemaker knows."""
    make("install", f"DESTDIR={tmp_path}", *words)
    schemas = tmp_path / "schemas"
    schemas.mkdir()
    for name in files:
        (schemas / name).touch()
    program = ("import sys; sys.path.insert(0, sys.argv[1]); from paf import metadata; "
               "sys.stdout.write(metadata.xml())")
    printed = run("python3", "-IB", "-c", program, tmp_path / LIBRARY[1:],
                  env={"PCMK_schema_directory": str(schemas)}).stdout
    assert f"<version>{version}</version>" in printed
    assert ("Promoted" in printed) is (version == "1.1")


def test_a_wheel_is_for_python_2_and_3(tmp_path):
    source = tmp_path / "source"
    run(REPOSITORY / "tools/copy-source.sh", source)
    run("python3", "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
        "--wheel-dir", tmp_path, source)
    wheel, = tmp_path.glob("*.whl")
    assert wheel.name == f"paf-{VERSION}-py2.py3-none-any.whl"


def test_pip_installs_the_command(tmp_path):
    """`pip install .`, without a network: setuptools and wheel are Debian's."""
    run(REPOSITORY / "tools/copy-source.sh", tmp_path / "source")
    run("python3", "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation",
        "--target", tmp_path / "site", ".", cwd=tmp_path / "source")
    said = run(tmp_path / "site/bin/paf", "--version", env={"PYTHONPATH": str(tmp_path / "site")})
    assert VERSION in said.stdout


@pytest.mark.parametrize("version, sentence", [
    ("", "VERSION must be like 3.0.0, not ''"), ("3", "VERSION must be like 3.0.0, not '3'"),
    ("9.9.9", "paf/__init__.py does not say 9.9.9")])
def test_a_release_that_is_none_is_refused_before_anything_is_made(version, sentence, tmp_path):
    result = run("make", "-s", "release", f"VERSION={version}", cwd=REPOSITORY,
                 env={"DIST": str(tmp_path)}, check=False)
    assert result.returncode and sentence in result.stderr
    assert not list(tmp_path.iterdir())
