"""A guest: its QEMU, its power switch, and programs in it."""

import contextlib
import os
import signal

from lab import network
from lab.tools import LabError, run, wait_until

from . import bridges, guest_questions, layout, qmp
from .datadisk import DataDisk, options

MEMORY = 1024       # MB
#: QEMU translates code per virtual address: with random ones, each start of a program is
#: translated again (100 times /bin/true: 9.5 s, and 0.6 s without). The others are work of the
#: kernel that costs an emulated processor more than a real one.
_QUICK = "norandmaps mitigations=off init_on_alloc=0 transparent_hugepage=never"
#: MB of translated code that are kept; where it is full, all of it is dropped.
_TRANSLATED = 1024
ROOT_DISK = "root-disk"
#: The disk that all guests share, and its bytes.
SHARED, SHARED_SIZE = "shared.raw", 8 << 20


def command(name, folder, image, watchdog):
    """Return the command line of a guest's QEMU. No KVM: it is not usable everywhere."""
    argv = ["qemu-system-x86_64", "-name", name, "-machine", "pc", "-accel",
            f"tcg,tb-size={_TRANSLATED}",
            "-m", str(MEMORY), "-smp", "1", "-nodefaults", "-no-user-config", "-display", "none",
            "-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append",
            f"root=/dev/vda rw console=ttyS0 net.ifnames=0 panic=0 {_QUICK} "
            f"systemd.hostname={name}",
            # this order is that of /dev/vda, /dev/vdb and /dev/vdc; what is if=virtio comes behind
            "-drive", f"file={folder / 'disk.qcow2'},if=none,id=root,format=qcow2,cache=writeback",
            "-device", f"virtio-blk-pci,drive=root,id={ROOT_DISK}", *options(folder),
            # SBD's. Each guest writes through the same pages of this machine
            "-drive", f"file={folder.parent / SHARED},if=none,id=shared,format=raw,"
            "cache=writethrough,file.locking=off",
            "-device", "virtio-blk-pci,drive=shared,serial=sbd",
            "-serial", f"file:{folder / 'console.log'}",
            "-object", "rng-random,id=rng,filename=/dev/urandom",
            "-device", "virtio-rng-pci,rng=rng", "-device", "virtio-serial",
            "-chardev", f"socket,id=qga,path={folder / 'qga'},server=on,wait=off",
            "-device", "virtserialport,chardev=qga,name=org.qemu.guest_agent.0",
            "-qmp", f"unix:{folder / 'qmp'},server=on,wait=off",
            # the fence agent's
            "-qmp", f"tcp:{layout.MANAGEMENT}.{layout.HUB}:"
            f"{layout.FIRST_PORT + layout.number(name)},server=on,wait=off",
            "-rtc", "base=utc,clock=host", "-daemonize", "-pidfile", str(folder / "pid")]
    for card in (0, 1):
        argv += ["-netdev", f"tap,id=n{card},ifname={bridges.tap(name, card)},script=no,"
                 "downscript=no",
                 "-device", f"virtio-net-pci,netdev=n{card},mac={layout.mac(name, card)},romfile="]
    if watchdog:
        argv += ["-device", "i6300esb", "-action", "watchdog=reset"]
    return argv


class Guest:
    """One guest of a lab; its files are in `folder`."""

    #: Seconds: 40 on an idle machine, and it may be shared.
    BOOT = 1800
    is_emulated = True

    def __init__(self, name, hub, folder, image, watchdog=True):
        self.name, self.hub, self.folder, self.image = name, hub, folder, image
        self.watchdog = watchdog
        self.address = layout.address(name)
        self.data = DataDisk(hub, folder)

    def create(self):
        """Give it an empty layer over the image."""
        self.folder.mkdir(parents=True)
        with open(self.folder.parent / SHARED, "ab") as stream:
            stream.truncate(SHARED_SIZE)
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", self.image.disk,
             self.folder / "disk.qcow2"])

    @property
    def is_on(self):
        """True while its QEMU runs, also if the guest is paused."""
        path = self.folder / "pid"
        try:
            pid = int(path.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return False
        return pid in network.pids(self.hub)

    def on(self, *more):
        """Switch it on; more: options of QEMU."""
        if not self.is_on:
            self.data.on()
            (self.folder / "pid").unlink(missing_ok=True)
            run(network.inside(self.hub, [*command(
                self.name, self.folder, self.image, self.watchdog), *more]), timeout=60)

    def dark(self):
        """Cut its power, but not that of the board that manages it: what fences can start it."""
        self.off()
        self.on("-S")

    def off(self):
        """Cut its power: what it has not written to its disks is lost, and what the data disk has
        not flushed. The disk itself goes on, it has lost that before another QEMU is connected.
        """
        with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
            if self.is_on:
                os.kill(int((self.folder / "pid").read_text(encoding="ascii")), signal.SIGKILL)
        wait_until(lambda: not self.is_on, 30, f"{self.name} to be off", 0.05)

    def reset(self):
        """Press its reset button."""
        qmp.qmp(self.folder / "qmp", "system_reset")

    def pause(self):
        """Stop its processor, and with it its clocks and its watchdog."""
        qmp.qmp(self.folder / "qmp", "stop")

    def resume(self):
        """Continue a paused guest."""
        qmp.qmp(self.folder / "qmp", "cont")

    def throttle(self, operations):
        """Let its root disk do so many operations a second; 0: as many as it can."""
        limits = dict.fromkeys(("bps", "bps_rd", "bps_wr", "iops_rd", "iops_wr"), 0)
        qmp.qmp(self.folder / "qmp", "block_set_io_throttle",
                {"id": f"/machine/peripheral/{ROOT_DISK}/virtio-backend", "iops": operations,
                 **limits})

    def status(self):
        """Return QEMU's word for its state (running, paused, ...), "off" without a QEMU."""
        if not self.is_on:
            return "off"
        return qmp.qmp(self.folder / "qmp", "query-status")["status"]

    def run(self, argv, *, check=True, text=None, env=(), timeout=60):
        """Run a program in it; return the Result. LabError if it fails and `check` is set."""
        found = qmp.execute(self.folder / "qga", [str(word) for word in argv], text=text,
                            env=("PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
                                 "HOME=/root", *env), seconds=timeout)
        if check and not found.ok:
            raise LabError(f"{self.name}: {found}")
        return found

    def sql(self, query, timeout=60):
        """Run a query on its server, from the hub; return the rows, lists of strings."""
        return guest_questions.sql(self.hub, self.address, query, timeout)

    def put(self, path, data, mode="644"):
        """Write a file in it (data: bytes or text)."""
        self.run(["install", "-D", "-m", mode, "/dev/stdin", path], text=data)

    def boot_id(self):
        """Return what changes with each boot. Raises qmp.Silence."""
        return self.run(["cat", "/proc/sys/kernel/random/boot_id"], timeout=10).output.strip()

    def wait_up(self, seconds=None, not_boot=None):
        """Wait until programs can be run in it, in another boot than `not_boot`."""
        wait_until(lambda: self.boot_id() not in ("", not_boot), seconds or self.BOOT,
                   f"{self.name} to have booted", 1)
