"""The administrator's package, which stdeb makes from setup.cfg alone."""

import os

from paf import VERSION
from tests.packaging.support import REPOSITORY, need, run


def test_tox_builds_python3_paf_and_it_goes_without_a_trace(root, tmp_path):
    need("tox", "tox")
    need("py3versions", "python3-all")
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    built = run("tox", "--workdir", tmp_path / "tox", "-e", "stdeb", cwd=REPOSITORY,
                env={**pip, "DIST": str(tmp_path)})
    package, = (tmp_path / "stdeb").glob("*.deb")
    assert package.name == f"python3-paf_{VERSION}-1_all.deb", built.stdout
    root.run("dpkg", "--purge", "python3-paf")
    before = root.changes()
    root.run("dpkg", "--install", f"/mnt/{package.name}", share=package.parent)
    printed = root.run("python3", "-I", "-c", "import paf; print(paf.__file__, paf.VERSION)").stdout
    assert printed == f"/usr/lib/python3/dist-packages/paf/__init__.py {VERSION}\n"
    assert "usage: paf" in root.run("paf", "--help").stdout
    root.run("dpkg", "--purge", "python3-paf")
    assert root.changes() == before
