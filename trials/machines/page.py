"""The quick start for Debian, command by command, in guests with systemd, apt and pcsd.

Every block of the page is run, also what the lab of namespaces does in its own way. What is not as
it is printed, and nothing else:

* a fence device of the page (fence_ipmilan) is fence_paf_qmp, for the same node;
* the page says "a third node is set up as `srv2` is": what is run on srv2 is run on srv3, where
  both nodes are meant all three are, `srv1 srv2` in a list is `srv1 srv2 srv3`, and what makes
  srv2's fence device makes one for srv3;
* the block of text is what /etc/hosts gets;
* what asks for a password gets one on its standard input;
* Pacemaker's `load-threshold` is raised with stonith-enabled: the nodes share a machine that others
  may share too, and where Pacemaker finds it busy it runs one operation at a time in the whole
  cluster, so that the candidates of an election are not asked at the same time;
* the monitors of fence devices may take 200 s: Pacemaker's 20 s count a busy machine as a failure
  of the device, and `paf status` then asks for an administrator;
* on guests the timeouts of operations are ten times as long: with emulated processors, and other
  work beside them, a monitor has taken more than its 10 s.

The image has longer limits for pcs and systemd than Debian: see lab/machines/image.py.
"""

import contextlib
import re
import threading
import time

from lab import cib
from lab.machines import layout
from lab.settings import CHECKOUT
from lab.tools import LabError, wait_until
from tests import quickstart

PAGE = CHECKOUT / "docs" / "quickstart-debian.md"
PASSWORD = "hacluster-s3cret"
#: Seconds that one command may take: a guest has no KVM, and the machine may be shared.
COMMAND = 1200
#: Seconds that the boot may take until its last service has started, which is pcsd.
BOOTED = 4000
_IPMI = re.compile(r"fence_ipmilan pcmk_host_list=(srv\d) .*")
#: As the lab of namespaces has it.
BUSY = f"pcs property set load-threshold={cib.PROPERTIES['load-threshold']}"
#: As the timeouts on guests, for the fence devices.
WATCHED = "op monitor interval=60s timeout=200s"
#: What may fail on a guest that is too slow, and is repeated then. pcs asks systemd on each host
#: which services there are, and takes no answer in time for none.
_SLOW = ("crm_resource --wait", "pcs cluster setup")
#: Makes the timeouts of the file's operations ten times as long.
_LONGER = """sed -i -E '/<op /s/timeout="([0-9]+)s?"/timeout="\\10s"/g' /root/paf.xml"""
PCSD = ("pcsd.service", "pcsd-ruby.service")
_PROMPTS = ("passwd ", "pcs host auth ")


def blocks():
    """Return the page's Blocks."""
    return quickstart.blocks(PAGE.read_text(encoding="utf-8"))


def nodes(block):
    """Return the names of the guests where a block is run."""
    return tuple(name for name in layout.NAMES
                 if name in block.nodes or (name == "srv3" and "srv2" in block.nodes))


def here(block):
    """Return a block's commands as the guests get them."""
    if block.text:
        return ["".join(_third(f"{line}\n") for line in block.commands).join(
            ("cat >> /etc/hosts <<END\n", "END\n"))]
    found = []
    for printed in block.commands:
        command = printed.replace("srv1 srv2", "srv1 srv2 srv3")
        found.append(_device(command))
        if command == "pcs property set stonith-enabled=true":
            found.append(BUSY)
        if "fence-srv2" in command:
            found.append(_device(command.replace("srv2", "srv3")))
    return found


def _third(line):
    """Return a line of /etc/hosts, srv3's behind that of srv2."""
    name = line.split()[1]
    return line + (f"{layout.address('srv3')} srv3\n" if name == "srv2" else "")


def _device(command):
    return _IPMI.sub(lambda match: (
        f"{layout.FENCE_AGENT} pcmk_host_list={match.group(1)} pcmk_host_check=static-list "
        f"ip={layout.MANAGEMENT}.{layout.HUB} "
        f"ipport={layout.FIRST_PORT + layout.number(match.group(1))} {WATCHED}"), command)


def play(lab, say=print):
    """Run the page on the guests, a block at a time. LabError where a command fails."""
    for guest in lab.nodes.values():
        wait_booted(guest)
    for block in blocks():
        errors = []
        # daemons: who interrupts the page does not wait for its slowest command
        threads = [threading.Thread(target=_noting, daemon=True,
                                    args=(errors, lab.nodes[name], block, say))
                   for name in nodes(block)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]


def without_pcsd(lab):
    """End pcsd, which is most of what an emulated node does; what needs it starts it again."""
    for guest in lab.nodes.values():
        guest.run(["systemctl", "disable", "--now", *PCSD], timeout=COMMAND)


@contextlib.contextmanager
def with_pcsd(lab):
    """Run pcsd in all guests meanwhile."""
    for guest in lab.nodes.values():
        guest.run(["systemctl", "start", *PCSD], timeout=COMMAND)
    try:
        yield
    finally:
        for guest in lab.nodes.values():
            guest.run(["systemctl", "stop", *PCSD], timeout=COMMAND)


def wait_booted(guest):
    """Wait until all that Debian starts at boot has started. LabError where pcsd has not."""
    wait_until(lambda: _has_booted(guest), BOOTED, f"the end of the boot of {guest.name}", 0.5)
    if not guest.run(["systemctl", "is-active", "pcsd.service"], check=False).ok:
        failed = guest.run(["systemctl", "--failed", "--plain", "--no-legend"], check=False)
        raise LabError(f"{guest.name}: pcsd does not run after the boot: {failed.output}")


def _has_booted(guest):
    """Return whether systemd has started all; before it listens it is "offline" or cannot say."""
    found = guest.run(["systemctl", "is-system-running", "--wait"], check=False, timeout=BOOTED)
    return found.output.strip() in ("running", "degraded")


def _noting(errors, guest, block, say):
    try:
        _play(guest, block, say)
    except LabError as error:
        errors.append(error)


def _play(guest, block, say):
    for command in here(block):
        start = time.monotonic()
        if guest.is_emulated and command.startswith("pcs cluster cib-push"):
            guest.run(["sh", "-c", _LONGER])
        run(guest, command, block.until)
        say(f"{guest.name} {time.monotonic() - start:6.1f} s  {command.splitlines()[0][:90]}")


def run(guest, command, until=False):
    """Run a command of the page in a guest until it succeeds; return its Result.

    until: what an administrator would repeat. A server that answers too late is no mistake that a
    second look of `paf check` would find, so it may look again too.
    """
    def once():
        # two lines: a new password is asked for twice
        text = f"{PASSWORD}\n" * 2 if command.startswith(_PROMPTS) else None
        return guest.run(["bash", "-c", f"cd /root\n{command}"], check=False, text=text,
                         timeout=COMMAND)
    result = once()
    patient = command == "paf check" or command.startswith(_SLOW)
    if not result.ok and (until or patient):
        seen = [result]

        def again():
            seen[:] = [once()]
            return seen[0].ok
        wait_until(again, COMMAND, f"{command} on {guest.name}", 2, lambda: str(seen[0]))
        return seen[0]
    if not result.ok:
        raise LabError(f"{guest.name}: {command}: {result.output}{result.error}")
    return result
