"""The quick starts as texts: what only other nodes than the lab's would show."""

import re
import subprocess

import pytest

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


@pytest.mark.parametrize("name", ["../README.md", *sorted(
    path.name for path in (REPOSITORY / "docs").glob("*.md"))])
def test_no_page_stops_a_server_to_disable_it_or_starts_one_in_roots_folder(name):
    """PostgreSQL up to 15 does not start in a folder that its account may not enter."""
    text = page(name)
    assert not re.search(r"systemctl disable (--now postgresql|[^`]*postgresql@)", text)
    for block in re.findall(r"(?:^ {4,}\S.*\n|^```bash\n(?:.*\n)*?```$)+", text, re.MULTILINE):
        starts = re.search(r"runuser [^#\n]*/(?:pg_ctl|pg_rewind|postgres) ", block)
        assert not starts or "cd /" in block[:starts.start()], block


def test_a_command_that_moves_patronis_files_can_be_given_twice(tmp_path):
    (command,) = [line for line in page("coming-from-patroni.md").splitlines()
                  if "from-patroni.conf &&" in line]
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "postgresql.base.conf").write_text("port = 5433\n")
    (tmp_path / "postgresql.conf").write_text("include 'x'\nmax_connections = '7'\n")
    shell = command.replace("/etc/postgresql/15/main", str(tmp_path)).replace("chown", "true")
    for status in (0, 1):
        run = subprocess.run(["sh", "-c", shell], capture_output=True, timeout=60, check=False)
        assert run.returncode == status
        assert (tmp_path / "conf.d" / "from-patroni.conf").read_text() == "max_connections = '7'\n"
        assert (tmp_path / "postgresql.conf").read_text() == "port = 5433\n"
