"""The checks of `make lint` that are the project's own: do they see what they are for?"""

import ast

import pytest

from tests import house_rules, layers, words


@pytest.fixture(scope="module")
def listed():
    return words.word_list(words.LIST.read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", [
    "Nobody answers.", "it was told", "The reason stands in the log", "is no\n    primary any more",
    "whoever has it", "tell whether it runs", "for ever"])
def test_a_listed_word_is_found(text, listed):
    pattern, plain, allowed = listed
    [word] = words.findings(text, pattern, allowed)
    assert words.advice(word, plain)


@pytest.mark.parametrize("text", [
    "A stand-in for Pacemaker", "standby", "understand", "The primary reports its position.",
    "from tests.component import stand_in"])
def test_plain_words_are_not_found(text, listed):
    pattern, _, allowed = listed
    assert words.findings(text, pattern, allowed) == []


def test_prose_of_python_is_comments_docstrings_and_messages():
    text = '"""Doc one."""\nx = "a message of words"  # a comment\n# goes on\ny = "key"\n'
    assert sorted(found for _, found in words.python_prose(text)) == [
        "a comment goes on", "a message of words"]


def test_prose_of_a_document_is_without_code():
    text = "Use `told` here.\n\n```\ntold\n```\n\n    told\n\nlast\n"
    assert [found for _, found in words.document_prose(text)] == ["Use `` here.", "last"]


def package(folder, **modules):
    for name, text in modules.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return layers.imports(folder)


def test_an_import_of_a_higher_layer_is_found(tmp_path):
    edges = package(tmp_path, cluster__base="def f():\n    from paf.crash import report\n",
                    crash__report="")
    assert ["cluster.base" in line and "above" in line for line in layers.upward(edges)] == [True]


def test_an_import_between_instance_and_cluster_is_found(tmp_path):
    edges = package(tmp_path, cluster__base="from paf.instance import sql\n", instance__sql="")
    assert "kept apart" in next(layers.upward(edges))


def test_a_circle_is_found(tmp_path):
    edges = package(tmp_path, cli__a="from paf.cli import b\n", cli__b="from paf.cli import c\n",
                    cli__c="def f():\n    from paf.cli import a\n")
    assert list(layers.circles(edges)) == ["import circle: cli.a, cli.b, cli.c"]


def test_a_deciding_module_that_reads_the_clock_is_found(tmp_path):
    edges = package(tmp_path, decide__state="import time\n", decide__wal="from paf import ocf\n",
                    ocf="")
    assert [line for line in layers.impure(edges)] == [
        "paf/decide.state imports time: modules that decide are pure"]


def test_bytecode_beside_the_source_has_no_words(monkeypatch, tmp_path):
    """Python 2 writes it there in the first `make check`; the second one has to read past it."""
    (tmp_path / "paf" / "__pycache__").mkdir(parents=True)
    for name in ("paf/agent.py", "paf/agent.pyc", "paf/__pycache__/agent.cpython-311.pyc"):
        (tmp_path / name).write_bytes(b"\xf3" if name.endswith("c") else b"# a comment\n")
    monkeypatch.setattr(words, "REPOSITORY", tmp_path)
    assert list(words.files()) == ["paf/agent.py"]


@pytest.mark.parametrize("folder", house_rules.ONE_NAME_EACH)
def test_a_name_is_for_one_module_and_one_class(folder):
    assert list(house_rules.repeated(house_rules.REPOSITORY / folder)) == []


@pytest.mark.parametrize("files, breaches", [
    ({"a/slots.py": "", "b/slots.py": ""}, ["module slots is in p/a/slots.py, p/b/slots.py"]),
    ({"a/__init__.py": "", "b/a.py": ""}, ["module a is in p/a/__init__.py, p/b/a.py"]),
    ({"a/__init__.py": "", "a/a.py": "", "b/__init__.py": "", "b/__main__.py": ""}, []),
    ({"x.py": "class Fact: pass", "y.py": "Fact = collections.namedtuple('Fact', 'kind')",
      "z.py": "Fact = Known"}, ["class Fact is in p/x.py, p/y.py"]),
    ({"x.py": "class Fact: pass", "y.py": "class Facts(namedtuple('Facts', 'a')): pass"}, [])])
def test_a_name_that_occurs_twice_is_found(files, breaches, tmp_path):
    for name, text in files.items():
        path = tmp_path / "p" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert [line.partition(":")[0] for line in house_rules.repeated(tmp_path / "p")] == breaches


@pytest.mark.parametrize("text, newer", [
    ("root.iter()", True), ("root.findall(\"a[@id='x']\")", True),
    ("root.findall(\"a[@id='{0}']\".format(name))", True), ("root.findall('.//a')", False),
    ("text.find('[')", False), ("iter(root)", False)])
def test_a_look_for_xml_that_python_2_6_cannot_do_is_found(text, newer):
    assert house_rules.is_newer_path(ast.parse(text).body[0].value) is newer
