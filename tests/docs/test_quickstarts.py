"""The quick starts as texts: what only nodes with systemd would show."""

from tests import quickstart
from tests.conftest import REPOSITORY


def test_the_debian_cluster_starts_at_boot_though_pcs_has_disabled_it():
    page = (REPOSITORY / "docs" / "quickstart-debian.md").read_text(encoding="utf-8")
    lines = [line for block in quickstart.blocks(page) for line in block.commands]
    # `pcs cluster destroy` disables both units; the page then waits for a fenced node to come back
    order = [lines.index(line) for line in (
        "pcs cluster destroy", "pcs cluster enable --all", "pcs stonith fence srv2")]
    assert order == sorted(order)
