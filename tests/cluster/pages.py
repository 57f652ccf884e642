"""The commands of a page of the documentation, run in a lab's nodes."""

import re

from lab.tools import wait_until

#: All that the lab needs otherwise than the pages have it: addresses, a fence device, the package.
SUBSTITUTIONS = (
    (r"192\.168\.1\.50\b", "10.77.0.100"),
    (r"192\.168\.1\.", "10.77.0."),
    (r"fence_ipmilan (pcmk_host_list=\S+) .*", r"fence_paf_lab \1 pcmk_host_check=static-list"),
    (r"\./(resource-agents-paf)_\S+\.deb", r"/run/paf-lab/\1.deb"),
)

#: What apt does when it installs postgresql-15, in place of the lab's own data directory.
AS_APT_LEAVES_IT = (
    "rm -rf /etc/postgresql/15 /var/lib/postgresql/15 /var/lib/postgresql/*.conf && "
    "pg_createcluster 15 main --start")


def here(command):
    """Return a command of a page as it is run in the lab."""
    for old, new in SUBSTITUTIONS:
        command = re.sub(old, new, command)
    return command


def play(lab, block):
    """Run a block's commands in turn, on each of its nodes; yield (node, command, Result)."""
    for name in block.nodes:
        for command in block.commands:
            def run(name=name, command=command):
                return lab.nodes[name].run(["bash", "-c", here(command)], check=False, timeout=300)
            result = run()
            # a server that answers too late is no mistake that a second look would find
            patient = command == "paf check" or command.startswith("crm_resource --wait")
            if (block.until or patient) and not result.ok:
                result = wait_until(lambda run=run: [again for again in [run()] if again.ok], 180,
                                    f"{command} on {name}", 0.5)[0]
            assert result.ok, f"{name}: {command}: {result.output}{result.error}"
            yield name, command, result
