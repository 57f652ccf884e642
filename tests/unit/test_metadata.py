"""The meta-data: valid for pcs, the same as the golden files, and true to the declarations."""

import pathlib

import pytest

from paf import agent, metadata, parameters, variant

SCHEMAS = pathlib.Path("/usr/share/pcs/data")
VERSIONS = ("1.0", "1.1")


def parsed(ocf_version, variant_name=None):
    etree = lxml_etree()
    return etree.fromstring(metadata.xml(ocf_version, variant_name).encode("ascii"))


def lxml_etree():
    try:
        from lxml import etree
    except ImportError:
        pytest.fail("these tests need lxml: apt-get install python3-lxml", pytrace=False)
    return etree


def schema(ocf_version):
    path = SCHEMAS / f"ocf-{ocf_version}.rng"
    if not path.exists():
        pytest.fail(f"{path} is missing: apt-get install pcs", pytrace=False)
    return lxml_etree().RelaxNG(file=str(path))


@pytest.mark.parametrize("ocf_version", VERSIONS)
def test_it_is_valid_for_pcs(ocf_version):
    schema(ocf_version).assertValid(parsed(ocf_version))


def test_the_schema_would_find_a_fault():
    tree = parsed("1.1")
    tree.find("parameters/parameter").set("reloadable", "perhaps")
    assert not schema("1.1").validate(tree)


@pytest.mark.parametrize("ocf_version", VERSIONS)
def test_it_is_the_golden_file(ocf_version, data):
    """After a change on purpose: pgsqlms meta-data > tests/data/metadata/VERSION.xml"""
    golden = (data / "metadata" / f"{ocf_version}.xml").read_text()
    golden = golden.replace("@PGHOST@", variant.PGHOST)
    assert metadata.xml(ocf_version, "corosync2") == golden


def test_it_tells_the_version_of_its_standard():
    for version in VERSIONS:
        assert parsed(version).findtext("version") == version


@pytest.mark.parametrize("ocf_version, roles", [
    ("1.0", {"Master", "Slave"}), ("1.1", {"Promoted", "Unpromoted"})])
def test_there_is_one_monitor_for_each_role(ocf_version, roles):
    monitors = parsed(ocf_version).xpath("actions/action[@name='monitor']")
    assert {monitor.get("role") for monitor in monitors} == roles
    assert len(monitors) == 2
    assert len({monitor.get("interval") for monitor in monitors}) == 2


def test_1_0_knows_none_of_the_words_of_1_1():
    text = metadata.xml("1.0")
    for word in ("reloadable", "unique-group", "reload-agent", "Promoted", "Unpromoted"):
        assert word not in text


def test_both_depths_of_validation_are_advertised():
    depths = parsed("1.1").xpath("actions/action[@name='validate-all']/@depth")
    assert depths == ["0", "10"]


@pytest.mark.parametrize("ocf_version", VERSIONS)
def test_each_advertised_action_is_one_of_the_agents(ocf_version):
    names = {action.get("name") for action in parsed(ocf_version).findall("actions/action")}
    assert names <= set(agent.METHODS)


def test_each_method_is_advertised():
    names = {action.get("name") for action in parsed("1.1").findall("actions/action")}
    assert names == set(agent.METHODS)


@pytest.mark.parametrize("ocf_version", VERSIONS)
def test_each_parameter_has_texts_and_its_default(ocf_version):
    found = parsed(ocf_version).findall("parameters/parameter")
    assert [each.get("name") for each in found] == [each.name for each in parameters.DECLARED]
    for each in found:
        assert each.findtext("longdesc") and each.findtext("shortdesc")
        assert each.find("content").get("default") is not None


def test_what_moves_the_data_cannot_be_reloaded():
    for each in parsed("1.1").findall("parameters/parameter"):
        restart = each.get("name") in ("pgdata", "datadir", "recovery_template")
        assert each.get("reloadable") == ("0" if restart else "1")
        assert (each.get("unique-group") is not None) == restart


def test_it_is_plain_ascii():
    for version in VERSIONS:
        metadata.xml(version).encode("ascii")


def test_the_other_variant_says_what_it_lacks():
    assert "can not" in parsed("1.0", "corosync1").findtext("longdesc")


def test_special_characters_are_escaped():
    assert metadata.escape("<a b=\"&\">") == "&lt;a b=&quot;&amp;&quot;&gt;"


def test_the_timeouts_are_those_of_2_3():
    expected = {"start": 60, "stop": 60, "promote": 30, "demote": 120, "monitor": 10,
                "notify": 60, "reload": 20, "meta-data": 5, "methods": 5}
    assert {name: metadata.timeout(name) for name in expected} == expected
    assert metadata.timeout("levitate") is None


@pytest.mark.parametrize("schemas, expected", [
    (["pacemaker-1.0.rng", "pacemaker-3.6.rng"], "1.0"),
    (["pacemaker-1.0.rng", "pacemaker-3.7.rng"], "1.1"),
    ([], "1.1")])
def test_it_has_the_words_that_the_nodes_pacemaker_knows(tmp_path, monkeypatch, schemas, expected):
    for name in schemas:
        (tmp_path / name).touch()
    monkeypatch.setenv("PCMK_schema_directory", str(tmp_path))
    monkeypatch.setattr(variant, "OCF", "auto")
    assert metadata.ocf() == expected


@pytest.mark.parametrize("build", VERSIONS)
def test_a_build_for_one_version_asks_no_pacemaker(tmp_path, monkeypatch, build):
    (tmp_path / "pacemaker-1.0.rng").touch()
    if build == "1.0":
        (tmp_path / "pacemaker-3.7.rng").touch()
    monkeypatch.setenv("PCMK_schema_directory", str(tmp_path))
    monkeypatch.setattr(variant, "OCF", build)
    assert metadata.ocf() == build
