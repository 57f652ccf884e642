"""The lab of machines without a machine: its protocol, its command lines, its fence agent."""

import base64
import importlib.machinery
import importlib.util
import json
import socket
import threading
from pathlib import Path

import pytest

from lab.machines import guest, image, layout, qmp
from lab.tools import LabError

GREETING = {"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": []}}
EVENT = {"timestamp": {"seconds": 1, "microseconds": 2}, "event": "RESET", "data": {"guest": False}}


@pytest.fixture
def serve(tmp_path):
    """Serve one connection: answer each line that comes with the next list of messages."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen(1)
    asked, threads = [], []

    def start(first, *answers):
        def talk():
            connection = listener.accept()[0]
            with connection, connection.makefile("rw") as file:
                for messages in (first, *answers):
                    if messages is not first:
                        asked.append(json.loads(file.readline()))
                    for message in messages:
                        file.write(json.dumps(message) + "\n")
                    file.flush()
        threads.append(threading.Thread(target=talk, daemon=True))
        threads[0].start()
        return tmp_path / "s", asked
    yield start
    listener.close()
    for thread in threads:
        thread.join(10)


def test_a_command_of_qemu_is_answered_beside_events(serve):
    path, asked = serve([GREETING], [{"return": {}}],
                        [EVENT, {"return": {"status": "paused", "running": False}}])
    assert qmp.qmp(path, "query-status")["status"] == "paused"
    assert [message["execute"] for message in asked] == ["qmp_capabilities", "query-status"]


def test_a_refused_command_gives_its_reason(serve):
    path, _ = serve([GREETING], [{"return": {}}],
                    [{"error": {"class": "GenericError", "desc": "no such thing"}}])
    with pytest.raises(LabError, match="no such thing"):
        qmp.qmp(path, "nothing")


def test_who_does_not_answer_is_silent_and_not_dead(serve, tmp_path):
    path, _ = serve([])
    with pytest.raises(qmp.Silence):
        qmp.qmp(path, "query-status", seconds=5)
    with pytest.raises(qmp.Silence):
        qmp.qmp(tmp_path / "no-such-socket", "query-status")


def test_a_program_in_a_guest_gives_status_output_and_error():
    text = base64.b64encode(b"srv1\n").decode()
    state = {"exited": True, "exitcode": 3, "out-data": text}
    found = qmp.result(["uname", "-n"], state)
    assert (found.status, found.output, found.error) == (3, "srv1\n", "")
    assert qmp.result(["sleep"], {"exited": True, "signal": 9}).status == 137


def test_a_guest_has_its_own_sockets_cards_and_watchdog():
    files = image.Image(Path("/c/disk.raw"), Path("/c/vmlinuz"), Path("/c/initrd.img"))
    argv = guest.command("srv2", Path("/l/srv2"), files, watchdog=True)
    assert "tcp:192.168.2.254:7002,server=on,wait=off" in argv
    assert "i6300esb" in argv and "systemd.hostname=srv2" in argv[argv.index("-append") + 1]
    assert "i6300esb" not in guest.command("srv2", Path("/l/srv2"), files, watchdog=False)
    macs = {layout.mac(name, card) for name in layout.NAMES for card in (0, 1)}
    assert len(macs) == 6


def test_the_fence_agent_waits_for_the_reset_and_lets_a_paused_guest_run(monkeypatch):
    loader = importlib.machinery.SourceFileLoader("fence", str(
        Path(layout.__file__).with_name(layout.FENCE_AGENT)))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("fence", loader))
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    loader.exec_module(module)
    ours, qemus = socket.socketpair()
    done = {"return": {}}
    answers = (GREETING, done, {"event": "STOP"}, done, EVENT, {"return": {"running": False}}, done)
    qemus.sendall("".join(json.dumps(answer) + "\n" for answer in answers).encode())
    monkeypatch.setattr(module.socket, "create_connection", lambda *_: ours)
    assert module.act("reboot", module.Machine("192.0.2.1", 7001)) == 0
    asked = [json.loads(line)["execute"] for line in qemus.recv(65536).splitlines()]
    qemus.close()
    assert asked == ["qmp_capabilities", "system_reset", "query-status", "cont"]
