"""The quick starts as texts: what only other nodes than the lab's would show."""

import re
import subprocess

from tests import quickstart
from tests.component import server
from tests.conftest import REPOSITORY

#: Commands of EL9's page that write PostgreSQL's configuration.
WRITES = re.compile(r"mkdir -p |cat > \S+\.conf |echo .* >> \S+\.conf$")


def page(name):
    return (REPOSITORY / "docs" / name).read_text(encoding="utf-8")


def lines_of_el9():
    """Return all commands of EL9's page; its blocks do not say where they are run."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", page("quickstart-el9.md"),
                        re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in quickstart.commands(block)]


def test_the_debian_cluster_starts_at_boot_though_pcs_has_disabled_it():
    lines = [line for block in quickstart.blocks(page("quickstart-debian.md"))
             for line in block.commands]
    # `pcs cluster destroy` disables both units; the page then waits for a fenced node to come back
    order = [lines.index(line) for line in (
        "pcs cluster destroy", "pcs cluster enable --all", "pcs stonith fence srv2")]
    assert order == sorted(order)


def test_el9s_fenced_node_is_started_again_before_the_resource_is_created():
    lines = lines_of_el9()
    order = [lines.index(line) for line in (
        "pcs stonith fence srv2", "pcs cluster start srv2 --wait", "pcs cluster cib /root/paf.xml")]
    assert order == sorted(order)


def test_postgresql_reads_the_configuration_of_el9s_page(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for name in ("postgresql.conf", "postgresql.auto.conf"):
        (data / name).write_text("port = 5432\n")
    written = [line for line in lines_of_el9() if WRITES.match(line)]
    subprocess.run(["sh", "-ec", "\n".join(written).replace("/var/lib/pgsql/15", str(tmp_path))],
                   check=True, timeout=60)
    for name, value in (("hba_file", str(tmp_path / "conf" / "pg_hba.conf")),
                        ("wal_retrieve_retry_interval", "500")):
        # -C comes first: root may run it, then
        said = subprocess.run([f"{server.bindir()}/postgres", "-C", name, "-D", data],
                              capture_output=True, text=True, timeout=60, check=False)
        assert (said.stdout.strip(), said.stderr) == (value, "")
    assert (tmp_path / "conf" / "pg_hba.conf").read_text().count("reject\n") == 2
